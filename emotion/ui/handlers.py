"""What the page's buttons do: from a click to the values of the components."""

from __future__ import annotations

import html
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from emotion.core.errors import (
    CancelledError,
    EmotionError,
    JobRunningError,
)
from emotion.core.i18n import Lang, Pair, error_pairs
from emotion.core.options import (
    ExportName,
    Granularity,
    RecognitionOptions,
    possible_exports,
)
from emotion.core.results import readable
from emotion.models.store import example_clip
from emotion.services.jobs import ENDED
from emotion.services.recognitions import (
    FinishedRun,
    JobRequest,
    RecognitionJob,
    RecognitionService,
)
from emotion.storage.run_store import (
    AUDIO_FILE,
    EMBEDDING_FILE,
    FRAME_EMBEDDINGS_FILE,
    RESULT_FILE,
    SEGMENT_EMBEDDINGS_FILE,
)
from emotion.ui import charts, views
from emotion.ui.examples import Example
from emotion.ui.files import HandOver
from emotion.ui.language import language_of
from emotion.ui.previews import Previews
from emotion.ui.texts import pair

logger = logging.getLogger(__name__)

OWN_EXAMPLE = "own"
_MISSING = ("no_audio", "upload_failed")  # texts that say why there is no recording
_FILES = (
    RESULT_FILE,
    AUDIO_FILE,
    EMBEDDING_FILE,
    FRAME_EMBEDDINGS_FILE,
    SEGMENT_EMBEDDINGS_FILE,
)
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


@dataclass(frozen=True)
class Problem:
    """What is told to the visitor: a message and a hint, in both languages."""

    message: Pair
    hint: Pair

    def text(self, lang: Lang) -> str:
        """Message and hint in one language, as plain text."""
        index = 0 if lang == "zh" else 1
        parts = (self.message[index], self.hint[index])
        return ("。" if lang == "zh" else ". ").join(part for part in parts if part)

    def toast(self, lang: Lang) -> gr.Error:
        """The problem as Gradio's message box, which shows HTML."""
        return gr.Error(html.escape(self.text(lang)), print_exception=False)


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

    def recognise(
        self, out: Outputs
    ) -> Callable[
        [str | None, Granularity, bool, list[ExportName] | None, str, gr.Request], Iterator[Update]
    ]:
        """The handler of the start button, for these outputs."""

        def handler(
            audio: str | None,
            granularity: Granularity,
            embedding: bool,
            exports: list[ExportName] | None,
            missing: str,
            request: gr.Request,
        ) -> Iterator[Update]:
            lang = language_of(request)
            try:
                if not audio:
                    key = missing if missing in _MISSING else _MISSING[0]
                    raise _RefusedError(_missing(key))
                options = RecognitionOptions(
                    granularity,
                    embedding,
                    exports=_allowed(exports or [], granularity, embedding),
                    export_language=lang,
                )
                work = JobRequest(self._previews.original(Path(audio)), options)
                job = self._service.jobs.submit(work, visitor=str(request.session_hash))
            except JobRunningError as e:  # the card belongs to the job that is under way
                raise _problem(e).toast(lang) from e
            except (_RefusedError, EmotionError) as e:
                problem = _problem(e)
                yield cleared(out) | {out.card: views.error(problem.message, problem.hint)}
                raise problem.toast(lang) from e
            yield from self._follow(out, job, lang)

        return handler

    def _follow(self, out: Outputs, job: RecognitionJob, lang: Lang) -> Iterator[Update]:
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
                update = {out.card: card, out.log: "\n".join(progress.log)}
                yield cleared(out) | update | busy if first else update
                first = False
            yield self._finished(out, job.result(), job.progress.log, lang) | idle
        except CancelledError:
            yield cleared(out) | {out.card: views.cancelled()} | idle
        except Exception as e:
            problem = _problem(e)
            lines = (*job.progress.log, f"[ERROR] {problem.message[1]}")
            card = views.error(problem.message, problem.hint)
            yield cleared(out) | {out.card: card, out.log: "\n".join(lines)} | idle
            raise problem.toast(lang) from e
        finally:
            self._service.jobs.cancel(job)  # a visitor who left; an ended job does not mind

    def _finished(
        self, out: Outputs, finished: FinishedRun, log: Sequence[str], lang: Lang
    ) -> Update:
        result = finished.result
        return {
            out.card: views.result(result),
            out.scores: charts.scores_chart(result),
            out.timeline: charts.timeline(result, lang),
            out.log: "\n".join(log),
            out.downloads: self._files(finished),
        }

    def _files(self, finished: FinishedRun) -> list[str]:
        paths = [finished.folder / name for name in _FILES]
        return self._hand_over(path for path in (*paths, *finished.exports) if path.is_file())

    def cancel(self, request: gr.Request) -> None:
        """Stops the visitor's job."""
        for job in self._service.jobs.active(str(request.session_hash)):
            self._service.jobs.cancel(job)

    def withdraw(self, audio: str | None, request: gr.Request) -> None:
        """Stops the visitor's job of any recording but this one."""
        keep = self._previews.original(Path(audio)) if audio else None
        for job in self._service.jobs.active(str(request.session_hash)):
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

    def api(
        self,
        audio: str | None,
        granularity: Granularity,
        extract_embedding: bool,
        track: int | None,
        request: gr.Request,
    ) -> Iterator[tuple[Any, Any]]:
        """Recognises one recording.

        Args:
            audio: The recording.
            granularity: "utterance", "frame" for scores every 0.1 s too, or "segment" for a
                result per speech segment.
            extract_embedding: Whether to give the embedding.
            track: Audio track, from 1; 0 takes the first one with sound.
            request: Who asks.

        Yields:
            Nothing new while it works, so that a client that has gone is noticed; then the
            result, and the files of the run.
        """
        lang = language_of(request)
        try:
            if not audio:
                raise _RefusedError(_missing("no_audio"))
            options = RecognitionOptions(granularity, extract_embedding, track or None)
            job = self._service.jobs.submit(JobRequest(Path(audio), options))
        except Exception as e:
            raise _plain(e, lang) from e
        try:
            for progress in job.follow():
                if progress.state not in ENDED:
                    yield gr.skip(), gr.skip()
            finished = job.result()
            yield finished.result.to_dict(), self._files(finished)
        except Exception as e:
            raise _plain(e, lang) from e
        finally:
            self._service.jobs.cancel(job)


