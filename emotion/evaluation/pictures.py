"""Pictures of an evaluation: SVG without scripts, readable in print and in grey."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np

from emotion.core.labels import BY_ID, LABELS
from emotion.evaluation.calibration import Bin, Covered
from emotion.evaluation.metrics import Counts

_CELL: Final = 62
_NAMES: Final = 100  # room for names at the left
_SIDE: Final = 320  # of a plot
_MARGIN: Final = 52
_INK: Final = "#1c2733"
_GRID: Final = "#d5dbe1"
_BLUE: Final = (23, 103, 175)
_ACCENT: Final = "#0f766e"
_TICKS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)


def confusion_svg(counts: Counts, title: str = "Confusion matrix") -> str:
    """The table of confusions as a picture; shades are shares of a row, numbers are recordings.

    Args:
        counts: (9, 9).
        title: Read by those who do not see it.
    """
    rows = [k for k in range(len(LABELS)) if counts[k].any()]
    columns = [k for k in range(len(LABELS)) if counts[:, k].any() or k in rows]
    width = _NAMES + _CELL * len(columns) + 90
    height = _MARGIN + _CELL * len(rows) + 34
    parts = [
        f'<text x="{_NAMES}" y="16" font-weight="bold">predicted</text>',
        f'<text x="{_NAMES + _CELL * len(columns) + 8}" y="{_MARGIN - 10}">recall</text>',
    ]
    for x, k in enumerate(columns):
        at = _NAMES + _CELL * (x + 0.5)
        parts.append(f'<text x="{at:g}" y="{_MARGIN - 10}" text-anchor="middle">{_short(k)}</text>')
    for y, row in enumerate(rows):
        parts += _row(counts[row], row, columns, _MARGIN + _CELL * y)
    parts.append(
        f'<text x="0" y="{height - 10}" fill="#5a6672">rows are references; shades are shares of '
        "a row</text>"
    )
    return _svg(width, height, title, parts)


def _row(counts: Counts, row: int, columns: Sequence[int], top: float) -> list[str]:
    middle = top + _CELL / 2 + 4
    name = escape(BY_ID[LABELS[row]].en)
    parts = [f'<text x="{_NAMES - 8}" y="{middle:g}" text-anchor="end">{name}</text>']
    total = int(counts.sum())
    for x, k in enumerate(columns):
        left, share = _NAMES + _CELL * x, counts[k] / total
        shade = ",".join(str(round(255 - (255 - part) * share)) for part in _BLUE)
        ink = "#ffffff" if share > 0.45 else _INK
        edge = f' stroke="{_INK}" stroke-width="1.5"' if k == row else ' stroke="#ffffff"'
        parts.append(
            f'<rect x="{left}" y="{top:g}" width="{_CELL}" height="{_CELL}" '
            f'fill="rgb({shade})"{edge}/>'
            f'<text x="{left + _CELL / 2:g}" y="{middle:g}" text-anchor="middle" fill="{ink}">'
            f"{counts[k]}</text>"
        )
    at = _NAMES + _CELL * len(columns) + 8
    parts.append(f'<text x="{at}" y="{middle:g}">{counts[row] / total:.1%}</text>')
    return parts


def reliability_svg(bins: Sequence[Bin], ece: float) -> str:
    """Accuracy against confidence; a bar's title says how many recordings it stands for."""
    parts = _axes("confidence", "accuracy")
    parts.append(_line([(0, 0), (1, 1)], "#8a949e", dashed=True))
    for one in bins:
        if one.accuracy is None or one.confidence is None:
            continue
        (left, top), (right, bottom) = _at(one.low, one.accuracy), _at(one.high, 0)
        (x, y) = _at(one.confidence, one.accuracy)
        told = f"{one.count} recordings: confidence {one.confidence:.1%}, right {one.accuracy:.1%}"
        parts.append(
            f'<g><title>{told}</title><rect x="{left:.1f}" y="{top:.1f}" '
            f'width="{right - left:.1f}" height="{max(bottom - top, 0):.1f}" fill="#bcd3ea" '
            f'stroke="#1767af"/>'
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="#1767af"/></g>'
        )
    parts.append(_note(f"expected calibration error {ece:.3f}"))
    size = _SIDE + 2 * _MARGIN
    return _svg(size, size, "Accuracy against confidence", parts)


def coverage_svg(curve: Sequence[Covered]) -> str:
    """Accuracy and mean recall against the share of recordings that is kept."""
    parts = _axes("coverage: share of recordings kept", "accuracy, UA")
    parts.append(_line([(one.coverage, one.accuracy) for one in curve], "#1767af"))
    parts.append(_line([(one.coverage, one.ua) for one in curve], _ACCENT, dashed=True))
    parts.append(_note("solid: accuracy (WA); dashed: mean recall (UA)"))
    size = _SIDE + 2 * _MARGIN
    return _svg(size, size, "Accuracy against coverage", parts)


def _axes(horizontal: str, vertical: str) -> list[str]:
    parts = []
    for tick in _TICKS:
        (x, bottom), (_, top) = _at(tick, 0), _at(tick, 1)
        (left, y), (right, _) = _at(0, tick), _at(1, tick)
        parts.append(
            f'<path d="M{x:g} {bottom:g}V{top:g}M{left:g} {y:g}H{right:g}" stroke="{_GRID}"/>'
            f'<text x="{x:g}" y="{bottom + 18:g}" text-anchor="middle">{tick:g}</text>'
            f'<text x="{left - 8:g}" y="{y + 4:g}" text-anchor="end">{tick:g}</text>'
        )
    middle = _MARGIN + _SIDE / 2
    parts.append(
        f'<text x="{middle:g}" y="{_MARGIN + _SIDE + 40}" text-anchor="middle">{horizontal}</text>'
    )
    parts.append(
        f'<text transform="translate(14 {middle:g}) rotate(-90)" text-anchor="middle">'
        f"{vertical}</text>"
    )
    return parts


def _line(points: Sequence[tuple[float, float]], colour: str, *, dashed: bool = False) -> str:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in (_at(*point) for point in points))
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'


def _note(text: str) -> str:
    return f'<text x="{_MARGIN}" y="{_MARGIN - 18}" font-weight="bold">{escape(text)}</text>'


def _at(x: float, y: float) -> tuple[float, float]:
    return _MARGIN + _SIDE * x, _MARGIN + _SIDE * (1 - float(np.clip(y, 0, 1)))


def _short(k: int) -> str:
    return escape(BY_ID[LABELS[k]].en[:9])


def _svg(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
            f'viewBox="0 0 {width:g} {height:g}" font-family="sans-serif" font-size="12" '
            f'fill="{_INK}" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
            *parts,
            "</svg>",
            "",
        )
    )
