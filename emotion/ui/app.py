"""The page as a whole: Blocks, and what belongs to mounting them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from emotion.core import paths
from emotion.core.config import Config
from emotion.services.batches import Batches
from emotion.services.live import LiveSessions
from emotion.services.recognitions import RecognitionService
from emotion.ui import views
from emotion.ui.batch_handlers import BatchHandlers
from emotion.ui.batch_tab import build_batch_tab
from emotion.ui.compare_tab import build_compare_tab
from emotion.ui.endpoint import Endpoint, build_endpoint
from emotion.ui.examples import load_examples
from emotion.ui.files import HandOver
from emotion.ui.handlers import Handlers
from emotion.ui.history_handlers import HistoryHandlers
from emotion.ui.history_tab import build_history_tab
from emotion.ui.language import message_id, translations
from emotion.ui.live_handlers import LiveHandlers
from emotion.ui.live_tab import build_live_tab
from emotion.ui.models_tab import build_models_tab
from emotion.ui.monitor_tab import build_monitor_tab
from emotion.ui.options_panel import Translate
from emotion.ui.previews import Previews
from emotion.ui.recognize_tab import build_tab
from emotion.ui.style import head, style_sheet, theme
from emotion.ui.texts import TITLE

_CLEAN_EVERY_S = 3600
_KEEP_S = 24 * 3600


@dataclass(frozen=True)
class Page:
    """What the server mounts.

    Attributes:
        blocks: The page.
        options: Arguments of `gradio.mount_gradio_app` that belong to it.
    """

    blocks: gr.Blocks
    options: dict[str, Any]


class _Blocks(gr.Blocks):
    """Blocks whose endpoint for programs may be called without its last inputs."""

    def validate_inputs(self, block_fn: Any, inputs: list[Any]) -> None:
        """Fills in the defaults that `gradio_client` fills in, for those who call by HTTP alone."""
        if block_fn.api_visibility == "public":
            inputs += [block.value for block in block_fn.inputs[max(len(inputs), 3) :]]
        super().validate_inputs(block_fn, inputs)


def build_page(
    service: RecognitionService,
    sessions: LiveSessions,
    batches: Batches,
    config: Config,
    examples_dir: Path | None = None,
) -> Page:
    """Builds the page; Gradio's cache folder (``GRADIO_TEMP_DIR``) must be set before.

    Args:
        service: Runs the recognitions.
        sessions: The live recordings.
        batches: The jobs of the API.
        config: Options.
        examples_dir: Where the example clips are.
    """
    examples = load_examples(examples_dir or paths.examples_dir())
    i18n = gr.I18n(**translations())
    cache = Path(get_upload_folder())
    hand_over = HandOver(cache)
    handlers = Handlers(service, hand_over, Previews(cache, config.audio), examples)
    live = LiveHandlers(service, sessions, handlers)
    stored = HistoryHandlers(service.store, hand_over, config.server)
    batch = BatchHandlers(batches, service.store, hand_over)

    def t(key: str) -> Any:
        return i18n(message_id(key))

    with _Blocks(
        title=TITLE, analytics_enabled=False, delete_cache=(_CLEAN_EVERY_S, _KEEP_S)
    ) as blocks:
        gr.HTML(views.header(), js_on_load=None, apply_default_css=False, elem_id="site-header")
        builders: dict[str, Callable[[], None]] = {
            "recognize": lambda: build_tab(handlers, examples, t),
            "live": lambda: build_live_tab(live, t, on=config.server.live_sessions > 0),
            "batch": lambda: build_batch_tab(batch, t, config.audio.max_upload_bytes),
            "compare": build_compare_tab,
            "history": lambda: build_history_tab(stored, t),
            "models": build_models_tab,
            "monitor": build_monitor_tab,
        }
        _build_tabs(blocks, builders, t)
        build_endpoint(Endpoint(service, hand_over))
    options = {"theme": theme(), "css": style_sheet(), "head": head(), "i18n": i18n}
    return Page(blocks, options)


def _build_tabs(
    blocks: gr.Blocks, builders: Mapping[str, Callable[[], None]], t: Translate
) -> None:
    """Puts the tabs into the open Blocks; ``?tab=`` in the address names the open one."""
    names = list(builders)
    with gr.Tabs(elem_id="tabs", selected=names[0]) as tabs:
        for name, build in builders.items():
            with gr.Tab(t(f"tab_{name}"), id=name, elem_id=f"tab-{name}") as tab:
                build()
            js = f"() => window.emotionPage.tabOpened({name!r}, {names[0]!r})"
            tab.select(None, None, None, js=js, api_visibility="private")
    opened = f"() => window.emotionPage.openTab({names!r})"
    blocks.load(None, None, tabs, js=opened, api_visibility="private")