def cleared(out: Outputs) -> Update:
    """What the outputs beside the card show while there is no result."""
    return {
        out.scores: charts.scores_chart(None),
        out.timeline: charts.timeline(None, "en"),
        out.log: "",
        out.downloads: None,
    }


def example_choices(examples: Sequence[Example]) -> list[tuple[str, str]]:
    """Labels and keys of the product's clips, for the list of examples."""
    labels = (f"{example.emotion.zh} {example.emotion.en}" for example in examples)
    return [(label, str(number)) for number, label in enumerate(labels)]


def _allowed(
    names: Sequence[ExportName], granularity: Granularity, embedding: bool
) -> tuple[ExportName, ...]:
    """The exports chosen, without those that this run does not allow: the page says which."""
    possible = possible_exports(frames=granularity == "frame", embedding=embedding)
    return tuple(name for name in names if name in possible)


class _RefusedError(Exception):
    """There is nothing to recognise; says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message[1])
        self.problem = problem


def _plain(error: Exception, lang: Lang) -> gr.Error:
    """An error for programs, which show the text as it is: nothing in it is escaped."""
    return gr.Error(_problem(error).text(lang), print_exception=False)


def _missing(key: str) -> Problem:
    """Why there is no recording."""
    return Problem(pair(key), pair(f"{key}_hint"))


def _problem(error: Exception) -> Problem:
    """What to tell of an error; what nobody expected is logged under an id."""
    if isinstance(error, _RefusedError):
        return error.problem
    if isinstance(error, EmotionError):
        public = error.without_paths()
        if str(public) != str(error):
            logger.warning("%s", error)  # the visitor learns it without the paths
        return Problem(*error_pairs(public))
    number = secrets.token_hex(4)
    logger.error("recognition failed (id %s)", number, exc_info=error)
    return Problem(pair("unexpected", id=number), pair("unexpected_hint"))
