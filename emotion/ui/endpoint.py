"""The page's endpoint for programs: what `gradio_client` calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import gradio as gr

from emotion.core import logs
from emotion.core.i18n import Lang
from emotion.core.options import (
    Channels,
    Granularity,
    RecognitionOptions,
    parse_exports,
    parse_labels,
    parse_names,
)
from emotion.services.jobs import ENDED
from emotion.services.recognitions import JobRequest, RecognitionJob, RecognitionService
from emotion.ui.files import HandOver, run_files
from emotion.ui.language import language_of
from emotion.ui.problems import RefusedError, missing_audio, plain
from emotion.ui.visitors import owner_of, request_id_of


class Endpoint:
    """Recognises recordings for programs.

    Args:
        service: Runs the recognitions.
        hand_over: Makes files available for download.
    """

    def __init__(self, service: RecognitionService, hand_over: HandOver) -> None:
        self._service = service
        self._hand_over = hand_over

    def recognize(
        self,
        audio: str | None,
        granularity: Granularity,
        extract_embedding: bool,
        track: int | None,
        request: gr.Request,
        exports: str = "",
        labels: str = "all",
        min_confidence: float = 0.0,
        channels: Channels = "mix",
        channel_names: str = "",
    ) -> Iterator[tuple[Any, Any]]:
        """Recognises one recording.

        Args:
            audio: The recording.
            granularity: "utterance", "frame" for scores every 0.1 s too, or "segment" for a
                result per speech segment.
            extract_embedding: Whether to give the embedding.
            track: Audio track, from 1; 0 takes the first one with sound.
            request: Who asks.
            exports: Files to write beside the result, comma-separated: "srt,eaf", or "all".
            labels: Emotions that compete: "all", "basic", "primary", or "angry,sad".
            min_confidence: Results and segments below this are uncertain, 0 to 1.
            channels: "mix", or "split" for segments of each channel (granularity "segment").
            channel_names: Names of the split channels, comma-separated.

        Yields:
            Nothing new while it works, so that a client that has gone is noticed; then the
            result, and the files of the run.
        """
        lang = language_of(request)
        try:
            if not audio:
                raise RefusedError(missing_audio("no_audio"))
            options = RecognitionOptions(
                granularity,
                extract_embedding,
                track or None,
                exports=parse_exports(
                    exports, frames=granularity == "frame", embedding=extract_embedding
                ),
                labels=parse_labels(labels or "all"),
                min_confidence=min_confidence or 0.0,
                channels=channels,
                channel_names=parse_names(channel_names),
            )
            logs.request_id.set(request_id_of(request))
            job = self._service.jobs.submit(
                JobRequest(Path(audio), options, owner=owner_of(request))
            )
        except Exception as e:
            raise plain(e, lang) from e
        yield from self._follow(job, lang)

    def _follow(self, job: RecognitionJob, lang: Lang) -> Iterator[tuple[Any, Any]]:
        try:
            for progress in job.follow():
                if progress.state not in ENDED:
                    yield gr.skip(), gr.skip()
            finished = job.result()
            yield finished.result.to_dict(), run_files(self._hand_over, finished.folder)
        except Exception as e:
            raise plain(e, lang) from e
        finally:
            self._service.jobs.cancel(job)


def build_endpoint(endpoint: Endpoint) -> None:
    """Puts the endpoint into the open Blocks; its components are not on the page."""
    with gr.Row(visible=False):
        inputs = [
            gr.File(label="audio", type="filepath"),
            gr.Radio(list(get_args(Granularity)), value="utterance", label="granularity"),
            gr.Checkbox(False, label="extract_embedding"),
            gr.Number(0, label="track", precision=0),  # a default makes it optional
            gr.Textbox("", label="exports"),
            gr.Textbox("all", label="labels"),
            gr.Number(0, label="min_confidence"),
            gr.Radio(list(get_args(Channels)), value="mix", label="channels"),
            gr.Textbox("", label="channel_names"),
        ]
        outputs = [gr.JSON(label="result"), gr.File(label="files", file_count="multiple")]
        trigger = gr.Button()
    trigger.click(
        endpoint.recognize,
        inputs,
        outputs,
        api_name="recognize",
        api_visibility="public",
        concurrency_limit=None,
    )
