"""Exports of runs: into a run that is being written, or of one that lies on the disk."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion import exports
from emotion.core.errors import ResultError
from emotion.core.labels import BY_ID, LABELS
from emotion.core.options import ExportLanguage, ExportName, possible_exports
from emotion.core.progress import ProgressCallbacks
from emotion.core.results import Result, readable
from emotion.storage.run_sink import RunSink
from emotion.storage.run_store import (
    AUDIO_FILE,
    EMBEDDING_FILE,
    RESULT_FILE,
    SEGMENT_EMBEDDINGS_FILE,
)


def add_exports(
    folder: Path,
    result: Result,
    sink: RunSink,
    names: Sequence[ExportName],
    language: ExportLanguage,
    callbacks: ProgressCallbacks,
) -> tuple[str, ...]:
    """Writes exports into a run folder that is not complete yet.

    Args:
        folder: The folder.
        result: The result.
        sink: What wrote the other files.
        names: The formats.
        language: Language of names and texts.
        callbacks: Asked for cancellation before each format.

    Returns:
        The names of the files.
    """
    files: list[str] = []
    for name in names:
        callbacks.check()
        written = exports.write(
            result,
            folder,
            [name],
            language=language,
            embedding=sink.embedding,
            segment_embeddings=sink.segment_embeddings,
            audio_path=folder / AUDIO_FILE,
        )
        files += [path.name for path in written]
    return tuple(dict.fromkeys(files))


def export_run(
    path: Path,
    names: Sequence[str] | None,
    folder: Path | None = None,
    language: ExportLanguage = "en",
) -> list[Path]:
    """Exports a run that lies on the disk.

    Args:
        path: The run folder, or the ``result.json`` in it.
        names: The formats; None for all that the run allows.
        folder: Where the files go; into the run folder by default.
        language: Language of names and texts.

    Raises:
        ResultError: There is no such result, or it is damaged.
        ConfigError: A format is unknown, or the run does not have what it needs.
        OutputError: The files cannot be written.
    """
    file = path / RESULT_FILE if path.is_dir() else path
    result = read_result(file)
    embedding = _embedding(file.parent / EMBEDDING_FILE)
    parts = _embedding(file.parent / SEGMENT_EMBEDDINGS_FILE)
    if parts is not None and len(parts) != len(result.segments):
        reason = f"{SEGMENT_EMBEDDINGS_FILE} has {len(parts)} rows"
        raise ResultError(file=readable(file), reason=reason)
    audio = file.parent / AUDIO_FILE
    if names is None:
        names = possible_exports(frames=result.frames is not None, embedding=embedding is not None)
    return exports.write(
        result,
        folder or file.parent,
        names,
        language=language,
        embedding=embedding,
        segment_embeddings=parts,
        audio_path=audio if audio.is_file() else None,
    )


def read_result(file: Path) -> Result:
    """Reads a ``result.json``.

    Raises:
        ResultError: It cannot be read, or is not one.
    """
    try:
        result = Result.from_dict(json.loads(file.read_text(encoding="utf-8")))
        _check(result)
    except OSError as e:
        raise ResultError(file=readable(file), reason=e.strerror or str(e)) from e
    except KeyError as e:
        raise ResultError(file=readable(file), reason=f"{e.args[0]} is missing") from e
    except (ValueError, TypeError, AttributeError) as e:
        raise ResultError(file=readable(file), reason=str(e)) from e
    return result


def _check(result: Result) -> None:
    parts = [(result.emotion, result.confidence, result.scores, (0.0, result.audio.duration_s))]
    for part in result.segments:
        times = (part.start_s, part.end_s)
        parts.append((part.emotion, part.confidence, part.scores, times))
    for emotion, confidence, scores, times in parts:
        if emotion not in BY_ID:
            raise ValueError(f"unknown emotion {emotion!r}")
        for value in (confidence, *times, *(scores[label] for label in LABELS)):
            if not math.isfinite(value):
                raise ValueError(f"{value} is not a finite number")
    summaries = [one for one in (result.summary, *(c.summary for c in result.channels)) if one]
    shares = {label: share for one in summaries for label, share in one.shares.items()}
    shares.pop("uncertain", None)
    for label, share in (*result.secondary.items(), *shares.items()):
        if label not in BY_ID:
            raise ValueError(f"unknown emotion {label!r}")
        if not math.isfinite(share):
            raise ValueError(f"{share} is not a finite number")
    for one in summaries:
        one.sentence["zh"], one.sentence["en"]  # raises where one is missing
    for channel in result.channels:
        for heard in (channel.emotion, *(quarter.emotion for quarter in channel.quarters)):
            if heard is not None and heard not in BY_ID:
                raise ValueError(f"unknown emotion {heard!r}")
    if result.frames is not None:
        lengths = {len(result.frames.scores[label]) for label in LABELS}
        if len(lengths) > 1 or 0 in lengths:
            raise ValueError("the curves of the emotions differ in length, or are empty")
    if result.local is not None:
        lengths = {len(result.local.scores[label]) for label in LABELS}
        if lengths != {len(result.local.times_s)}:
            raise ValueError("the local curves and their times differ in length")


def _embedding(file: Path) -> NDArray[np.float32] | None:
    if not file.is_file():
        return None
    try:
        embedding: NDArray[np.float32] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as e:
        raise ResultError(file=readable(file), reason=str(e)) from e
    return embedding
