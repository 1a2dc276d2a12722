"""Segments as a Praat TextGrid."""

from __future__ import annotations

from pathlib import Path

from emotion.exports.source import Source


def write(source: Source, path: Path) -> None:
    """Two interval tiers: the emotions and their scores."""
    from praatio import textgrid  # on first use: a server starts without it

    end_s = source.duration_ms / 1000
    score = "得分" if source.language == "zh" else "Score"
    grid = textgrid.Textgrid(0, end_s)
    tiers = {
        source.tier(): [source.name(span.emotion) for span in source.spans],
        score: [f"{span.confidence:.3f}" for span in source.spans],
    }
    for name, labels in tiers.items():
        intervals = [
            (span.start_s, span.end_s, label)
            for span, label in zip(source.spans, labels, strict=True)
        ]
        grid.addTier(textgrid.IntervalTier(name, intervals, 0, end_s))
    grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)
