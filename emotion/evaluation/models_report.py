"""A comparison of models for people: Markdown and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from emotion.evaluation.comparison import Row, confusions
from emotion.evaluation.report import html_page, html_table, markdown_table

ACCURACY = ("model", "UA", "95 %", "WA", "macro F1", "ECE", "main confusions")
COST = (
    "model",
    "first load",
    "a recording",
    "all",
    "memory",
    "GPU",
    "on disk",
    "embedding",
    "ran on",
    "languages",
    "licence",
)
MISSING = ("model", "why")
_NONE = "–"


def tables(rows: Sequence[Row]) -> list[tuple[str, Sequence[str], list[Sequence[str]]]]:
    """What is said of models: titles, heads and cells of tables that are not empty."""
    measured = [row for row in rows if row.evaluation is not None]
    missing = [(row.title, str(row.error)) for row in rows if row.evaluation is None]
    found: list[tuple[str, Sequence[str], list[Sequence[str]]]] = [
        ("How good", ACCURACY, [_accuracy(row) for row in measured]),
        ("What it takes", COST, [_cost(row) for row in measured]),
        ("Not measured", MISSING, [*missing]),
    ]
    return [one for one in found if one[2]]


def _accuracy(row: Row) -> Sequence[str]:
    assert row.evaluation is not None
    group = row.evaluation.overall
    low, high = group.intervals["ua"]
    failed = len(row.evaluation.failed)
    confused = ", ".join(
        f"{one['reference']} → {one['predicted']} {one['share']:.0%}"
        for one in confusions(row.evaluation)
    )
    return (
        row.title + (f" ({failed} recordings failed)" if failed else ""),
        f"{group.figures.ua:.3f}",
        f"{low:.3f} to {high:.3f}",
        f"{group.figures.wa:.3f}",
        f"{group.figures.macro_f1:.3f}",
        f"{group.ece:.3f}",
        confused or _NONE,
    )


def _cost(row: Row) -> Sequence[str]:
    facts = row.facts or {}
    return (
        row.title,
        _seconds(row.load_s),
        _NONE if row.latency_s is None else f"{1000 * row.latency_s:.0f} ms",
        _seconds(row.took_s),
        _size(row.peak_bytes),
        _size(row.gpu_bytes),
        _size(facts["size_bytes"]),
        str(facts["embedding_dim"] or _NONE),
        f"{facts['device']}, {facts['precision']}, {facts['engine']}",
        facts["languages"],
        facts["licence"],
    )


def markdown(rows: Sequence[Row], title: str, notes: Sequence[str]) -> str:
    """Tables of models, with notes above them."""
    lines = [f"# {title}", "", *(line for note in notes for line in (note, ""))]
    for heading, header, cells in tables(rows):
        lines += [f"## {heading}", "", *markdown_table(header, cells), ""]
    return "\n".join(lines)


def html(rows: Sequence[Row], title: str, notes: Sequence[str]) -> str:
    """The same as one HTML file."""
    parts = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(note)}</p>" for note in notes)]
    for heading, header, cells in tables(rows):
        parts += [f"<h2>{escape(heading)}</h2>", html_table(header, cells)]
    return html_page(title, parts)


def text_table(rows: Sequence[Row]) -> list[str]:
    """Lines for a terminal: what people ask first."""
    lines = [
        f"{'model':<34} {'UA':>6} {'WA':>6} {'F1':>6} {'ECE':>6} {'load':>8} {'a clip':>8} "
        f"{'memory':>8} {'width':>6}"
    ]
    for row in rows:
        name = row.title[:34]
        if row.evaluation is None:
            lines.append(f"{name:<34} not measured: {row.error}")
            continue
        group, facts = row.evaluation.overall, row.facts or {}
        latency = "–" if row.latency_s is None else f"{1000 * row.latency_s:.0f} ms"
        lines.append(
            f"{name:<34} {group.figures.ua:6.3f} {group.figures.wa:6.3f} "
            f"{group.figures.macro_f1:6.3f} {group.ece:6.3f} {_seconds(row.load_s):>8} "
            f"{latency:>8} {_size(row.peak_bytes):>8} {facts['embedding_dim'] or '–':>6}"
        )
    return lines


def _seconds(value: float | None) -> str:
    return _NONE if value is None else f"{value:.1f} s"


def _size(value: int | None) -> str:
    if not value:
        return _NONE
    return f"{value / 1e9:.1f} GB" if value >= 1e9 else f"{value / 1e6:.0f} MB"
