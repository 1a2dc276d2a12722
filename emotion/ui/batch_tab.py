"""The batch tab: many recordings, their results as a table. The page's script fills it."""

from __future__ import annotations

import html
import json
from typing import Any, Final, get_args

import gradio as gr

from emotion.core.i18n import WARNINGS_ZH, Pair
from emotion.core.labels import EMOTIONS, LABEL_SETS
from emotion.core.options import Granularity
from emotion.corpus.kinds import SUFFIXES
from emotion.exports import FORMATS
from emotion.services.batches import MOST_RECORDINGS
from emotion.ui.batch_handlers import BatchHandlers
from emotion.ui.charts import both
from emotion.ui.options_panel import Translate
from emotion.ui.recognize_tab import build_outputs
from emotion.ui.texts import pair

_COLUMNS: Final = ("file", "duration", "emotion", "score", "second", "warning")
_TABLES: Final = (("csv", "CSV"), ("jsonl", "JSONL"), ("parquet", "Parquet"))
_KEPT: Final = frozenset({"csv", "tsv", "zip"})


def build_batch_tab(handlers: BatchHandlers, t: Translate, maximum_bytes: int) -> None:
    """Puts the components into the open tab and connects them.

    Args:
        handlers: What the events do.
        t: Gives a text of the translations by its key.
        maximum_bytes: The largest upload.
    """
    gr.HTML(panel(maximum_bytes), elem_id="batch-panel", js_on_load=None, apply_default_css=False)
    choice = gr.Textbox(visible=False)
    opening = gr.Button(visible="hidden", elem_id="batch-open")
    unused = gr.Button(visible=False)  # a stored run has nothing to cancel
    with gr.Column(elem_id="batch-result"):
        out = build_outputs(opening, unused, t, prefix="batch-")
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    opening.click(
        handlers.open(out),
        choice,
        out.all(),
        js="() => [window.emotionPage.batchChoice()]",
        concurrency_limit=None,
        trigger_mode="always_last",
        **private,
    ).then(None, None, None, js="() => { window.emotionPage.batchOpened(); return []; }", **private)


def panel(maximum_bytes: int) -> str:
    """The cards, without files and results.

    Args:
        maximum_bytes: The largest upload.
    """
    data = html.escape(json.dumps(_data(maximum_bytes), ensure_ascii=False))
    return (
        f'<section class="emo-card batch" data-state="idle" data-known="{data}">'
        f'<h2 class="card-title">{_text("title")}</h2>{_picker()}'
        f'<div class="bat-list" hidden><div class="bat-head"><p class="bat-count" role="status">'
        f"</p>{_button('clear')}</div><ul></ul>"
        '<button type="button" class="bat-more"></button></div>'
        f'<p class="bat-problem" role="alert" hidden></p>{_options()}'
        f'<div class="bat-actions">{_button("start", "disabled")}{_button("cancel", "disabled")}'
        '</div><div class="bat-run" hidden><div class="progress" role="progressbar" '
        'aria-valuemin="0" aria-valuemax="100"><span style="width:0"></span></div>'
        '<p class="bat-line" role="status"></p><p class="bat-note remark"></p></div></section>'
        f"{_results()}"
    )


def _data(maximum_bytes: int) -> dict[str, Any]:
    emotions = [
        {"id": e.id, "zh": e.zh, "en": e.en, "emoji": e.emoji, "colour": e.colour} for e in EMOTIONS
    ]
    return {
        "emotions": emotions,
        "suffixes": sorted(SUFFIXES | _KEPT),
        "most": MOST_RECORDINGS,
        "most_bytes": maximum_bytes,
        "warnings": {code: text for code, text in WARNINGS_ZH.items() if isinstance(text, str)},
    }


def _text(key: str, **values: object) -> str:
    return both(pair(f"batch_{key}", **values))


def _button(name: str, state: str = "") -> str:
    return f'<button type="button" class="bat-{name}" {state}>{_text(name)}</button>'


