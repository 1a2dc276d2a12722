"""The Python interface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emotion.audio import Samples
from emotion.core.config import Config, Precision, given
from emotion.core.labels import LABELS
from emotion.core.options import Channels, Granularity, RecognitionOptions
from emotion.core.progress import ProgressCallbacks
from emotion.core.results import Result
from emotion.recognition import pipeline
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.opening import open_model
from emotion.recognition.table import OnError, process

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Recognition:
    """A result with its arrays.

    Attributes:
        result: What ``result.json`` holds.
        samples: float32, (samples,), 16 kHz mono, what the network heard.
        embedding: float32, (D,), mean of the frame features; None unless asked for.
        frame_embeddings: float32, (T, D), with frame granularity; None unless asked for.
        segment_embeddings: float32, (segments, D), with segment granularity; None unless asked for.
    """

    result: Result
    samples: Samples
    embedding: NDArray[np.float32] | None = None
    frame_embeddings: NDArray[np.float32] | None = None
    segment_embeddings: NDArray[np.float32] | None = None


class Recognizer:
    """Recognises recordings with one model; safe to use from several threads.

    Args:
        model: The loaded model; `load` finds and loads one.
    """

    def __init__(self, model: LoadedModel) -> None:
        self.model = model

    @classmethod
    def load(
        cls,
        model: str | None = None,
        *,
        device: str | None = None,
        precision: Precision | None = None,
        offline: bool | None = None,
    ) -> Recognizer:
        """Loads a model, downloading it first where it is not on this machine.

        What is not given is taken from ``EMOTION_*`` variables, else it is ``auto``.

        Args:
            model: ``auto`` (Emotion2Vec+ Large, else the embedded model, with a warning in the
                log and in every result), a name of `emotion.core.registry`, or a folder.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
            offline: Never use the network.

        Raises:
            ModelError: The model is unavailable or cannot be loaded.
            ConfigError: An option has a value it cannot have.
        """
        config = Config.from_env()
        options = given(model=model, device=device, precision=precision, offline=offline)
        return cls(open_model(replace(config, engine=replace(config.engine, **options))))

    def recognize(
        self,
        path: str | Path,
        *,
        granularity: Granularity = "utterance",
        embedding: bool = False,
        track: int | None = None,
        channel: int | None = None,
        segment_min_s: float = RecognitionOptions.segment_min_s,
        segment_max_s: float = RecognitionOptions.segment_max_s,
        segment_pad_s: float = RecognitionOptions.segment_pad_s,
        labels: Sequence[str] = LABELS,
        min_confidence: float = 0.0,
        channels: Channels = "mix",
        channel_names: Sequence[str] = (),
        first_s: float | None = None,
        callbacks: ProgressCallbacks = ProgressCallbacks(),  # noqa: B008  # frozen
    ) -> Recognition:
        """Recognises one file; `emotion.core.options.RecognitionOptions` says what each option is.

        Args:
            path: Any file that `emotion.audio` reads.
            granularity: ``utterance``, ``frame`` for curves over time too, or ``segment`` for a
                result per speech segment.
            embedding: Whether to return the embedding.
            track: Audio track, from 1; the first one with sound by default.
            channel: Channel, from 1; the mean of all by default.
            segment_min_s: Shortest speech segment, but for isolated speech.
            segment_max_s: Longest speech segment, with its padding.
            segment_pad_s: Silence that is kept on both sides of a speech segment.
            labels: The emotions that compete, such as
                ``emotion.core.labels.LABEL_SETS["primary"]``.
            min_confidence: A result or segment below this is ``uncertain``.
            channels: ``split`` gives segments, talk time and quarters for each channel.
            channel_names: Names of the split channels, in order.
            first_s: Recognise only so many seconds from the start.
            callbacks: Progress, log and cancellation.

        Raises:
            AudioError: The recording cannot be used.
            DecoderError: FFmpeg is missing or too slow.
            ConfigError: An option has a value that it cannot have.
            CancelledError: The caller withdrew.
        """
        options = RecognitionOptions(
            granularity,
            embedding,
            track,
            channel,
            segment_min_s,
            segment_max_s,
            segment_pad_s,
            labels=tuple(labels),
            min_confidence=min_confidence,
            channels=channels,
            channel_names=tuple(channel_names),
            first_s=first_s,
        )
        sink = _Memory()
        result = pipeline.recognize(
            self.model, Path(path), options, sinks=[sink], callbacks=callbacks
        )
        frames = np.concatenate(sink.features) if sink.features else None
        return Recognition(result, sink.samples, sink.embedding, frames, sink.segments)

    def process_files(
        self,
        paths: Sequence[str | Path],
        *,
        granularity: Granularity = "utterance",
        embedding: bool = False,
        labels: Sequence[str] = LABELS,
        at_once: int = 16,
        on_error: OnError = "row",
    ) -> pd.DataFrame:
        """Recognises many files to a table in the form of audformat.

        Args:
            paths: Any files that `emotion.audio` reads.
            granularity: ``utterance`` gives a row a file, ``segment`` one a speech segment (one
                in all for a file without speech), ``frame`` one for each 0.1 s.
            embedding: Whether to add the embeddings as columns; `embeddings_of` gives them as an
                array.
            labels: The emotions that compete.
            at_once: How many files are under way at the same time, so that the network finds
                batches.
            on_error: ``row`` gives a file that cannot be recognised a row with its ``error``,
                scores NaN and end NaT; ``raise`` ends with its error.

        Returns:
            Rows in the order of the files, indexed by ``file`` (as given), ``start`` and ``end``
            (timedeltas), with the columns ``emotion`` (categorical), ``confidence``, the nine
            scores (float32), ``warnings``, ``error``, and ``embedding_0`` … ``embedding_{D-1}``.

        Raises:
            EmotionError: A file fails and ``on_error`` is ``raise``; FFmpeg, the model or the disk
                fail.
            ConfigError: An option has a value that it cannot have.
        """
        RecognitionOptions(granularity, labels=tuple(labels))  # wrong ones are told at once

        def recognise(path: Path) -> Recognition:
            return self.recognize(
                path,
                granularity=granularity,
                embedding=embedding,
                labels=labels,
            )

        return process(recognise, paths, at_once=at_once, on_error=on_error)


class _Memory:
    """A sink that keeps everything."""

    audio_file = ""

    def __init__(self) -> None:
        self.samples: Samples = np.zeros(0, np.float32)
        self.features: list[NDArray[np.float32]] = []
        self.embedding: NDArray[np.float32] | None = None
        self.segments: NDArray[np.float32] | None = None

    def audio(self, blocks: Iterator[Samples]) -> None:
        self.samples = np.concatenate(list(blocks))

    def frames(self, _total: int, features: NDArray[np.float32]) -> None:
        self.features.append(features)

    def finish(
        self,
        _result: Result,
        embedding: NDArray[np.float32] | None,
        segments: NDArray[np.float32] | None,
    ) -> None:
        self.embedding, self.segments = embedding, segments
