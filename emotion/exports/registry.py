"""The formats by name, and `write`, which writes any of them: all asked for, or none."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.core.errors import OutputError
from emotion.core.options import ExportLanguage, ExportName, check_exports
from emotion.core.results import Result
from emotion.exports import (
    audacity,
    eaf,
    labelstudio,
    npz,
    report,
    rttm,
    speechbrain,
    subtitles,
    tables,
    textgrid,
)
from emotion.exports.source import Source


@dataclass(frozen=True)
class Format:
    """A format of export.

    Attributes:
        title: What people call it.
        file: Name of the file.
        description: What it is for.
        write: Writes it to a path that does not exist yet.
    """

    title: str
    file: str
    description: str
    write: Callable[[Source, Path], None]

    @property
    def suffix(self) -> str:
        """The file's suffix, with its dot."""
        return Path(self.file).suffix


FORMATS: Final[dict[ExportName, Format]] = {
    "segments": Format(
        "CSV of segments", "segments.csv", "spreadsheets: a row a segment", tables.write_segments
    ),
    "frames": Format(
        "CSV of frames", "frames.csv", "spreadsheets: a row every 0.1 s", tables.write_frames
    ),
    "srt": Format("SubRip", "emotions.srt", "subtitles of a video", subtitles.write_srt),
    "vtt": Format("WebVTT", "emotions.vtt", "subtitles in a web page", subtitles.write_vtt),
    "textgrid": Format("Praat TextGrid", "emotions.TextGrid", "phonetics", textgrid.write),
    "eaf": Format("ELAN", "emotions.eaf", "annotation of speech and gesture", eaf.write),
    "rttm": Format("RTTM", "emotions.rttm", "scoring tools for diarization", rttm.write),
    "audacity": Format(
        "Audacity labels", "audacity_labels.txt", "labels below the waveform", audacity.write
    ),
    "labelstudio": Format(
        "Label Studio", "labelstudio.json", "predictions to correct", labelstudio.write
    ),
    "speechbrain": Format(
        "SpeechBrain", "speechbrain.json", "emotion diarization", speechbrain.write
    ),
    "npz": Format("NumPy", "embeddings.npz", "embeddings with their ids and times", npz.write),
    "html": Format("Report", "report.html", "audio and timeline in one file", report.write),
}


def write(
    result: Result,
    folder: str | Path,
    names: Sequence[str],
    *,
    language: ExportLanguage = "en",
    embedding: NDArray[np.float32] | None = None,
    segment_embeddings: NDArray[np.float32] | None = None,
    audio_path: str | Path | None = None,
) -> list[Path]:
    """Writes a result in these formats; files of the same names are replaced.

    Args:
        result: The result.
        folder: Where the files go; made if absent.
        names: Names of `FORMATS`.
        language: Language of names and texts.
        embedding: float32, (D,), for ``npz``.
        segment_embeddings: float32, (segments, D), for ``npz``; only beside ``embedding``.
        audio_path: The recording as WAV or FLAC, for ``html`` and ``eaf``.

    Returns:
        The files, in the order of the names.

    Raises:
        ConfigError: A name is unknown, or needs what the result does not have.
        OutputError: The files cannot be written; none is left then.
    """
    check_exports(names, frames=result.frames is not None, embedding=embedding is not None)
    wanted = [FORMATS[name] for name in dict.fromkeys(names)]  # type: ignore[index]  # checked
    audio = Path(audio_path) if audio_path else None
    source = Source(result, language, embedding, audio, segment_embeddings)
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as partial:
            for kind in wanted:
                kind.write(source, Path(partial) / kind.file)
            for kind in wanted:
                (Path(partial) / kind.file).replace(folder / kind.file)
    except OSError as e:
        raise OutputError(path=folder, reason=e.strerror or str(e)) from e
    return [folder / kind.file for kind in wanted]
