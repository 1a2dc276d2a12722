"""Pictures of a `Result` as HTML and SVG: the nine scores, and their curve over time.

Both languages are in the markup and the page's style sheet shows one.
Colours are the emotions' own, everything else is a CSS variable, so light and dark need no second
picture. Text is HTML outside the SVG, which is stretched to the width there is: it keeps its size
on a telephone. What is text from outside is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.core.i18n import Pair
from emotion.core.labels import BY_ID, EMOTIONS, LABELS, Emotion
from emotion.core.results import FrameCurve, Result
from emotion.ui.texts import pair

MAX_POINTS: Final = 750
HEIGHT_PX: Final = 240
_WIDTH: Final = 1000  # of the SVG's own coordinates; stretched by the browser
_LABEL_GAP_PX: Final = 21
_STRONG: Final = 0.15  # emotions that never reach this are drawn faint, named in the legend only
_TICKS_S: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200)
_MAX_TICKS: Final = 7
_RUNS_TOLD: Final = 8

# Told apart without colour: stroke-dasharray in screen pixels.
DASHES: Final[dict[str, str]] = {
    "angry": "none",
    "disgusted": "9 3",
    "fearful": "2 3",
    "happy": "none",
    "neutral": "14 4",
    "other": "9 3 2 3",
    "sad": "none",
    "surprised": "5 3",
    "unknown": "2 6",
}


def both(text: Pair) -> str:
    """A text in both languages, escaped; the style sheet shows the page's."""
    zh, en = (html.escape(part) for part in text)
    if zh == en:
        return zh
    return f'<span class="zh" lang="zh-CN">{zh}</span><span class="en" lang="en">{en}</span>'


def percent(value: float) -> str:
    """A score for people: ``85.3%``."""
    return f"{100 * value:.1f}%"


def scores_chart(result: Result | None) -> str:
    """The nine scores as bars, always in the same order.

    Args:
        result: What to show; None draws the empty chart, of the same size.
    """
    rows = "".join(_bar(emotion, result) for emotion in EMOTIONS)
    return (
        f'<figure class="emo-figure scores{"" if result else " is-empty"}">'
        f"<figcaption>{both(pair('scores'))}</figcaption><ol>{rows}</ol></figure>"
    )


def _bar(emotion: Emotion, result: Result | None) -> str:
    value = result.scores[emotion.id] if result else 0.0
    top = " top" if result and result.emotion == emotion.id else ""
    shown = percent(value) if result else "–"
    return (
        f'<li class="bar-row{top}" data-emotion="{emotion.id}" '
        f'style="--emo:{emotion.colour};--value:{value:.4f}">'
        f'<span class="face emoji" aria-hidden="true">{emotion.emoji}</span>'
        f'<span class="name">{both((emotion.zh, emotion.en))}</span>'
        f'<span class="track" aria-hidden="true"><span class="bar"></span></span>'
        f'<span class="value">{shown}</span></li>'
    )


def timeline(result: Result | None, lang: str) -> str:
    """The nine scores over time.

    Args:
        result: A result with frame granularity; otherwise an empty plot of the same height.
        lang: ``zh`` or ``en``, for the picture's description; the page changes it with the switch.
    """
    caption = f"<figcaption>{both(pair('timeline'))}</figcaption>"
    note = f'<p class="note">{both(pair("timeline_note"))}</p>'
    if result is None or result.frames is None:
        empty = f'<div class="plot-empty">{both(pair("timeline_none"))}</div>'
        body = f"{caption}{empty}{note}"
        return f'<figure class="emo-figure timeline is-empty">{body}</figure>'
    curve = sample(result.frames, result.audio.duration_s)
    if curve.step_s > result.frames.step_s + 1e-9:
        note += f'<p class="note">{both(pair("timeline_sampled", step=curve.step_s))}</p>'
    body = (
        f'<div class="plot">{_y_axis()}<div class="area">{_svg(curve, result, lang)}'
        f'{_x_axis(curve.end_s)}</div><div class="ends" aria-hidden="true">{_ends(curve)}</div>'
        f"{_ribbon(curve)}</div>"
    )
    return f'<figure class="emo-figure timeline">{caption}{body}{_legend()}{note}</figure>'


