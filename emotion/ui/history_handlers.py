"""What the history tab asks the page's server for: a stored run, as if it had just ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import gradio as gr

from emotion.core.config import ServerConfig
from emotion.services.history import check_history
from emotion.storage.run_store import RunStore
from emotion.ui import views
from emotion.ui.files import HandOver
from emotion.ui.handlers import Outputs, Update, cleared
from emotion.ui.language import language_of
from emotion.ui.problems import problem_of
from emotion.ui.reopen import reopened
from emotion.ui.visitors import owner_of


class HistoryHandlers:
    """Opens stored runs.

    Args:
        store: The runs.
        hand_over: Makes their files available for download.
        config: Whether runs are listed at all.
    """

    def __init__(self, store: RunStore, hand_over: HandOver, config: ServerConfig) -> None:
        self._store = store
        self._hand_over = hand_over
        self.config = config

    def open(self, out: Outputs) -> Callable[[str, gr.Request], Iterator[Update]]:
        """The handler of a click on a run, for these outputs."""

        def handler(run_id: str, request: gr.Request) -> Iterator[Update]:
            try:
                check_history(self.config)
                folder = self._store.find(run_id, owner_of(request))
                yield reopened(out, self._hand_over, folder)
            except Exception as e:
                problem = problem_of(e)
                yield cleared(out) | {out.card: views.error(problem.message, problem.hint)}
                raise problem.toast(language_of(request)) from e

        return handler
