"""The recognition part of the page: its components, where they stand, and their events."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from emotion import plots
from emotion.config import SAMPLE_RATE_HZ
from emotion.ui import views
from emotion.ui.examples import Example
from emotion.ui.handlers import OWN_EXAMPLE, Handlers, Outputs, cleared
from emotion.ui.texts import Pair, pair

Translate = Callable[[str], Any]
_REMEMBER_GRANULARITY = "(g) => { document.documentElement.dataset.granularity = g; return []; }"


@dataclass(frozen=True)
class Inputs:
    """The components that a visitor fills in."""

    audio: gr.Audio
    granularity: gr.Radio
    embedding: gr.Checkbox
    example: gr.Button
    choice: gr.Dropdown


def example_texts(examples: Sequence[Example]) -> dict[str, Pair]:
    """Names of the examples for the translations, by key: the sentence up to its semicolon."""
    said = {}
    for number, example in enumerate(examples):
        zh, en = (re.split("[;\uff1b]", sentence)[0] for sentence in example.sentence)
        said[f"clip_{number}"] = (
            pair("example_item", text=zh)[0],
            pair("example_item", text=en)[1],
        )
    return said


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
            out = _right(start, cancel, t)
    _connect(handlers, inputs, out)
    _api(handlers)


def _left(examples: Sequence[Example], t: Translate) -> tuple[Inputs, gr.Button, gr.Button]:
    audio = gr.Audio(
        label=t("audio"),
        sources=["upload", "microphone"],
        type="filepath",
        buttons=["download"],
        waveform_options=gr.WaveformOptions(
            sample_rate=SAMPLE_RATE_HZ, waveform_color="#8fa3b5", waveform_progress_color="#0f766e"
        ),
        elem_id="audio-input",
    )
    choices = [(t("example_own"), OWN_EXAMPLE)]
    choices += [(t(f"clip_{number}"), str(number)) for number in range(len(examples))]
    choice = gr.Dropdown(
        choices,
        value=OWN_EXAMPLE,
        label=t("example_choice"),
        filterable=False,
        elem_id="example-choice",
    )
    example = gr.Button(t("example"), elem_id="example-button")
    gr.HTML(views.note("example_note"), js_on_load=None, apply_default_css=False)
    granularity = gr.Radio(
        [(t("utterance"), "utterance"), (t("frame"), "frame")],
        value="utterance",
        label=t("granularity"),
        elem_id="granularity",
    )
    embedding = gr.Checkbox(
        label=t("embedding"), info=t("embedding_info"), elem_id="extract-embedding"
    )
    with gr.Row(elem_id="actions"):
        start = gr.Button(t("start"), variant="primary", elem_id="start-button", scale=3)
        cancel = gr.Button(
            t("cancel"), elem_id="cancel-button", interactive=False, scale=1, min_width=90
        )
    return Inputs(audio, granularity, embedding, example, choice), start, cancel


def _right(start: gr.Button, cancel: gr.Button, t: Translate) -> Outputs:
    with gr.Row(elem_id="verdict-row", equal_height=True):
        with gr.Column(scale=1, min_width=300):
            card = gr.HTML(
                views.empty(), elem_id="result-card", js_on_load=None, apply_default_css=False
            )
        with gr.Column(scale=1, min_width=300):
            empty = plots.scores_chart(None, pair)
            scores = gr.HTML(empty, elem_id="scores-plot", js_on_load=None, apply_default_css=False)
    empty = plots.timeline(None, "en", pair)
    timeline = gr.HTML(empty, elem_id="timeline-plot", js_on_load=None, apply_default_css=False)
    with gr.Row(elem_id="files-row", equal_height=True):
        log = gr.Textbox(
            label=t("log"),
            placeholder=t("log_empty"),
            lines=7,
            max_lines=7,
            interactive=False,
            buttons=["copy"],
            elem_id="log",
            min_width=300,
        )
        downloads = gr.File(
            label=t("downloads"),
            file_count="multiple",
            interactive=False,
            elem_id="downloads",
            min_width=300,
        )
    return Outputs(card, scores, timeline, log, downloads, start, cancel)


def _connect(handlers: Handlers, inputs: Inputs, out: Outputs) -> None:
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    out.start.click(
        handlers.recognise(out),
        [inputs.audio, inputs.granularity, inputs.embedding],
        out.all(),
        concurrency_limit=None,  # the desk bounds the runs, and says so
        trigger_mode="once",
        **private,
    )
    out.cancel.click(handlers.cancel, None, None, queue=False, **private)
    # Another recording: the old result goes at once, in the browser; its run is cancelled.
    fresh = {out.card: views.empty()} | cleared(out)
    inputs.audio.change(None, None, list(fresh), js=_constant(list(fresh.values())), **private)
    inputs.audio.change(handlers.withdraw, inputs.audio, None, queue=False, **private)
    inputs.granularity.change(None, inputs.granularity, None, js=_REMEMBER_GRANULARITY, **private)
    inputs.example.click(handlers.example, inputs.choice, inputs.audio, queue=False, **private)


def _constant(values: list[Any]) -> str:
    """A JavaScript function that gives these values."""
    return f"() => {json.dumps(values, ensure_ascii=False)}"


def _api(handlers: Handlers) -> None:
    """The endpoint for `gradio_client`; its components are not on the page."""
    with gr.Row(visible=False):
        audio = gr.File(label="audio", type="filepath")
        granularity = gr.Radio(["utterance", "frame"], value="utterance", label="granularity")
        embedding = gr.Checkbox(False, label="extract_embedding")
        track = gr.Number(0, label="track", precision=0)  # a default makes it optional
        result = gr.JSON(label="result")
        files = gr.File(label="files", file_count="multiple")
        trigger = gr.Button()
    trigger.click(
        handlers.api,
        [audio, granularity, embedding, track],
        [result, files],
        api_name="recognize",
        api_visibility="public",
        concurrency_limit=None,
    )