@dataclass(frozen=True)
class Curve:
    """Scores at points evenly spaced in time.

    Attributes:
        scores: float64, (points, 9), in the order of `emotion.core.labels.LABELS`.
        step_s: Time that a point stands for.
        end_s: Where the time axis ends.
    """

    scores: NDArray[np.float64]
    step_s: float
    end_s: float

    @property
    def times_s(self) -> NDArray[np.float64]:
        """float64, (points,): the middle of each point's time, never past the end."""
        middle = (np.arange(len(self.scores), dtype=np.float64) + 0.5) * self.step_s
        return np.asarray(np.minimum(middle, self.end_s))

    def strongest(self) -> list[tuple[str, float, float]]:
        """(emotion, start in s, end in s) of each stretch with the same strongest emotion."""
        stretches, at = [], 0
        for index, group in groupby(self.scores.argmax(1)):
            count = len(list(group))
            start, stop = at * self.step_s, min((at + count) * self.step_s, self.end_s)
            stretches.append((LABELS[index], start, stop))
            at += count
        return stretches


def sample(frames: FrameCurve, duration_s: float, most: int = MAX_POINTS) -> Curve:
    """At most ``most`` points: weighted means over equally many steps each.

    Args:
        frames: The curve.
        duration_s: Length of the recording.
        most: The most points.
    """
    scores = np.array([frames.scores[label] for label in LABELS], np.float64).T
    weights = np.maximum(np.array(frames.weights, np.float64), 1e-6)[:, None]
    group = -(-len(scores) // most)
    starts = np.arange(0, len(scores), group)
    means = np.add.reduceat(scores * weights, starts) / np.add.reduceat(weights, starts)
    step_s = frames.step_s * group
    return Curve(means, step_s, max(duration_s, frames.step_s))


def _svg(curve: Curve, result: Result, lang: str) -> str:
    title = pair("timeline")
    desc = _describe(curve)
    shown = 0 if lang == "zh" else 1
    lines = "".join(_line(curve, index) for index in np.argsort(curve.scores.max(0)))
    return (
        f'<svg role="img" aria-labelledby="timeline-title" aria-describedby="timeline-desc" '
        f'viewBox="0 0 {_WIDTH} {HEIGHT_PX}" preserveAspectRatio="none">'
        f'<title id="timeline-title" {_attributes(title)}>{html.escape(title[shown])}</title>'
        f'<desc id="timeline-desc" {_attributes(desc)}>{html.escape(desc[shown])}</desc>'
        f"{_grid(curve.end_s)}{_joints(result, curve.end_s)}{lines}</svg>"
    )


def _attributes(text: Pair) -> str:
    return f'data-zh="{html.escape(text[0])}" data-en="{html.escape(text[1])}"'


def _describe(curve: Curve) -> Pair:
    """The curve in a sentence, for people who do not see it."""
    stretches = sorted(curve.strongest(), key=lambda s: s[1] - s[2])[:_RUNS_TOLD]
    told = []
    for label, start, _ in sorted(stretches, key=lambda s: s[1]):
        emotion = BY_ID[label]
        zh = pair("timeline_run", name=emotion.zh, start=start)[0]
        told.append((zh, pair("timeline_run", name=emotion.en, start=start)[1]))
    zh_runs, en_runs = "、".join(t[0] for t in told), ", ".join(t[1] for t in told)
    zh = pair("timeline_desc", end=curve.end_s, runs=zh_runs)[0]
    return zh, pair("timeline_desc", end=curve.end_s, runs=en_runs)[1]


def _line(curve: Curve, index: int) -> str:
    emotion = EMOTIONS[index]
    values = curve.scores[:, index]
    x = curve.times_s / curve.end_s * _WIDTH
    y = (1 - values) * HEIGHT_PX
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    if len(values) == 1:
        points = f"0,{y[0]:.1f} {_WIDTH},{y[0]:.1f}"
    faint = "" if values.max() >= _STRONG else " faint"
    return (
        f'<polyline class="line{faint}" data-emotion="{emotion.id}" points="{points}" '
        f'stroke="{emotion.colour}" stroke-dasharray="{DASHES[emotion.id]}"/>'
    )


def _grid(end_s: float) -> str:
    rows = "".join(
        f'<line class="grid" x1="0" x2="{_WIDTH}" y1="{y}" y2="{y}"/>'
        for y in (0, HEIGHT_PX // 4, HEIGHT_PX // 2, 3 * HEIGHT_PX // 4, HEIGHT_PX)
    )
    columns = "".join(
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT_PX}"/>'
        for x in (tick / end_s * _WIDTH for tick in _ticks(end_s))
    )
    return rows + columns


def _joints(result: Result, end_s: float) -> str:
    """Where one window of a long recording ends and the next begins."""
    return "".join(
        f'<line class="joint" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HEIGHT_PX}"/>'
        for x in (segment.start_s / end_s * _WIDTH for segment in result.segments[1:])
    )


def _y_axis() -> str:
    marks = "".join(f'<span style="top:{100 - p}%">{p}%</span>' for p in (100, 75, 50, 25, 0))
    return f'<div class="y-axis" aria-hidden="true">{marks}</div>'


def _ticks(end_s: float) -> list[float]:
    step = next((s for s in _TICKS_S if end_s / s <= _MAX_TICKS), _TICKS_S[-1])
    return [k * step for k in range(int(end_s / step + 1e-9) + 1)]


def _clock(seconds: float, end_s: float) -> str:
    if end_s < 120:
        return f"{seconds:g}" if seconds != round(seconds, 1) else f"{round(seconds, 1):g}"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _x_axis(end_s: float) -> str:
    marks = "".join(
        f'<span style="left:{100 * tick / end_s:.2f}%">{_clock(tick, end_s)}</span>'
        for tick in _ticks(end_s)
        if tick <= 0.97 * end_s
    )
    return f'<div class="x-axis" aria-hidden="true">{marks}</div>'


def _ends(curve: Curve) -> str:
    """Names beside the lines' right ends, moved apart where they would overlap."""
    strong = [i for i in range(len(LABELS)) if curve.scores[:, i].max() >= _STRONG]
    strong.sort(key=lambda i: -curve.scores[-1, i])
    wanted = [(1 - curve.scores[-1, i]) * HEIGHT_PX for i in strong]
    return "".join(
        f'<span class="end" style="--emo:{EMOTIONS[i].colour};top:{y:.0f}px">'
        f"{_emoji(EMOTIONS[i])}{both((EMOTIONS[i].zh, EMOTIONS[i].en))}</span>"
        for i, y in zip(strong, spread(wanted, _LABEL_GAP_PX, HEIGHT_PX), strict=True)
    )


def spread(wanted: list[float], gap: float, end: float) -> list[float]:
    """Moves ascending positions apart to at least ``gap``, within 0 to ``end`` where they fit."""
    placed: list[float] = []
    for position in wanted:
        placed.append(max(position, placed[-1] + gap) if placed else position)
    limit = end
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - gap
    return placed


def _emoji(emotion: Emotion) -> str:
    return f'<i class="emoji">{emotion.emoji}</i>'


def _ribbon(curve: Curve) -> str:
    """The strongest emotion of each moment as a strip; wide stretches carry their emoji."""
    return (
        f'<div class="ribbon-name">{both(pair("strongest"))}</div>'
        f'<div class="ribbon" aria-hidden="true">{"".join(_stretches(curve))}</div>'
    )


def _stretches(curve: Curve) -> Iterator[str]:
    for label, start, stop in curve.strongest():
        emotion, width = BY_ID[label], 100 * (stop - start) / curve.end_s
        face = _emoji(emotion) if width >= 9 else ""
        place = f"left:{100 * start / curve.end_s:.2f}%;width:{width:.2f}%"
        yield f'<span style="--emo:{emotion.colour};{place}">{face}</span>'


def _legend() -> str:
    items = "".join(
        f'<li><svg aria-hidden="true" viewBox="0 0 28 8" width="28" height="8">'
        f'<line x1="1" x2="27" y1="4" y2="4" stroke="{e.colour}" '
        f'stroke-dasharray="{DASHES[e.id]}"/></svg>'
        f"<span>{_emoji(e)} {both((e.zh, e.en))}</span></li>"
        for e in EMOTIONS
    )
    axis = f'<p class="axis-name">{both(pair("axis_time"))}</p>'
    return f'{axis}<ul class="legend">{items}</ul>'
