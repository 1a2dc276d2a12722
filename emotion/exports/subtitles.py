"""Segments as subtitles: SubRip and WebVTT."""

from __future__ import annotations

from pathlib import Path

from emotion.exports.source import Source


def write_srt(source: Source, path: Path) -> None:
    """One subtitle a segment."""
    _write(source, path, "srt")


def write_vtt(source: Source, path: Path) -> None:
    """One cue a segment."""
    _write(source, path, "vtt")


def _write(source: Source, path: Path, kind: str) -> None:
    import pysubs2  # on first use: a server starts without it

    subtitles = pysubs2.SSAFile()
    for span in source.spans:
        event = pysubs2.SSAEvent(start=span.start_ms, end=span.end_ms)
        event.plaintext = source.label(span)
        subtitles.append(event)
    subtitles.save(str(path), encoding="utf-8", format_=kind)
