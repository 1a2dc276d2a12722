"""Segments as an ELAN annotation file."""

from __future__ import annotations

from pathlib import Path

from emotion.exports.source import Source


def write(source: Source, path: Path) -> None:
    """Two tiers a channel, emotions and scores, linked to the WAV file beside the export."""
    import pympi  # on first use: a server starts without it

    document = pympi.Eaf(author="emotion")
    document.remove_tier("default")
    for channel in source.channels:
        emotions, scores = source.tiers(channel)
        for tier in (emotions, scores):
            document.add_tier(tier, part=source.speaker(channel) or None)
        for span in source.spans_of(channel):
            times = (span.start_ms, span.end_ms)
            document.add_annotation(emotions, *times, source.span_name(span))
            document.add_annotation(scores, *times, f"{span.confidence:.3f}")
    document.add_property("recording", source.file)
    if source.audio_path is not None:  # by its name only: folders are nobody's business
        name = source.audio_path.name
        document.add_linked_file(name, relpath=f"./{name}", mimetype="audio/x-wav")
    document.to_file(str(path))
