"""The comparing tab: what is compared, and places for the pictures that the page's scripts draw."""

from __future__ import annotations

import html
import json
from typing import Final

import gradio as gr

from emotion.core.labels import EMOTIONS
from emotion.ui.charts import both
from emotion.ui.texts import TEXTS, pair

MOST_ITEMS: Final = 2000
# Names of methods, the same in both languages.
_METHODS: Final = {"pca": "PCA", "tsne": "t-SNE", "hdbscan": "HDBSCAN", "kmeans": "k-means"}
_REMARKS: Final = ("matrix", "trend")  # the map's has values
_DOWNLOADS: Final = ("similarity", "map", "svg")


def build_compare_tab() -> None:
    """Puts the input and the results into the open tab."""
    gr.HTML(panel(), elem_id="compare-panel", js_on_load=None, apply_default_css=False)


def panel() -> str:
    """The tab's markup, without values."""
    data = html.escape(json.dumps(_emotions(), ensure_ascii=False))
    return (
        f'<div class="compare" data-state="idle" data-most="{MOST_ITEMS}" data-emotions="{data}">'
        f"{_input()}{_results()}</div>"
    )


def _text(key: str) -> str:
    return both(pair(f"compare_{key}"))


def _button(name: str, key: str, more: str = "") -> str:
    return f'<button type="button" class="{name}"{more}>{_text(key)}</button>'


def _input() -> str:
    history = ' hidden aria-expanded="false" aria-controls="cmp-history"'
    return (
        '<section class="emo-card cmp-input" aria-labelledby="compare-title">'
        f'<h2 class="card-title" id="compare-title">{_text("title")}</h2>'
        f'<div class="cmp-drop"><p class="lead">{_text("drop")}</p><div class="cmp-buttons">'
        f"{_button('cmp-choose', 'choose')}{_button('cmp-folder', 'folder')}"
        f"{_button('cmp-history', 'history', history)}</div>"
        '<input type="file" class="cmp-files" multiple hidden>'
        '<input type="file" class="cmp-directory" webkitdirectory hidden>'
        f'<p class="remark">{_text("csv_help")}</p></div>{_history()}'
        '<div class="cmp-list" hidden><p class="cmp-count"></p><ul class="cmp-notes"></ul>'
        f'<details class="cmp-entries"><summary>{_text("show_list")}</summary><ul></ul></details>'
        f"</div>{_options()}"
        f'<div class="cmp-buttons">{_button("cmp-start", "start", " disabled")}'
        f"{_button('cmp-cancel', 'cancel', ' hidden')}{_button('cmp-clear', 'clear', ' hidden')}"
        '</div><div class="cmp-progress" hidden><div class="progress" aria-hidden="true">'
        '<span></span></div></div><p class="cmp-status" role="status"></p>'
        '<div class="cmp-problem" role="alert" hidden></div>'
        f'<div class="cmp-failed" hidden><h3>{_text("failed")}</h3><ul></ul></div></section>'
    )


def _history() -> str:
    return (
        '<div class="cmp-runs" id="cmp-history" hidden><label class="cmp-field">'
        f'<span>{_text("search")}</span><input type="search" class="cmp-search"></label>'
        f'<ul class="cmp-run-list"></ul>{_button("cmp-add", "add", " disabled")}</div>'
    )


def _options() -> str:
    return (
        f'<details class="cmp-options"><summary>{_text("options")}</summary>'
        f'<div class="cmp-fields">{_choice("projection", ("auto", "pca", "tsne"))}'
        f"{_choice('clustering', ('auto', 'hdbscan', 'kmeans', 'none'))}"
        f"{_number('clusters_n', 'clusters', 2, 100, '')}"
        f"{_number('neighbours_n', 'neighbours', 1, 50, '5')}</div></details>"
    )


def _choice(name: str, values: tuple[str, ...]) -> str:
    options = "".join(_option(value) for value in values)
    return (
        f'<label class="cmp-field"><span>{_text(name)}</span>'
        f'<select data-option="{name}">{options}</select></label>'
    )


def _option(value: str) -> str:
    if value in _METHODS:
        return f'<option value="{value}">{_METHODS[value]}</option>'
    zh, en = TEXTS[f"compare_{value}"]  # an option holds plain text only: the page translates it
    return f'<option value="{value}" data-zh="{zh}" data-en="{en}">{en}</option>'


def _number(key: str, name: str, least: int, most: int, value: str) -> str:
    return (
        f'<label class="cmp-field"><span>{_text(key)}</span><input type="number" '
        f'data-option="{name}" min="{least}" max="{most}" step="1" value="{value}"></label>'
    )


def _results() -> str:
    files = "".join(
        _button("cmp-download", f"download_{name}", f' data-file="{name}"') for name in _DOWNLOADS
    )
    bodies = {
        "matrix": '<div class="cmp-matrices"></div>',
        "map": _map(),
        "groups": '<div class="cmp-group-list"></div>',
        "neighbours": _neighbours(),
        "trend": '<div class="cmp-trends"></div>',
        "downloads": f'<div class="cmp-buttons">{files}</div>',
    }
    return (
        f'<div class="cmp-results" hidden>{"".join(map(_part, bodies, bodies.values()))}'
        '<div class="cmp-player" hidden><p class="cmp-playing" role="status"></p>'
        '<audio controls preload="none"></audio></div></div>'
    )


def _part(name: str, body: str) -> str:
    remark = f'<p class="remark">{_text(f"{name}_remark")}</p>' if name in _REMARKS else ""
    return (
        f'<section class="emo-card cmp-part" data-part="{name}" aria-labelledby="cmp-{name}">'
        f'<h2 class="card-title" id="cmp-{name}">{_text(name)}</h2>{body}{remark}</section>'
    )


def _map() -> str:
    steps = (("zoom_in", 1.5), ("zoom_out", 1 / 1.5), ("zoom_all", 0))
    zoom = "".join(_button("cmp-zoom", key, f' data-zoom="{step:g}"') for key, step in steps)
    return (
        f'<div class="cmp-tools"><label class="cmp-field"><span>{_text("colour")}</span>'
        f'<select class="cmp-colour"></select></label><div class="cmp-buttons">{zoom}</div></div>'
        '<div class="cmp-plot"><svg class="cmp-svg" role="group"></svg>'
        '<div class="cmp-tip" aria-hidden="true" hidden></div></div>'
        f'<p class="cmp-legend-title remark">{_text("legend")}</p><ul class="cmp-legend"></ul>'
        '<p class="remark cmp-map-remark"></p>'
    )


def _neighbours() -> str:
    return (
        f'<label class="cmp-field"><span>{_text("of")}</span><select class="cmp-of"></select>'
        '</label><ol class="cmp-near"></ol>'
    )


def _emotions() -> list[dict[str, str]]:
    return [
        {"id": one.id, "zh": one.zh, "en": one.en, "emoji": one.emoji, "colour": one.colour}
        for one in EMOTIONS
    ]
