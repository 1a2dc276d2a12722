"""What a visitor or a program is told of an error."""

from __future__ import annotations

import html
import logging
import secrets
from dataclasses import dataclass

import gradio as gr

from emotion.core.errors import EmotionError
from emotion.core.i18n import Lang, Pair, error_pairs
from emotion.ui.texts import pair

logger = logging.getLogger(__name__)


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


class RefusedError(Exception):
    """There is nothing to recognise; says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message[1])
        self.problem = problem


def plain(error: Exception, lang: Lang) -> gr.Error:
    """An error for programs, which show the text as it is: nothing in it is escaped."""
    return gr.Error(problem_of(error).text(lang), print_exception=False)


def missing_audio(key: str) -> Problem:
    """Why there is no recording."""
    return Problem(pair(key), pair(f"{key}_hint"))


def problem_of(error: Exception) -> Problem:
    """What to tell of an error; what nobody expected is logged under an id."""
    if isinstance(error, RefusedError):
        return error.problem
    if isinstance(error, EmotionError):
        public = error.without_paths()
        if str(public) != str(error):
            logger.warning("%s", error)  # the visitor learns it without the paths
        return Problem(*error_pairs(public))
    number = secrets.token_hex(4)
    logger.error("recognition failed (id %s)", number, exc_info=error)
    return Problem(pair("unexpected", id=number), pair("unexpected_hint"))
