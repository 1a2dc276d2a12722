"""The recognition part of the page: its components, where they stand, and their events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from emotion.ui import charts, timeline, views
from emotion.ui.examples import Example
from emotion.ui.handlers import Handlers, Outputs, cleared, example_choices
from emotion.ui.options_panel import OptionControls, Translate, build_options
from emotion.ui.style import WAVEFORM


@dataclass(frozen=True)
class Inputs:
    """The components that a visitor fills in, and hidden ones that go with them.

    Attributes:
        audio: The recording, or its preview.
        preview: The last preview made.
        previewed: Which upload that preview belongs to.
        missing: Why there is no recording, told by the page's script.
        options: What is asked for.
        example: Loads the chosen example.
        choice: The list of examples.
        refresh: Pressed by the page's script when another model answers.
    """

    audio: gr.Audio
    preview: gr.Audio
    previewed: gr.Textbox
    missing: gr.Textbox
    options: OptionControls
    example: gr.Button
    choice: gr.Dropdown
    refresh: gr.Button


def build_tab(handlers: Handlers, examples: Sequence[Example], t: Translate) -> None:
    """Puts the components into the open Blocks and connects them.

    Args:
        handlers: What the events do.
        examples: The clips on offer.
        t: Gives a text of the translations by its key.
    """
    with gr.Row(elem_id="main", equal_height=False):
        with gr.Column(scale=4, min_width=320, elem_id="left"):
            inputs, start, cancel = _left(examples, t)
        with gr.Column(scale=8, min_width=320, elem_id="right"):
            out = build_outputs(start, cancel, t)
    _connect(handlers, inputs, out)


def _left(examples: Sequence[Example], t: Translate) -> tuple[Inputs, gr.Button, gr.Button]:
    audio = gr.Audio(
        label=t("audio"),
        sources=["upload", "microphone"],
        type="filepath",
        buttons=["download"],
        waveform_options=gr.WaveformOptions(**WAVEFORM),
        elem_id="audio-input",
    )
    with gr.Row(elem_id="actions"):
        start = gr.Button(t("start"), variant="primary", elem_id="start-button", scale=3)
        cancel = gr.Button(
            t("cancel"), elem_id="cancel-button", interactive=False, scale=1, min_width=90
        )
    gr.HTML(views.audio_notes(), elem_id="audio-note", js_on_load=None, apply_default_css=False)
    example, choice, refresh = _examples(examples, t)
    options = build_options(t)
    with gr.Row(visible=False):
        preview, previewed, missing = gr.Audio(type="filepath"), gr.Textbox(), gr.Textbox()
    inputs = Inputs(audio, preview, previewed, missing, options, example, choice, refresh)
    return inputs, start, cancel


def _examples(
    examples: Sequence[Example], t: Translate
) -> tuple[gr.Button, gr.Dropdown, gr.Button]:
    choices = example_choices(examples)
    with gr.Column(elem_id="examples"):
        with gr.Row(equal_height=True):
            choice = gr.Dropdown(
                choices,
                value=choices[0][1] if choices else None,
                label=t("example_choice"),
                container=False,
                filterable=False,
                min_width=120,
                elem_id="example-choice",
            )
            example = gr.Button(t("example"), elem_id="example-button", min_width=120)
        gr.HTML(views.note("example_note"), js_on_load=None, apply_default_css=False)
    refresh = gr.Button(visible="hidden", elem_id="refresh-examples")
    return example, choice, refresh


def build_outputs(start: gr.Button, cancel: gr.Button, t: Translate, prefix: str = "") -> Outputs:
    """Puts what shows a run into the open column.

    Args:
        start: Begins the run.
        cancel: Ends it.
        t: Gives a text of the translations by its key.
        prefix: Of the components' ids, so that several tabs can have them.
    """
    with gr.Row(elem_classes="verdict-row", equal_height=True):
        with gr.Column(scale=1, min_width=300):
            card = _picture(views.empty(), f"{prefix}result-card", "card-slot")
        with gr.Column(scale=1, min_width=300):
            scores = _picture(charts.scores_chart(None), f"{prefix}scores-plot", "scores-slot")
    drawing = _picture(timeline.empty(), f"{prefix}timeline-plot", "timeline-slot")
    with gr.Row(elem_classes="files-row", equal_height=True):
        log = gr.Textbox(
            label=t("log"),
            placeholder=t("log_empty"),
            lines=7,
            max_lines=7,
            interactive=False,
            buttons=["copy"],
            elem_id=f"{prefix}log",
            elem_classes="log-slot",
            min_width=300,
        )
        downloads = gr.File(
            label=t("downloads"),
            file_count="multiple",
            interactive=False,
            elem_id=f"{prefix}downloads",
            elem_classes="downloads-slot",
            min_width=300,
        )
    return Outputs(card, scores, drawing, log, downloads, start, cancel)


def _picture(value: str, elem_id: str, elem_class: str) -> gr.HTML:
    return gr.HTML(
        value, elem_id=elem_id, elem_classes=elem_class, js_on_load=None, apply_default_css=False
    )


def _connect(handlers: Handlers, inputs: Inputs, out: Outputs) -> None:
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    audio = inputs.audio
    out.start.click(
        handlers.recognise(out),
        [audio, inputs.missing, *inputs.options.all()],
        out.all(),
        js=_script("beforeStart"),
        concurrency_limit=None,  # the job queue has the limit, and says so
        trigger_mode="once",
        **private,
    )
    out.cancel.click(handlers.cancel, None, None, queue=False, **private)
    # Another recording: the old result goes at once, in the browser; its run is cancelled. Not on
    # `change`, which a preview fires too.
    fresh = {out.card: views.empty()} | cleared(out)
    for another in (audio.input, inputs.example.click):
        another(None, None, list(fresh), js=_constant(list(fresh.values())), **private)
    inputs.example.click(None, None, None, js=_script("exampleChosen"), **private)
    audio.input(handlers.withdraw, audio, None, queue=False, **private)
    inputs.example.click(handlers.example, inputs.choice, audio, queue=False, **private).then(
        handlers.withdraw, audio, None, js=_script("exampleLoaded"), queue=False, **private
    )
    inputs.refresh.click(handlers.choices, inputs.choice, inputs.choice, queue=False, **private)
    inputs.options.connect(private)
    audio.change(
        None,
        [audio, inputs.options.granularity],
        [inputs.options.granularity, audio],
        js=_script("suitLength"),
        **private,
    )
    _connect_recording(audio, private)
    _connect_preview(handlers, inputs, private)


def _connect_preview(handlers: Handlers, inputs: Inputs, private: dict[str, Any]) -> None:
    """Plays an upload that the browser cannot play by a preview of our own."""
    inputs.audio.upload(
        handlers.preview,
        inputs.audio,
        [inputs.preview, inputs.previewed],
        js=_script("beforePreview"),
        concurrency_limit=2,
        trigger_mode="multiple",
        **private,
    ).then(
        None,
        [inputs.audio, inputs.preview, inputs.previewed],
        inputs.audio,
        js=_script("usePreview"),
        **private,
    )


def _connect_recording(audio: gr.Audio, private: dict[str, Any]) -> None:
    """Tells the page's script when a recording begins, and when it has been uploaded."""
    audio.start_recording(None, None, None, js=_script("recordingStarted"), **private)
    audio.stop_recording(None, audio, None, js=_script("recordingUploaded"), **private)
    audio.clear(None, None, None, js=_script("recordingCleared"), **private)


def _script(function: str) -> str:
    """A JavaScript function that calls one of the page's script."""
    return f"(...values) => window.emotionPage.{function}(...values) ?? []"


def _constant(values: list[Any]) -> str:
    """A JavaScript function that gives these values."""
    return f"() => {json.dumps(values, ensure_ascii=False)}"
