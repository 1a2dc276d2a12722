"""The history tab: stored runs, filtered, opened again, downloaded, deleted.

The page's script fills the list from the REST API. A click puts the run's id into a hidden field
and presses a hidden button: the run is then shown as if it had just ended.
"""

from __future__ import annotations

import html
import json
from typing import Any, Final

import gradio as gr

from emotion.core.config import ServerConfig
from emotion.core.labels import EMOTIONS
from emotion.ui.charts import both
from emotion.ui.handlers import Outputs
from emotion.ui.history_handlers import HistoryHandlers
from emotion.ui.options_panel import Translate
from emotion.ui.recognize_tab import build_outputs
from emotion.ui.texts import pair

_OPENED: Final = "() => { window.emotionPage.historyOpened(); return []; }"
_COLUMNS: Final = ("when", "file", "emotion", "confidence", "length", "model", "granularity")
_ICONS: Final = {
    "download": "M12 4v10m0 0 4-4m-4 4-4-4M5 19h14",
    "delete": "M5 7h14M10 7V5h4v2m-7 0 1 12h8l1-12",
}


def build_history_tab(handlers: HistoryHandlers, t: Translate) -> None:
    """Puts the components into the open tab and connects them.

    Args:
        handlers: What the events do.
        t: Gives a text of the translations by its key.
    """
    config = handlers.config
    gr.HTML(panel(config), elem_id="history-panel", js_on_load=None, apply_default_css=False)
    if not config.lists_runs:
        return
    run_id = gr.Textbox(visible=False)
    start = gr.Button(visible="hidden", elem_id="history-open")
    cancel = gr.Button(visible=False)
    with gr.Column(elem_id="history-result"):
        gr.HTML(_result_head(), elem_id="history-head", js_on_load=None, apply_default_css=False)
        out = build_outputs(start, cancel, t, prefix="history-")
    _connect(handlers, run_id, out)


def _connect(handlers: HistoryHandlers, run_id: gr.Textbox, out: Outputs) -> None:
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    out.start.click(
        handlers.open(out),
        run_id,
        [out.card, out.scores, out.timeline, out.log, out.downloads],
        js="() => [window.emotionPage.historyRun()]",
        concurrency_limit=4,
        trigger_mode="always_last",
        **private,
    ).then(None, None, None, js=_OPENED, **private)


def panel(config: ServerConfig) -> str:
    """The filters and the place of the list; the page's script fills it.

    Args:
        config: Whether runs are listed, and why not.
    """
    if not config.lists_runs:
        reason = _text("shared" if config.shared else "off")
        return (
            f'<section class="emo-card history is-off"><p class="lead">{_text("off_title")}</p>'
            f'<p class="message">{reason}</p></section>'
        )
    data = html.escape(json.dumps(_emotions(), ensure_ascii=False))
    return (
        f'<section class="emo-card history" data-state="waiting" data-emotions="{data}" '
        'aria-labelledby="history-title">'
        f'<div class="his-top"><h2 class="card-title" id="history-title">{_text("title")}</h2>'
        '<p class="his-total" role="status"></p></div>'
        f"{_filters()}{_tools()}"
        '<p class="his-problem" role="alert" hidden></p>'
        f'<div class="his-undo" hidden><p role="status"></p>'
        f'<button type="button" class="his-restore">{_text("undo")}</button>'
        f'<button type="button" class="his-dismiss">{_cross()}{_unseen("dismiss")}</button></div>'
        f'{_heads()}<ol class="his-list" aria-label="{_plain("list")}"></ol>'
        f'<p class="his-empty" role="status">{_text("loading")}</p>'
        '<button type="button" class="his-more" hidden></button>'
        f'<p class="remark his-keys">{_text("keys")}</p>{_template()}</section>'
    )


def _text(key: str) -> str:
    return both(pair(f"history_{key}"))


def _plain(key: str) -> str:
    """A text in both languages for an attribute."""
    return html.escape(" / ".join(pair(f"history_{key}")))


def _unseen(key: str) -> str:
    return f'<span class="unseen">{_text(key)}</span>'


def _filters() -> str:
    emotions = "".join(_option(one.id, f"{one.emoji} ", one.zh, one.en) for one in EMOTIONS)
    everything = _option("", "", *pair("history_any"))
    fields = (
        ("emotion", f'<select name="emotion">{everything}{emotions}</select>'),
        ("model", f'<select name="model">{everything}</select>'),
        ("name", '<input type="search" name="name" autocomplete="off" maxlength="200">'),
        ("since", '<input type="date" name="since">'),
        ("until", '<input type="date" name="until">'),
    )
    labels = "".join(f"<label><span>{_text(key)}</span>{field}</label>" for key, field in fields)
    return (
        f'<form class="his-filters" role="search" aria-label="{_plain("filters")}">{labels}'
        f'<button type="reset" class="his-clear" disabled>{_text("clear")}</button></form>'
    )


def _option(value: str, face: str, zh: str, en: str) -> str:
    """A choice whose text the page's script puts into the page's language."""
    zh, en = html.escape(face + zh), html.escape(face + en)
    return f'<option value="{value}" data-zh="{zh}" data-en="{en}">{en}</option>'


def _tools() -> str:
    """What is done with the runs that are selected."""
    return (
        '<div class="his-tools"><label class="his-all"><input type="checkbox">'
        f"<span>{_text('select_all')}</span></label>"
        '<span class="his-count" role="status"></span>'
        f'<button type="button" class="his-compare" hidden disabled>{_text("compare")}</button>'
        f'<button type="button" class="his-get-all" disabled>{_text("download")}</button>'
        f'<button type="button" class="his-delete-all" disabled>{_text("delete")}</button></div>'
    )


def _heads() -> str:
    """The names of the columns, for the eye: each row says to screen readers what it holds."""
    heads = "".join(f'<span class="his-{name}">{_text(name)}</span>' for name in _COLUMNS)
    return f'<div class="his-heads" aria-hidden="true">{heads}</div>'


def _template() -> str:
    """A row, which the page's script copies."""
    cells = "".join(f'<span class="his-{name}"></span>' for name in _COLUMNS)
    return (
        '<template class="his-template"><li class="his-row">'
        f'<label class="his-pick"><input type="checkbox">{_unseen("select")}</label>'
        f'<button type="button" class="his-open">{cells}</button>'
        f'<a class="his-get" download>{_icon("download")}{_unseen("download")}</a>'
        f'<button type="button" class="his-delete">{_icon("delete")}{_unseen("delete")}</button>'
        "</li></template>"
    )


def _result_head() -> str:
    return (
        f'<div class="his-result-head"><h2>{_text("result")}</h2>'
        f'<button type="button" class="his-close">{_text("close")}</button></div>'
    )


def _icon(name: str) -> str:
    return f'<svg viewBox="0 0 24 24" aria-hidden="true"><path d="{_ICONS[name]}"/></svg>'


def _cross() -> str:
    return '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M6 6l12 12M18 6 6 18"/></svg>'


def _emotions() -> dict[str, list[str]]:
    return {one.id: [one.emoji, one.zh, one.en, one.colour] for one in EMOTIONS}
