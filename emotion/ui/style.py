"""The page's look: Gradio's theme, its style sheet, and the script in its head."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import gradio as gr

from emotion.core.config import SAMPLE_RATE_HZ
from emotion.ui.texts import TEXTS, TITLE

_STATIC: Final = Path(__file__).parent / "static"
# Installed fonts only, as plain names: nothing is fetched.
_FONTS: Final = (
    "Inter",
    "system-ui",
    "Segoe UI",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans CJK SC",
    "sans-serif",
)
_MONO: Final = ("ui-monospace", "SFMono-Regular", "Consolas", "Noto Sans Mono CJK SC", "monospace")
_SHEETS: Final = (
    "style.css",
    "timeline.css",
    "live.css",
    "batch.css",
    "compare.css",
    "history.css",
    "models.css",
    "monitor.css",
)
_SCRIPTS: Final = (
    "page.js",
    "words.js",
    "account.js",
    "tabs.js",
    "audio.js",
    "timeline_data.js",
    "timeline_draw.js",
    "timeline_words.js",
    "timeline_parts.js",
    "timeline_table.js",
    "timeline.js",
    "live.js",
    "models.js",
    "monitor.js",
    "compare.js",
    "compare_table.js",
    "compare_input.js",
    "compare_history.js",
    "compare_run.js",
    "compare_matrix.js",
    "compare_colour.js",
    "compare_map.js",
    "compare_groups.js",
    "compare_trend.js",
    "compare_files.js",
    "history_list.js",
    "history.js",
    "batch_list.js",
    "batch_table.js",
    "batch.js",
)
_SCRIPT_TEXTS: Final = (
    "banner",
    "status_",
    "phase_",
    "heading",
    "toast_error",
    "lost",
    "too_large",
    "uploading",
    "live_",
    "account_",
    "models_",
    "monitor_",
    "compare_",
    "history_",
    "batch_",
    "tl_",
)

# The player of the input; the page's script changes it for long recordings.
WAVEFORM: Final[dict[str, Any]] = {
    "sample_rate": SAMPLE_RATE_HZ,
    "waveform_color": "#8fa3b5",
    "waveform_progress_color": "#0f766e",
}

# Light and dark values of Gradio's theme; the page's own are in static/style.css.
_LOOK: Final[dict[str, str]] = {
    "body_background_fill": "#f4f6f8",
    "body_background_fill_dark": "#0e1116",
    "body_text_color": "#1b2430",
    "body_text_color_dark": "#e8ecf1",
    "body_text_color_subdued": "#55606e",
    "body_text_color_subdued_dark": "#a3adba",
    "background_fill_primary": "#ffffff",
    "background_fill_primary_dark": "#14181d",
    "background_fill_secondary": "#f4f6f8",
    "background_fill_secondary_dark": "#1b2027",
    "border_color_primary": "#dde3ea",
    "border_color_primary_dark": "#2a313b",
    "block_background_fill": "#ffffff",
    "block_background_fill_dark": "#14181d",
    "block_border_width": "1px",
    "block_radius": "14px",
    "container_radius": "14px",
    "button_large_radius": "12px",
    "block_title_text_color": "#55606e",
    "block_title_text_color_dark": "#a3adba",
    "block_title_text_size": "0.875rem",
    "block_shadow": "0 1px 2px rgb(16 24 40 / 5%)",
    "block_label_text_color": "#55606e",
    "block_label_text_color_dark": "#a3adba",
    "block_label_background_fill": "transparent",
    "block_label_background_fill_dark": "transparent",
    "block_label_border_width": "0px",
    "block_title_text_weight": "600",
    "block_info_text_color": "#55606e",
    "block_info_text_color_dark": "#a3adba",
    "input_border_width": "1px",
    "input_border_color": "#c3ccd6",
    "input_border_color_dark": "#3a4350",
    "input_background_fill": "#ffffff",
    "input_background_fill_dark": "#0e1116",
    "button_primary_background_fill": "#0f766e",
    "button_primary_background_fill_hover": "#115e59",
    "button_primary_background_fill_dark": "#0f766e",
    "button_primary_background_fill_hover_dark": "#0c5f58",
    "button_primary_text_color": "#ffffff",
    "button_primary_text_color_dark": "#ffffff",
    "checkbox_background_color_selected": "#0f766e",
    "checkbox_background_color_selected_dark": "#11857b",
    "checkbox_border_color_selected": "#0f766e",
    "checkbox_border_color_selected_dark": "#11857b",
    "layout_gap": "18px",
}


def theme() -> gr.themes.Base:
    """Quiet greys with one deep teal; the emotions bring the colours."""
    base = gr.themes.Base(
        primary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.slate,
        font=list(_FONTS),
        font_mono=list(_MONO),
        radius_size=gr.themes.sizes.radius_lg,
        spacing_size=gr.themes.sizes.spacing_lg,
    )
    return base.set(**_LOOK)


def style_sheet() -> str:
    """The page's own CSS."""
    return "\n".join((_STATIC / name).read_text(encoding="utf-8") for name in _SHEETS)


def head() -> str:
    """The page's scripts, with their texts."""
    texts = {key: pair for key, pair in TEXTS.items() if key.startswith(_SCRIPT_TEXTS)}
    values = {"title": TITLE, "texts": texts, "waveform": WAVEFORM}
    data = json.dumps(values, ensure_ascii=False).replace("<", "\\u003c")
    scripts = "\n".join((_STATIC / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    return f"<script>window.emotionPage = {data};\n{scripts}</script>"
