"""Writes the files of a run as a recognition goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emotion.audio import Samples, write_wav
from emotion.core.errors import ModelError
from emotion.storage.run_store import (
    AUDIO_FILE,
    EMBEDDING_FILE,
    FRAME_EMBEDDINGS_FILE,
    SEGMENT_EMBEDDINGS_FILE,
    RunWriter,
)

if TYPE_CHECKING:
    from emotion.core.results import Result


class RunSink:
    """A sink of `emotion.recognition.pipeline.recognize` that fills a run folder.

    Args:
        run: The run in the making; whoever made it commits it.

    Attributes:
        embedding: What was written as ``embedding.npy``; None unless it was asked for.
        segment_embeddings: What was written as ``embedding_segments.npy``; None if nothing was.
    """

    audio_file = AUDIO_FILE

    def __init__(self, run: RunWriter) -> None:
        self._run = run
        self._rows = 0
        self._total = 0  # rows that the header of the frames promises
        self.embedding: NDArray[np.float32] | None = None
        self.segment_embeddings: NDArray[np.float32] | None = None

    def audio(self, blocks: Iterator[Samples]) -> None:
        """Writes ``processed_audio.wav``, 16 kHz mono PCM16."""
        with self._run.writing(AUDIO_FILE) as path:
            write_wav(path, blocks)

    def frames(self, total: int, features: NDArray[np.float32]) -> None:
        """Adds rows to ``embedding_frames.npy``, float32, (``total``, D)."""
        with self._run.writing(FRAME_EMBEDDINGS_FILE) as path, path.open("ab") as file:
            if not self._rows:
                shape = (total, features.shape[1])
                header = {"descr": "<f4", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                self._total = total
            file.write(np.ascontiguousarray(features, "<f4").data)
        self._rows += len(features)

    def finish(
        self,
        result: Result,
        embedding: NDArray[np.float32] | None,
        segments: NDArray[np.float32] | None,
    ) -> None:
        """Writes the embeddings where they were asked for, and ``result.json``.

        Raises:
            ModelError: The network gave another number of frames than it announced.
            OutputError: A file cannot be written.
        """
        if self._rows != self._total:
            reason = f"the network gave {self._rows} frames instead of {self._total}"
            raise ModelError(reason=reason)
        self.embedding, self.segment_embeddings = embedding, segments
        for name, array in ((EMBEDDING_FILE, embedding), (SEGMENT_EMBEDDINGS_FILE, segments)):
            if array is not None:
                self._run.write_array(name, array)
        self._run.write_json(result.to_dict())
