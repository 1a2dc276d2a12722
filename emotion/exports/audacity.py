"""Segments as a label track of Audacity."""

from __future__ import annotations

from pathlib import Path

from emotion.exports.source import Source


def write(source: Source, path: Path) -> None:
    """A line a segment: start, end and label, separated by tabs."""
    lines = (
        f"{span.start_s:.6f}\t{span.end_s:.6f}\t{source.label(span)}\n" for span in source.spans
    )
    with path.open("w", encoding="utf-8", newline="\n") as output:
        output.writelines(lines)
