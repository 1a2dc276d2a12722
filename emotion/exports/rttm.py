"""Segments as RTTM, the format of NIST's diarization scoring."""

from __future__ import annotations

import re
from pathlib import Path

from emotion.exports.source import Source


def write(source: Source, path: Path) -> None:
    """A SPEAKER line a segment, with the emotion's id, or ``uncertain``, as its name.

    Fields: type, file, channel, start in s, duration in s, two of ``<NA>``, name, score, ``<NA>``.
    """
    # Fields are separated by white space.
    file = re.sub(r"\s+", "_", Path(source.file).stem.strip()) or "recording"
    lines = (
        f"SPEAKER {file} {span.channel or 1} {span.start_s:.3f} "
        f"{(span.end_ms - span.start_ms) / 1000:.3f} <NA> <NA> "
        f"{'uncertain' if span.uncertain else span.emotion} {span.confidence:.4f} <NA>\n"
        for span in source.spans
    )
    with path.open("w", encoding="utf-8", newline="\n") as output:
        output.writelines(lines)
