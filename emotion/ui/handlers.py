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

from emotion.core.config import check_granularity
from emotion.core.errors import AudioNotFoundError, CancelledError, EmotionError
from emotion.core.results import readable
from emotion.job import Finished
from emotion.outputs import AUDIO_FILE, EMBEDDING_FILE, FRAME_EMBEDDINGS_FILE, RESULT_FILE
from emotion.ui import charts as plots
from emotion.ui import views
from emotion.ui.examples import Example, own_example
from emotion.ui.files import HandOver
from emotion.ui.language import language_of
from emotion.ui.previews import Previews
from emotion.ui.runs import PROGRAM, Desk, Order, RefusedError
from emotion.ui.texts import Lang, Pair, error_pairs, pair

logger = logging.getLogger(__name__)

OWN_EXAMPLE = "own"
_MISSING = ("no_audio", "upload_failed")  # texts that say why there is no recording
_FILES = (RESULT_FILE, AUDIO_FILE, EMBEDDING_FILE, FRAME_EMBEDDINGS_FILE)
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
        desk: Runs the recognitions.
        hand_over: Makes files available for download.
        previews: Makes what the player plays where the browser cannot play the upload.
        examples: The clips that come with the product.
    """

    def __init__(
        self, desk: Desk, hand_over: HandOver, previews: Previews, examples: Sequence[Example]
    ) -> None:
        self._desk = desk
        self._hand_over = hand_over
        self._previews = previews
        self._examples = examples

    def recognise(
        self, out: Outputs
    ) -> Callable[[str | None, str, bool, str, gr.Request], Iterator[Update]]:
        """The handler of the start button, for these outputs."""

        def handler(
            audio: str | None, granularity: str, embedding: bool, missing: str, request: gr.Request
        ) -> Iterator[Update]:
            lang = language_of(request)
            try:
                if not audio:
                    raise RefusedError(missing if missing in _MISSING else _MISSING[0])
                order = Order(self._previews.original(Path(audio)), granularity, embedding)
                yield from self._recognise(out, order, str(request.session_hash), lang)
            except RefusedError as e:
                problem = _refused(e)
                if e.key != "running":  # the card belongs to the run that is under way
                    yield cleared(out) | {out.card: views.error(problem.message, problem.hint)}
                raise problem.toast(lang) from e

        return handler

    def _recognise(self, out: Outputs, order: Order, visitor: str, lang: Lang) -> Iterator[Update]:
        idle = {
            out.start: gr.update(interactive=True),
            out.cancel: gr.update(interactive=False),
        }
        run = self._desk.begin(visitor, order)
        busy = {
            out.start: gr.update(interactive=False),
            out.cancel: gr.update(interactive=True),
        }
        try:
            for number, progress in enumerate(run.follow()):
                update = {out.card: views.working(progress), out.log: "\n".join(progress.log)}
                yield update if number else cleared(out) | update | busy
            finished = run.outcome()
        except CancelledError:
            yield cleared(out) | {out.card: views.cancelled()} | idle
        except Exception as e:
            problem = _problem(e)
            lines = (*run.log, f"[ERROR] {problem.message[1]}")
            card = views.error(problem.message, problem.hint)
            yield cleared(out) | {out.card: card, out.log: "\n".join(lines)} | idle
            raise problem.toast(lang) from e
        else:
            yield self._finished(out, finished, lang) | idle
        finally:
            run.cancel()  # a visitor who left, too; does nothing to a run that has ended

    def _finished(self, out: Outputs, finished: Finished, lang: Lang) -> Update:
        result = finished.recognition.result
        return {
            out.card: views.result(result),
            out.scores: plots.scores_chart(result, pair),
            out.timeline: plots.timeline(result, lang, pair),
            out.log: "\n".join(finished.log),
            out.downloads: self._files(finished),
        }

    def _files(self, finished: Finished) -> list[str]:
        paths = (finished.folder / name for name in _FILES)
        return self._hand_over(path for path in paths if path.is_file())

    def cancel(self, request: gr.Request) -> None:
        """Stops the visitor's run."""
        self._desk.cancel(str(request.session_hash))

    def withdraw(self, audio: str | None, request: gr.Request) -> None:
        """Stops the visitor's run of any recording but this one."""
        keep = self._previews.original(Path(audio)) if audio else None
        self._desk.cancel(str(request.session_hash), keep)

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
        recognizer = self._desk.service.current
        return own_example(recognizer.example) if recognizer else None

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
        granularity: str,
        extract_embedding: bool,
        track: int | None,
        request: gr.Request,
    ) -> tuple[dict[str, Any], list[str]]:
        """Recognises one recording.

        Args:
            audio: The recording.
            granularity: "utterance", or "frame" for scores every 0.1 s too.
            extract_embedding: Whether to give the embedding.
            track: Audio track, from 1; 0 takes the first one with sound.
            request: Who asks.

        Returns:
            The result, and the files of the run.
        """
        lang = language_of(request)
        try:
            check_granularity(granularity)
            if not audio:
                raise AudioNotFoundError(file="-", reason="No audio was given")
            order = Order(Path(audio), granularity, extract_embedding, track or None)
            run = self._desk.begin(PROGRAM + secrets.token_hex(8), order)
            for _ in run.follow():
                pass
            finished = run.outcome()
        except Exception as e:
            # A program shows the text as it is, so nothing in it is escaped.
            raise gr.Error(_problem(e).text(lang), print_exception=False) from e
        return finished.recognition.result.to_dict(), self._files(finished)


def cleared(out: Outputs) -> Update:
    """What the outputs beside the card show while there is no result."""
    return {
        out.scores: plots.scores_chart(None, pair),
        out.timeline: plots.timeline(None, "en", pair),
        out.log: "",
        out.downloads: None,
    }


def example_choices(examples: Sequence[Example]) -> list[tuple[str, str]]:
    """Labels and keys of the product's clips, for the list of examples."""
    labels = (f"{example.emotion.zh} {example.emotion.en}" for example in examples)
    return [(label, str(number)) for number, label in enumerate(labels)]


def _refused(error: RefusedError) -> Problem:
    return Problem(pair(error.key, **error.params), pair(f"{error.key}_hint"))


def _problem(error: Exception) -> Problem:
    """What to tell of an error; what nobody expected is logged under an id."""
    if isinstance(error, RefusedError):
        return _refused(error)
    if isinstance(error, EmotionError):
        public = error.without_paths()
        if str(public) != str(error):
            logger.warning("%s", error)  # the visitor learns it without the paths
        return Problem(*error_pairs(public))
    number = secrets.token_hex(4)
    logger.error("recognition failed (id %s)", number, exc_info=error)
    return Problem(pair("unexpected", id=number), pair("unexpected_hint"))
