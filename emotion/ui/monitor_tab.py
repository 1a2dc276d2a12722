"""The monitoring tab: what the server does, for its operator. The page's script fills it."""

from __future__ import annotations

from typing import Final

import gradio as gr

from emotion.ui.charts import both
from emotion.ui.texts import pair

_CURVES: Final = ("requests_per_s", "latency_p95_s", "queue", "memory_bytes")
_ROWS: Final = (
    "requests",
    "refused",
    "failed",
    "p50",
    "p95",
    "jobs_done",
    "jobs_failed",
    "jobs_cancelled",
    "wait_p95",
    "audio",
    "rtf",
    "batch_clips",
    "batch_audio",
    "pass",
)
_FACTS: Final = (
    "model",
    "phase",
    "engine",
    "uptime",
    "running",
    "waiting_jobs",
    "live",
    "cpu",
    "memory",
    "gpu",
    "gpu_busy",
    "disk",
)
# Names of products, the same in both languages.
_VERSIONS: Final = {
    "emotion": "emotion",
    "python": "Python",
    "torch": "PyTorch",
    "gradio": "Gradio",
    "ffmpeg": "FFmpeg",
}


def build_monitor_tab() -> None:
    """Puts the card into the open tab."""
    gr.HTML(panel(), elem_id="monitor-panel", js_on_load=None, apply_default_css=False)


def panel() -> str:
    """The card, without values."""
    return (
        '<section class="emo-card monitor" data-state="waiting" aria-labelledby="monitor-title">'
        f'<div class="mon-head"><h2 class="card-title" id="monitor-title">{_text("title")}</h2>'
        '<button type="button" class="mon-pause" hidden>'
        f"{_text('pause')}</button></div>"
        f'<p class="mon-note" role="status">{_text("waiting")}</p>'
        f'<div class="mon-body" hidden><div class="mon-tiles">{"".join(map(_tile, _CURVES))}</div>'
        f'<div class="mon-columns">{_periods()}<div class="mon-facts">'
        f"<h3>{_text('now')}</h3><dl>{''.join(map(_fact, _FACTS))}</dl>"
        f"<h3>{_text('versions')}</h3><dl>{_versions()}</dl></div></div>"
        f'<p class="remark">{_text("remark")} {_text("prometheus")} '
        '<a href="metrics" target="_blank" rel="noopener">/metrics</a></p></div></section>'
    )


def _text(key: str) -> str:
    return both(pair(f"monitor_{key}"))


def _tile(name: str) -> str:
    return (
        f'<figure class="mon-tile" data-curve="{name}"><figcaption>{_text(name)}</figcaption>'
        '<p class="mon-value">–</p>'
        '<svg viewBox="0 0 120 36" preserveAspectRatio="none" aria-hidden="true"></svg>'
        '<p class="mon-range"></p></figure>'
    )


def _periods() -> str:
    heads = "".join(f'<th scope="col">{_text(name)}</th>' for name in ("minute", "hour"))
    rows = "".join(
        f'<tr data-row="{name}"><th scope="row">{_text(name)}</th><td>–</td><td>–</td></tr>'
        for name in _ROWS
    )
    return (
        f'<table class="mon-table"><caption>{_text("periods")}</caption>'
        f"<thead><tr><td></td>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _fact(name: str) -> str:
    return f'<div data-fact="{name}"><dt>{_text(name)}</dt><dd>–</dd></div>'


def _versions() -> str:
    return "".join(
        f'<div data-version="{key}"><dt>{name}</dt><dd>–</dd></div>'
        for key, name in _VERSIONS.items()
    )
