"""The models tab: what there is, which one answers, and the last comparison.

The page's script fills it from ``/api/v1/models``.
"""

from __future__ import annotations

import html
import json
from typing import Final

import gradio as gr

from emotion.core.labels import EMOTIONS
from emotion.ui.charts import both
from emotion.ui.texts import pair

COMMAND: Final = (
    "python -m emotion evaluate MANIFEST.csv --models emotion2vec_plus_large,emotion2vec_mini"
)
# Columns of the comparison, in order; the first names the model.
COLUMNS: Final = (
    "model",
    "ua",
    "interval",
    "wa",
    "macro_f1",
    "ece",
    "load",
    "latency",
    "memory",
    "gpu",
    "width",
    "confusions",
    "languages",
    "licence",
    "engine",
)


def build_models_tab() -> None:
    """Puts the cards into the open tab."""
    gr.HTML(panel(), elem_id="models-panel", js_on_load=None, apply_default_css=False)


def panel() -> str:
    """The cards, without values."""
    emotions = {one.id: [one.zh, one.en] for one in EMOTIONS}
    data = html.escape(json.dumps(emotions, ensure_ascii=False))
    heads = "".join(f'<th scope="col">{_text(name)}</th>' for name in COLUMNS)
    return (
        f'<div class="models" data-emotions="{data}">'
        '<section class="emo-card" aria-labelledby="models-title">'
        f'<h2 class="card-title" id="models-title">{_text("title")}</h2>'
        f'<p class="mdl-note" role="status">{_text("reading")}</p>'
        '<p class="mdl-problem" role="alert" hidden></p>'
        '<ul class="mdl-list"></ul></section>'
        '<section class="emo-card mdl-last" aria-labelledby="models-last" hidden>'
        f'<h2 class="card-title" id="models-last">{_text("comparison")}</h2>'
        '<p class="remark mdl-about"></p>'
        '<div class="mdl-scroll" tabindex="0" role="region" aria-labelledby="models-last">'
        f'<table class="mdl-table"><thead><tr>{heads}</tr></thead><tbody></tbody></table></div>'
        f'<p class="remark mdl-how">{_text("none")}</p><code class="mdl-command">{COMMAND}</code>'
        "</section></div>"
    )


def _text(key: str) -> str:
    return both(pair(f"models_{key}"))
