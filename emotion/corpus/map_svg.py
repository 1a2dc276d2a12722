"""A map of recordings as a picture: SVG without scripts, readable in print and in grey."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.analysis.comparison import Comparison
from emotion.core.errors import ConfigError
from emotion.core.labels import BY_ID

EMOTION: Final = "emotion"
CLUSTER: Final = "cluster"
_SIDE: Final = 640  # of the square with the points, in pixels
_MARGIN: Final = 24
_LEGEND: Final = 240
_ROW: Final = 24
# Okabe and Ito's colours for colour-blind readers, without the yellow that vanishes on white.
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_SHAPES: Final = ("circle", "square", "triangle", "diamond", "cross")
_MOST_KINDS: Final = len(_COLOURS) * len(_SHAPES)
_NONE: Final = ("–", "#9aa3ad", "circle")


def map_svg(comparison: Comparison, colour_by: str = EMOTION) -> str:
    """Draws the map of a comparison.

    Args:
        comparison: With a map.
        colour_by: ``emotion``, ``cluster``, or one of the user's columns.

    Raises:
        ConfigError: There is no such column, or it has too many different values.
    """
    assert comparison.projection is not None
    kinds = kinds_of(comparison, colour_by)
    styles = _styles(kinds, colour_by)
    places = _placed(comparison.projection.points)
    marks = [
        _mark(x, y, *styles[kind], item.name)
        for (x, y), kind, item in zip(places.tolist(), kinds, comparison.items, strict=True)
    ]
    counts = Counter(kinds)
    legend = [
        _legend(row, styles[kind], f"{_title(kind, colour_by)} ({counts[kind]})")
        for row, kind in enumerate(kind for kind in styles if counts[kind])
    ]
    width = _SIDE + 2 * _MARGIN + _LEGEND
    height = max(_SIDE + 2 * _MARGIN, 2 * _MARGIN + _ROW * (len(legend) + 1))
    title = f"{len(kinds)} recordings by {comparison.projection.method}, coloured by {colour_by}"
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *marks,
            f'<text x="{_SIDE + 2 * _MARGIN}" y="{_MARGIN + 12}" font-weight="bold">'
            f"{escape(colour_by)}</text>",
            *legend,
            "</svg>",
            "",
        )
    )


def kinds_of(comparison: Comparison, colour_by: str) -> list[str]:
    """What each recording is coloured by; ``–`` where that is not known.

    Raises:
        ConfigError: There is no such column.
    """
    items = comparison.items
    if colour_by == EMOTION:
        return [item.emotion or _NONE[0] for item in items]
    if colour_by == CLUSTER and comparison.clusters is not None:
        return [str(label) if label >= 0 else _NONE[0] for label in comparison.clusters.labels]
    columns = list(dict.fromkeys(name for item in items for name in item.columns))
    if colour_by not in columns:
        expected = ", ".join([EMOTION, CLUSTER, *columns])
        raise ConfigError(option="color-by", value=colour_by, expected=f"one of {expected}")
    return [item.columns.get(colour_by) or _NONE[0] for item in items]


def _styles(kinds: Sequence[str], colour_by: str) -> dict[str, tuple[str, str]]:
    """Colour and shape of each kind, in the order of the legend.

    Raises:
        ConfigError: There are too many kinds.
    """
    counts = Counter(kind for kind in kinds if kind != _NONE[0])
    if len(counts) > _MOST_KINDS:
        expected = f"a column with at most {_MOST_KINDS} different values, not {len(counts)}"
        raise ConfigError(option="color-by", value=colour_by, expected=expected)
    order = sorted(counts) if colour_by == CLUSTER else [kind for kind, _ in counts.most_common()]
    styles = {
        kind: (_COLOURS[number % len(_COLOURS)], _SHAPES[number % len(_SHAPES)])
        for number, kind in enumerate(order)
    }
    if colour_by == EMOTION:
        styles = {
            kind: (BY_ID[kind].colour if kind in BY_ID else _NONE[1], shape)
            for kind, (_, shape) in styles.items()
        }
    return {**styles, _NONE[0]: _NONE[1:]}


def _placed(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points in pixels, with one scale for both axes."""
    low, high = points.min(axis=0), points.max(axis=0)
    scale = _SIDE / max(float((high - low).max()), 1e-12)
    middle = (low + high) / 2
    pixels: NDArray[np.float64] = (points - middle) * (scale, -scale) + _MARGIN + _SIDE / 2
    return np.round(pixels, 1)


def _mark(x: float, y: float, colour: str, shape: str, name: str) -> str:
    return (
        f'<g transform="translate({x:g} {y:g})" fill="{colour}" stroke="{colour}" '
        f'fill-opacity="0.75"><title>{escape(name)}</title>{_SHAPE[shape]}</g>'
    )


def _legend(row: int, style: tuple[str, str], text: str) -> str:
    x, y = _SIDE + 2 * _MARGIN + 8, _MARGIN + _ROW * (row + 1) + 8
    return f'{_mark(x, y, *style, text)}<text x="{x + 16}" y="{y + 4}">{escape(text)}</text>'


def _title(kind: str, colour_by: str) -> str:
    return BY_ID[kind].en if colour_by == EMOTION and kind in BY_ID else kind


_SHAPE: Final = {
    "circle": '<circle r="4.5"/>',
    "square": '<rect x="-4" y="-4" width="8" height="8"/>',
    "triangle": '<path d="M0 -5.5 5 4H-5Z"/>',
    "diamond": '<path d="M0 -5.5 5.5 0 0 5.5 -5.5 0Z"/>',
    "cross": '<path d="M-4 -4 4 4M4 -4 -4 4" stroke-width="2.5"/>',
}
