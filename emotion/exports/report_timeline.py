"""The report's timeline as SVG: a strip of the segments and, with frame scores, their curves."""

from __future__ import annotations

import html
from typing import Final

import numpy as np

from emotion.core.labels import BY_ID, EMOTIONS, LABELS
from emotion.core.results import FrameCurve
from emotion.exports.report_texts import Texts, clock
from emotion.exports.source import Source

_WIDTH: Final = 1000  # the SVG's own coordinates; stretched by the browser
_STRIP: Final = 40
_CURVES: Final = 160
_MAX_POINTS: Final = 500
_STRONG: Final = 0.15  # emotions that never reach this have no curve
_MARKS: Final = 5
_OTHER_COLOUR: Final = "#93948e"


def section(source: Source, say: Texts) -> str:
    """The timeline with its time axis and legend."""
    frames = source.result.frames
    drawn = {span.emotion for span in source.spans}
    curves = note = ""
    if frames is not None:
        strong = [label for label in LABELS if max(frames.scores[label], default=0.0) >= _STRONG]
        drawn |= set(strong)
        curves = _curves(frames, strong, source.duration_ms / 1000, say)
        note = f'<p class="note">{say("timeline_note")}</p>'
    legend = "".join(
        f'<li style="--emo:{e.colour}">{e.emoji} {source.name(e.id)}</li>'
        for e in EMOTIONS
        if e.id in drawn
    )
    return (
        f'<section><h2>{say("timeline")}</h2><div id="timeline" '
        f'data-duration="{source.duration_ms / 1000:.3f}">{_strip(source, say)}{curves}'
        f'<div id="playhead"></div></div>{_axis(source.duration_ms)}'
        f'<ul class="legend">{legend}</ul>{note}</section>\n'
    )


def _strip(source: Source, say: Texts) -> str:
    total = source.duration_ms
    blocks = []
    for span in source.spans:
        known = BY_ID.get(span.emotion)
        x, width = (_WIDTH * t / total for t in (span.start_ms, span.end_ms - span.start_ms))
        name = html.escape(source.name(span.emotion))
        blocks.append(
            f'<rect x="{x:.2f}" y="0" width="{width:.2f}" height="{_STRIP}" '
            f'fill="{known.colour if known else _OTHER_COLOUR}">'
            f"<title>{clock(span.start_ms)} – {clock(span.end_ms)} {name} "
            f"{span.confidence:.1%}</title></rect>"
        )
    return _svg(_STRIP, say("timeline_of_segments"), "".join(blocks))


def _curves(frames: FrameCurve, labels: list[str], end_s: float, say: Texts) -> str:
    count = len(frames.scores[LABELS[0]])
    group = max(1, -(-count // _MAX_POINTS))
    starts = np.arange(0, count, group)
    sizes = np.minimum(starts + group, count) - starts
    x = np.minimum((starts + sizes / 2) * frames.step_s / end_s, 1) * _WIDTH
    lines = []
    for label in labels:
        means = np.add.reduceat(np.array(frames.scores[label], np.float64), starts) / sizes
        y = (1 - means) * _CURVES
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        lines.append(f'<polyline points="{points}" stroke="{BY_ID[label].colour}"/>')
    return _svg(_CURVES, say("timeline_of_frames"), "".join(lines))


def _svg(height: int, label: str, content: str) -> str:
    return (
        f'<svg role="img" aria-label="{label}" viewBox="0 0 {_WIDTH} {height}" '
        f'preserveAspectRatio="none" style="height:{height}px">{content}</svg>'
    )


def _axis(total_ms: int) -> str:
    marks = "".join(
        f"<span>{clock(round(total_ms * k / (_MARKS - 1) / 100) * 100)[:-2]}</span>"
        for k in range(_MARKS)
    )
    return f'<div class="axis" aria-hidden="true">{marks}</div>'