def _picker() -> str:
    return (
        f'<div class="bat-drop"><p class="lead">{_text("drop")}</p>'
        f'<p class="remark">{_text("drop_more", most=f"{MOST_RECORDINGS:,}")}</p>'
        f'<div class="bat-picks">{_button("files")}{_button("folder")}</div>'
        '<input type="file" multiple hidden class="bat-input">'
        '<input type="file" webkitdirectory hidden class="bat-input"></div>'
    )


def _options() -> str:
    granularities = [(name, pair(f"batch_{name}")) for name in get_args(Granularity)]
    labels = [(name, pair(f"labels_{name}")) for name in LABEL_SETS]
    exports = "".join(
        f'<label><input type="checkbox" name="exports" value="{name}">'
        f"<span>{html.escape(kind.file)}</span></label>"
        for name, kind in FORMATS.items()
    )
    return (
        f'<details class="bat-options"><summary>{_text("options")}</summary><div class="bat-form">'
        f"{_select('granularity', granularities)}{_select('labels', labels)}"
        f'<label class="bat-field"><span>{_text("confidence")}</span>'
        '<input type="number" name="min_confidence" min="0" max="95" step="5" value="0"></label>'
        '<label class="bat-check"><input type="checkbox" name="extract_embedding" value="true">'
        f"<span>{_text('embedding')}</span></label>"
        f"<fieldset><legend>{_text('exports')}</legend><div>{exports}</div></fieldset>"
        "</div></details>"
    )


def _select(name: str, choices: list[tuple[str, Pair]]) -> str:
    options = "".join(
        f'<option value="{value}" data-zh="{html.escape(zh)}" data-en="{html.escape(en)}">'
        f"{html.escape(en)}</option>"
        for value, (zh, en) in choices
    )
    return (
        f'<label class="bat-field"><span>{_text(name)}</span>'
        f'<select name="{name}">{options}</select></label>'
    )


def _results() -> str:
    shown: list[tuple[str, Pair]] = [("", pair("batch_all"))]
    shown += [(e.id, (f"{e.emoji} {e.zh}", f"{e.emoji} {e.en}")) for e in EMOTIONS]
    shown += [(name, pair(f"batch_{name}")) for name in ("uncertain", "no_speech", "failed")]
    order = [(name, pair(f"batch_{name}")) for name in ("index", *_COLUMNS)]
    heads = "".join(
        f'<div role="columnheader" data-sort="{name}"><button type="button" tabindex="-1">'
        f"{_text(name)}</button></div>"
        for name in _COLUMNS
    )
    links = "".join(f'<a class="bat-get" data-get="table.{k}" download>{n}</a>' for k, n in _TABLES)
    return (
        '<section class="emo-card bat-results" hidden aria-labelledby="bat-results-title">'
        f'<div class="bat-head"><h2 class="card-title" id="bat-results-title">{_text("results")}'
        f'</h2><div class="bat-gets">{links}<a class="bat-get" data-get="outputs.zip" download>'
        f"{_text('zip')}</a>{_button('compare', 'hidden')}</div></div>"
        f'<figure class="bat-shares"><figcaption>{_text("shares")}</figcaption><ol></ol></figure>'
        f'<div class="bat-tools"><label class="bat-field"><span>{_text("search")}</span>'
        f'<input type="search" name="search"></label>{_select("show", shown)}'
        f'{_select("sort", order)}<p class="bat-rows" role="status"></p></div>'
        '<div class="bat-grid" role="grid" tabindex="0" aria-labelledby="bat-results-title">'
        f'<div role="rowgroup" class="bat-heads"><div role="row" aria-rowindex="1">{heads}</div>'
        '</div><div role="rowgroup" class="bat-body"></div></div>'
        '<h3 class="bat-opened" tabindex="-1"></h3><p class="bat-error" role="status" hidden></p>'
        "</section>"
    )
