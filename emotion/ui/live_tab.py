"""The live tab: the microphone, what its last seconds sound like, and the result afterwards."""

from __future__ import annotations

import html
import json
from typing import Any, Final

import gradio as gr

from emotion.core.labels import EMOTIONS
from emotion.services.live import WINDOW_S
from emotion.ui.charts import DASHES, both
from emotion.ui.handlers import Outputs
from emotion.ui.live_handlers import LiveHandlers
from emotion.ui.options_panel import Translate
from emotion.ui.recognize_tab import build_outputs
from emotion.ui.texts import pair

_FINISHED: Final = "() => { window.emotionPage.liveFinished(); return []; }"


def build_live_tab(handlers: LiveHandlers, t: Translate, *, on: bool) -> None:
    """Puts the components into the open tab and connects them.

    Args:
        handlers: What the events do.
        t: Gives a text of the translations by its key.
        on: Whether the server takes live recordings.
    """
    gr.HTML(panel(on=on), elem_id="live-panel", js_on_load=None, apply_default_css=False)
    live_id = gr.Textbox(visible=False)
    start = gr.Button(visible="hidden", elem_id="live-finish")
    cancel = gr.Button(t("cancel"), elem_id="live-cancel", interactive=False)
    with gr.Column(elem_id="live-result"):
        out = build_outputs(start, cancel, t, prefix="live-")
    _connect(handlers, live_id, out)


def _connect(handlers: LiveHandlers, live_id: gr.Textbox, out: Outputs) -> None:
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    out.start.click(
        handlers.finish(out),
        live_id,
        out.all(),
        js="() => [window.emotionPage.liveId()]",
        concurrency_limit=None,  # the job queue has the limit, and says so
        **private,
    ).then(None, None, None, js=_FINISHED, **private)
    out.cancel.click(handlers.cancel, None, None, queue=False, **private)


def panel(*, on: bool) -> str:
    """The controls and the moving display; the page's script fills it.

    Args:
        on: Whether the server takes live recordings.
    """
    if not on:
        return f'<section class="emo-card"><p class="lead">{both(pair("live_off"))}</p></section>'
    data = html.escape(json.dumps(_emotions(), ensure_ascii=False))
    return (
        f'<section class="emo-card live" data-state="idle" data-emotions="{data}">'
        f'<h2 class="card-title">{both(pair("live_title"))}</h2>'
        '<div class="live-now"><span class="face emoji" aria-hidden="true">🎙️</span>'
        f'<p class="live-emotion" role="status" aria-live="polite">{both(pair("live_idle"))}</p>'
        '<p class="live-confidence"></p></div>'
        f'<div class="live-controls"><button type="button" class="live-button">'
        f'<span class="when-off">{both(pair("live_start"))}</span>'
        f'<span class="when-on">{both(pair("live_stop"))}</span></button>'
        f'<button type="button" class="live-retry" hidden>{both(pair("live_retry"))}</button>'
        f'<span class="live-time" role="timer">0:00</span>'
        f'<span class="live-level"><span class="name">{both(pair("live_level"))}</span>'
        '<meter min="0" max="1" value="0"></meter></span></div>'
        '<p class="live-problem" role="alert" hidden></p>'
        f'<figure class="live-curve"><figcaption>{both(pair("live_curve"))}</figcaption>'
        '<svg viewBox="0 0 600 160" preserveAspectRatio="none" aria-hidden="true"></svg>'
        f'<p class="live-axis" aria-hidden="true"><span>−60 s</span>'
        f"<span>{both(pair('live_now'))}</span></p>"
        '<ul class="legend"></ul></figure>'
        f'<p class="remark">{both(pair("live_window", window=WINDOW_S))}</p></section>'
    )


def _emotions() -> list[dict[str, str]]:
    return [
        {
            "id": emotion.id,
            "zh": emotion.zh,
            "en": emotion.en,
            "emoji": emotion.emoji,
            "colour": emotion.colour,
            "dash": DASHES[emotion.id],
        }
        for emotion in EMOTIONS
    ]
