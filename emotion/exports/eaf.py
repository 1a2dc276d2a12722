"""Segments as an ELAN annotation file."""

from __future__ import annotations

from pathlib import Path

from emotion.exports.source import Source


def write(source: Source, path: Path) -> None:
    """Two tiers, the emotions and their scores, linked to the WAV file beside the export."""
    import pympi  # on first use: a server starts without it

    document = pympi.Eaf(author="emotion")
    document.remove_tier("default")
    score = "得分" if source.language == "zh" else "Score"
    for tier in (source.tier(), score):
        document.add_tier(tier, part=source.speaker or None)
    for span in source.spans:
        times = (span.start_ms, span.end_ms)
        document.add_annotation(source.tier(), *times, source.name(span.emotion))
        document.add_annotation(score, *times, f"{span.confidence:.3f}")
    document.add_property("recording", source.file)
    if source.audio_path is not None:  # by its name only: folders are nobody's business
        name = source.audio_path.name
        document.add_linked_file(name, relpath=f"./{name}", mimetype="audio/x-wav")
    document.to_file(str(path))
