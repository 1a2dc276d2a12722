"""A comparison of models for people: Markdown and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from emotion.evaluation.comparison import Row, confusions
from emotion.evaluation.report import html_page, html_table, markdown_table

HEADER = (
    "model",
    "UA",
    "95 %",
    "WA",
    "macro F1",
    "ECE",
    "main confusions",
    "first load",
    "a recording",
    "all",
    "memory",
    "GPU",
    "on disk",
    "embedding",
    "languages",
    "licence",
    "ran on",
)
_NONE = "–"


def cells(row: Row) -> Sequence[str]:
    """A model as the cells of a table below `HEADER`."""
    if row.evaluation is None:
        return (row.title, f"not measured: {row.error}", *[_NONE] * (len(HEADER) - 2))
    group = row.evaluation.overall
    low, high = group.intervals["ua"]
    facts = row.facts or {}
    failed = len(row.evaluation.failed)
    return (
        row.title + (f" ({failed} recordings failed)" if failed else ""),
        f"{group.figures.ua:.3f}",
        f"{low:.3f} to {high:.3f}",
        f"{group.figures.wa:.3f}",
        f"{group.figures.macro_f1:.3f}",
        f"{group.ece:.3f}",
        ", ".join(
            f"{one['reference']} → {one['predicted']} {one['share']:.0%}"
            for one in confusions(row.evaluation)
        )
        or _NONE,
        _seconds(row.load_s),
        _NONE if row.latency_s is None else f"{1000 * row.latency_s:.0f} ms",
        _seconds(row.took_s),
        _size(row.peak_bytes),
        _size(row.gpu_bytes),
        _size(facts["size_bytes"]),
        str(facts["embedding_dim"] or _NONE),
        facts["languages"],
        facts["licence"],
        f"{facts['device']}, {facts['precision']}, {facts['engine']}",
    )


def markdown(rows: Sequence[Row], title: str, notes: Sequence[str]) -> str:
    """A table of models, with notes above it."""
    lines = [f"# {title}", "", *(line for note in notes for line in (note, ""))]
    return "\n".join([*lines, *markdown_table(HEADER, map(cells, rows))]) + "\n"


def html(rows: Sequence[Row], title: str, notes: Sequence[str]) -> str:
    """The same as one HTML file."""
    parts = [f"<h1>{escape(title)}</h1>", *(f"<p>{escape(note)}</p>" for note in notes)]
    return html_page(title, [*parts, html_table(HEADER, map(cells, rows))])


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
