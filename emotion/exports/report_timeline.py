"""The report's timeline as SVG: a strip of the segments and, with frame scores, their curves."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.core.labels import BY_ID, EMOTIONS, LABELS
from emotion.exports.report_texts import Texts, clock
from emotion.exports.source import Source, Span

_WIDTH: Final = 1000  # the SVG's own coordinates; stretched by the browser
_STRIP: Final = 40
_CURVES: Final = 160
_MAX_POINTS: Final = 500
_STRONG: Final = 0.15  # emotions that never reach this have no curve
_MARKS: Final = 5
_OTHER_COLOUR: Final = "#93948e"


def section(source: Source, say: Texts) -> str:
    """The timeline with its time axis and legend."""
    drawn = {span.emotion for span in source.spans}
    curves = note = ""
    points = _points(source)
    if points is not None:
        strong = [label for label in LABELS if max(points.scores[label], default=0.0) >= _STRONG]
        drawn |= set(strong)
        curves = _curves(points, strong, source.duration_ms / 1000, say)
        local = source.result.local
        text = say("timeline_local", window_s=local.window_s) if local else say("timeline_note")
        note = f'<p class="note">{text}</p>'
    legend = "".join(
        f'<li style="--emo:{e.colour}">{e.emoji} {source.name(e.id)}</li>'
        for e in EMOTIONS
        if e.id in drawn
    )
    return (
        f'<section><h2>{say("timeline")}</h2><div id="timeline" '
        f'data-duration="{source.duration_ms / 1000:.3f}">{_strips(source, say)}{curves}'
        f'<div id="playhead"></div></div>{_axis(source.duration_ms)}'
        f'<ul class="legend">{legend}</ul>{note}</section>\n'
    )


@dataclass(frozen=True)
class _Points:
    """Scores at times, and how far apart two of them may be to be joined by a line."""

    times_s: NDArray[np.float64]
    scores: Mapping[str, Sequence[float]]
    step_s: float


def _points(source: Source) -> _Points | None:
    """The local curve where there is one, else the contributions, if any."""
    local, frames = source.result.local, source.result.frames
    if local is not None:
        return _Points(np.array(local.times_s, np.float64), local.scores, local.step_s)
    if frames is not None:
        steps = len(frames.scores[LABELS[0]])
        times_s = (np.arange(steps, dtype=np.float64) + 0.5) * frames.step_s
        return _Points(times_s, frames.scores, frames.step_s)
    return None


def _strips(source: Source, say: Texts) -> str:
    """A strip for each channel, under its name where channels are split."""
    strips = []
    for channel in source.channels:
        name = html.escape(source.speaker(channel)) if source.result.channels else ""
        title = f'<p class="strip-name">{name}</p>' if name else ""
        strips.append(title + _strip(source, source.spans_of(channel), say))
    return "".join(strips)


def _strip(source: Source, spans: Sequence[Span], say: Texts) -> str:
    total = source.duration_ms
    blocks = []
    for span in spans:
        known = BY_ID.get(span.emotion)
        x, width = (_WIDTH * t / total for t in (span.start_ms, span.end_ms - span.start_ms))
        name = html.escape(source.span_name(span))
        doubt = ' class="uncertain"' if span.uncertain else ""
        blocks.append(
            f'<rect{doubt} x="{x:.2f}" y="0" width="{width:.2f}" height="{_STRIP}" '
            f'fill="{known.colour if known else _OTHER_COLOUR}">'
            f"<title>{clock(span.start_ms)} – {clock(span.end_ms)} {name} "
            f"{span.confidence:.1%}</title></rect>"
        )
    return _svg(_STRIP, say("timeline_of_segments"), "".join(blocks))


def _curves(points: _Points, labels: list[str], end_s: float, say: Texts) -> str:
    count = len(points.times_s)
    group = max(1, -(-count // _MAX_POINTS))
    starts = np.arange(0, count, group)
    sizes = np.minimum(starts + group, count) - starts

    def means(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
        return np.add.reduceat(np.array(values, np.float64), starts) / sizes

    times_s = means(points.times_s)
    gaps = np.flatnonzero(np.diff(times_s) > 1.5 * group * points.step_s) + 1
    x = np.minimum(times_s / end_s, 1) * _WIDTH
    lines = []
    for label in labels:
        y = (1 - means(points.scores[label])) * _CURVES
        for part in np.split(np.stack([x, y], 1), gaps):
            places = " ".join(f"{a:.1f},{b:.1f}" for a, b in part)
            lines.append(f'<polyline points="{places}" stroke="{BY_ID[label].colour}"/>')
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
