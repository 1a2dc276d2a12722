"""The controls for the options of a recognition, and what happens when they change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, get_args

import gradio as gr

from emotion.core.labels import EMOTIONS
from emotion.core.options import Channels, Granularity
from emotion.exports import FORMATS
from emotion.ui.form import LABEL_CHOICES

Translate = Callable[[str], Any]
_CHOSEN: Final = "() => { window.emotionPage.granularityChosen(); return []; }"


@dataclass(frozen=True)
class OptionControls:
    """The controls, in the order of `emotion.ui.form.Form`."""

    granularity: gr.Radio
    embedding: gr.Checkbox
    exports: gr.Dropdown
    labels: gr.Radio
    own_labels: gr.CheckboxGroup
    min_confidence: gr.Slider
    channels: gr.Radio
    channel_names: gr.Textbox
    first_only: gr.Checkbox

    def all(self) -> list[Any]:
        """All of them, as Gradio wants them."""
        return list(vars(self).values())

    def connect(self, private: dict[str, Any]) -> None:
        """Shows what depends on another choice, and remembers what the visitor chose.

        Args:
            private: Keyword arguments of events that are not for programs.
        """
        self.granularity.input(None, None, None, js=_CHOSEN, **private)
        for control, shown_for, shown in (
            (self.labels, "own", self.own_labels),
            (self.channels, "split", self.channel_names),
        ):
            js = f"(value) => [{{__type__: 'update', visible: value === '{shown_for}'}}]"
            control.change(None, control, shown, js=js, **private)


def build_options(t: Translate) -> OptionControls:
    """Puts the controls into the open column.

    Args:
        t: Gives a text of the translations by its key.
    """
    granularity = gr.Radio(
        [(t(name), name) for name in get_args(Granularity)],
        value="utterance",
        label=t("granularity"),
        elem_id="granularity",
    )
    embedding = gr.Checkbox(
        label=t("embedding"), info=t("embedding_info"), elem_id="extract-embedding"
    )
    exports = gr.Dropdown(
        [(kind.file, name) for name, kind in FORMATS.items()],
        multiselect=True,
        label=t("exports"),
        info=t("exports_info"),
        elem_id="exports",
    )
    with gr.Accordion(t("more_options"), open=False, elem_id="more-options"):
        return OptionControls(granularity, embedding, exports, *_labels(t), *_channels(t))


def _labels(t: Translate) -> tuple[gr.Radio, gr.CheckboxGroup, gr.Slider]:
    labels = gr.Radio(
        [(t(f"labels_{name}"), name) for name in LABEL_CHOICES],
        value="all",
        label=t("labels"),
        info=t("labels_info"),
        elem_id="labels",
    )
    own = gr.CheckboxGroup(
        [(f"{emotion.emoji} {emotion.zh} {emotion.en}", emotion.id) for emotion in EMOTIONS],
        value=[emotion.id for emotion in EMOTIONS],
        label=t("own_labels"),
        visible=False,
        elem_id="own-labels",
    )
    confidence = gr.Slider(
        0,
        0.95,
        value=0,
        step=0.05,
        label=t("min_confidence"),
        info=t("min_confidence_info"),
        elem_id="min-confidence",
    )
    return labels, own, confidence


def _channels(t: Translate) -> tuple[gr.Radio, gr.Textbox, gr.Checkbox]:
    channels = gr.Radio(
        [(t(f"channels_{name}"), name) for name in get_args(Channels)],
        value="mix",
        label=t("channels"),
        elem_id="channels",
    )
    names = gr.Textbox(
        label=t("channel_names"),
        placeholder=t("channel_names_hint"),
        max_lines=1,
        visible=False,
        elem_id="channel-names",
    )
    first = gr.Checkbox(label=t("first_only"), elem_id="first-only")
    return channels, names, first
