"""Segments as a Praat TextGrid."""

from __future__ import annotations

from pathlib import Path

from emotion.exports.source import Source


def write(source: Source, path: Path) -> None:
    """Two interval tiers a channel: the emotions and their scores."""
    from praatio import textgrid  # on first use: a server starts without it

    end_s = source.duration_ms / 1000
    grid = textgrid.Textgrid(0, end_s)
    for channel in source.channels:
        spans = source.spans_of(channel)
        labels = [source.span_name(span) for span in spans]
        scores = [f"{span.confidence:.3f}" for span in spans]
        for name, texts in zip(source.tiers(channel), (labels, scores), strict=True):
            intervals = [
                (span.start_s, span.end_s, text) for span, text in zip(spans, texts, strict=True)
            ]
            grid.addTier(textgrid.IntervalTier(name, intervals, 0, end_s))
    grid.save(str(path), format="long_textgrid", includeBlankSpaces=True)
