"""Segments as RTTM, the format of NIST's diarization scoring."""

from __future__ import annotations

import re
from pathlib import Path

from emotion.exports.source import Source, Span


def write(source: Source, path: Path) -> None:
    """A SPEAKER line a segment, with the emotion's id, ``uncertain`` or ``no_speech`` as its name.

    Fields: type, file, channel, start in s, duration in s, two of ``<NA>``, name, score, ``<NA>``.
    """
    # Fields are separated by white space.
    file = re.sub(r"\s+", "_", Path(source.file).stem.strip()) or "recording"
    nobody = source.result.no_speech
    lines = (
        f"SPEAKER {file} {span.channel or 1} {span.start_s:.3f} "
        f"{(span.end_ms - span.start_ms) / 1000:.3f} <NA> <NA> "
        f"{_name(span, no_speech=nobody)} {span.confidence:.4f} <NA>\n"
        for span in source.spans
    )
    with path.open("w", encoding="utf-8", newline="\n") as output:
        output.writelines(lines)


def _name(span: Span, *, no_speech: bool) -> str:
    if no_speech:
        return "no_speech"
    return "uncertain" if span.uncertain else span.emotion
