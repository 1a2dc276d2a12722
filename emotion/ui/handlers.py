"""What the page's buttons do: from a click to the values of the components."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from emotion.core import logs
from emotion.core.errors import (
    CancelledError,
    EmotionError,
    JobRunningError,
)
from emotion.core.i18n import Lang
from emotion.core.results import Result, readable
from emotion.models.store import example_clip
from emotion.services.jobs import ENDED
from emotion.services.recognitions import JobRequest, RecognitionJob, RecognitionService
from emotion.storage.run_store import AUDIO_FILE
from emotion.ui import charts, timeline, views
from emotion.ui.examples import Example
from emotion.ui.files import HandOver, run_files
from emotion.ui.form import Form
from emotion.ui.language import language_of
from emotion.ui.previews import Previews
from emotion.ui.problems import Problem, RefusedError, missing_audio, problem_of
from emotion.ui.texts import pair
from emotion.ui.visitors import owner_of, request_id_of, visitor_of

logger = logging.getLogger(__name__)

OWN_EXAMPLE = "own"
_MISSING = ("no_audio", "upload_failed")  # texts that say why there is no recording
Update = dict[Any, Any]


@dataclass(frozen=True)
class Outputs:
    """The components that a recognition changes."""

    card: gr.HTML
    scores: gr.HTML
    timeline: gr.HTML
    log: gr.Textbox
    downloads: gr.File
    start: gr.Button
    cancel: gr.Button

    def all(self) -> list[Any]:
        """All of them, as Gradio wants them."""
        return list(vars(self).values())


class Handlers:
    """The page's events.

    Args:
        service: Runs the recognitions.
        hand_over: Makes files available for download.
        previews: Makes what the player plays where the browser cannot play the upload.
        examples: The clips that come with the product.
    """

    def __init__(
        self,
        service: RecognitionService,
        hand_over: HandOver,
        previews: Previews,
        examples: Sequence[Example],
    ) -> None:
        self._service = service
        self._hand_over = hand_over
        self._previews = previews
        self._examples = examples

    def recognise(self, out: Outputs) -> Callable[..., Iterator[Update]]:
        """The handler of the start button, for these outputs."""

        def handler(
            audio: str | None, missing: str, request: gr.Request, *choices: Any
        ) -> Iterator[Update]:
            lang = language_of(request)
            try:
                job = self._submit(audio, missing, request, Form(*choices))
            except JobRunningError as e:  # the card belongs to the job that is under way
                raise problem_of(e).toast(lang) from e
            except (RefusedError, EmotionError) as e:
                problem = problem_of(e)
                yield cleared(out) | {out.card: views.error(problem.message, problem.hint)}
                raise problem.toast(lang) from e
            yield from self.follow(out, job, lang)

        return handler

    def _submit(
        self, audio: str | None, missing: str, request: gr.Request, form: Form
    ) -> RecognitionJob:
        if not audio:
            raise RefusedError(missing_audio(missing if missing in _MISSING else _MISSING[0]))
        work = JobRequest(
            self._previews.original(Path(audio)),
            form.options(language_of(request)),
            owner=owner_of(request),
        )
        logs.request_id.set(request_id_of(request))
        return self._service.jobs.submit(work, visitor=visitor_of(request))

    def follow(self, out: Outputs, job: RecognitionJob, lang: Lang) -> Iterator[Update]:
        """What the page shows while a job runs, and of its result; leaving cancels the job."""
        idle = {
            out.start: gr.update(interactive=True),
            out.cancel: gr.update(interactive=False),
        }
        busy = {
            out.start: gr.update(interactive=False),
            out.cancel: gr.update(interactive=True),
        }
        first = True
        try:
            for progress in job.follow():
                if progress.state in ENDED:
                    break
                card = views.working(progress, job.elapsed_s)
                # With the buttons each time: a busy browser may lose the first update.
                update = busy | {out.card: card, out.log: "\n".join(progress.log)}
                yield cleared(out) | update if first else update
                first = False
            run = job.result()
            files = run_files(self._hand_over, run.folder)
            yield finished(out, run.result, files, job.progress.log) | idle
        except CancelledError:
            yield cleared(out) | {out.card: views.cancelled()} | idle
        except Exception as e:
            problem = problem_of(e)
            lines = (*job.progress.log, f"[ERROR] {problem.message[1]}")
            card = views.error(problem.message, problem.hint)
            yield cleared(out) | {out.card: card, out.log: "\n".join(lines)} | idle
            raise problem.toast(lang) from e
        finally:
            self._service.jobs.cancel(job)  # a visitor who left; an ended job does not mind

    def cancel(self, request: gr.Request) -> None:
        """Stops the visitor's job."""
        for job in self._service.jobs.active(visitor_of(request)):
            self._service.jobs.cancel(job)

    def withdraw(self, audio: str | None, request: gr.Request) -> None:
        """Stops the visitor's job of any recording but this one."""
        keep = self._previews.original(Path(audio)) if audio else None
        for job in self._service.jobs.active(visitor_of(request)):
            if job.request.path != keep:
                self._service.jobs.cancel(job)

    def preview(self, audio: str | None) -> tuple[str | None, str]:
        """A file that the browser can play.

        Args:
            audio: The upload; None where the browser can play that.

        Returns:
            The preview, if any, and the upload that it belongs to.
        """
        made = self._previews.make(Path(audio)) if audio else None
        return (str(made) if made else None), audio or ""

    def choices(self, choice: str | None) -> Any:
        """The list of examples for the model that answers now: its own clip, if any, first.

        Args:
            choice: What is chosen now.
        """
        listed = example_choices(self._examples)
        own = self._own_example()
        if own is not None:
            listed.insert(0, (readable(own.stem), OWN_EXAMPLE))
            choice = OWN_EXAMPLE
        keys = [key for _, key in listed]
        return gr.update(choices=listed, value=choice if choice in keys else next(iter(keys), None))

    def _own_example(self) -> Path | None:
        model = self._service.models.current
        return example_clip(model.example) if model else None

    def example(self, choice: str | None, request: gr.Request) -> str:
        """The file of the example that was chosen.

        Raises:
            gr.Error: There is none.
        """
        path: Path | None = None
        if choice == OWN_EXAMPLE:
            path = self._own_example()
        elif str(choice).isdigit() and int(str(choice)) < len(self._examples):
            path = self._examples[int(str(choice))].path
        if path is None and self._examples:
            path = self._examples[0].path
        if path is None:
            raise Problem(pair("example_none"), ("", "")).toast(language_of(request))
        return self._hand_over([path])[0]


def finished(out: Outputs, result: Result, files: Sequence[str], log: Sequence[str]) -> Update:
    """What the outputs show of a run.

    Args:
        out: The components.
        result: What ``result.json`` of the run holds.
        files: Its files in Gradio's cache.
        log: The lines of its log.
    """
    audio = next((path for path in map(Path, files) if path.name == AUDIO_FILE), None)
    return {
        out.card: views.result(result),
        out.scores: charts.scores_chart(result),
        out.timeline: timeline.figure(result, audio),
        out.log: "\n".join(log),
        out.downloads: list(files),
    }


def cleared(out: Outputs) -> Update:
    """What the outputs beside the card show while there is no result."""
    return {
        out.scores: charts.scores_chart(None),
        out.timeline: timeline.empty(),
        out.log: "",
        out.downloads: None,
    }


def example_choices(examples: Sequence[Example]) -> list[tuple[str, str]]:
    """Labels and keys of the product's clips, for the list of examples."""
    labels = (f"{example.emotion.zh} {example.emotion.en}" for example in examples)
    return [(label, str(number)) for number, label in enumerate(labels)]
