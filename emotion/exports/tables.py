"""Segments and frames as CSV: UTF-8 with a byte order mark, which Excel needs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from emotion.core.labels import LABELS
from emotion.exports.source import Source

_ENCODING = "utf-8-sig"


def write_segments(source: Source, path: Path) -> None:
    """One row a segment: times in seconds, channel, emotion, nine scores, `uncertain`."""
    header = ["start_s", "end_s", "channel", "emotion", "name", "confidence", *LABELS]
    header += ["channel_name", "uncertain"]
    rows = (
        [
            f"{span.start_s:.3f}",
            f"{span.end_s:.3f}",
            span.channel or "",
            span.emotion,
            source.span_name(span),
            f"{span.confidence:.4f}",
            *(f"{span.scores[label]:.4f}" for label in LABELS),
            source.speaker(span.channel),
            int(span.uncertain),
        ]
        for span in source.spans
    )
    _write(path, header, rows)


def write_frames(source: Source, path: Path) -> None:
    """One row a step of the curve; the last one ends with the recording."""
    frames = source.result.frames
    assert frames is not None  # `registry.write` has checked it
    step_s, end_s = frames.step_s, source.duration_ms / 1000
    columns = [frames.scores[label] for label in LABELS]

    def row(k: int) -> list[str]:
        scores = [column[k] for column in columns]
        best = LABELS[scores.index(max(scores))]
        times = (k * step_s, max(k * step_s, min((k + 1) * step_s, end_s)))
        texts = [f"{time:.3f}" for time in times]
        return [*texts, best, source.name(best), *(f"{score:.4f}" for score in scores)]

    header = ["start_s", "end_s", "emotion", "name", *LABELS]
    _write(path, header, (row(k) for k in range(len(columns[0]))))


def _write(path: Path, header: list[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding=_ENCODING, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
