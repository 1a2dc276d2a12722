"""What the batch tab does when a row of its table is opened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import gradio as gr

from emotion.core.errors import EmotionError, JobNotFoundError
from emotion.services.batches import Batches
from emotion.storage.run_store import RunStore
from emotion.ui import views
from emotion.ui.files import HandOver
from emotion.ui.handlers import Outputs, Update, cleared
from emotion.ui.problems import problem_of
from emotion.ui.reopen import reopened
from emotion.ui.visitors import owner_of


class BatchHandlers:
    """Shows recordings of a job of the API.

    Args:
        batches: The jobs.
        store: Their runs.
        hand_over: Makes files available for download.
    """

    def __init__(self, batches: Batches, store: RunStore, hand_over: HandOver) -> None:
        self._batches = batches
        self._store = store
        self._hand_over = hand_over

    def open(self, out: Outputs) -> Callable[..., Coroutine[Any, Any, Update]]:
        """The handler of an opened row, for these outputs; it takes ``job/index``."""

        async def handler(choice: str, request: gr.Request) -> Update:
            job_id, _, index = choice.partition("/")
            try:
                if not index.isdecimal():
                    raise JobNotFoundError(job_id=job_id)
                batch = self._batches.find(job_id, owner_of(request))
                run_id = batch.run_id(int(index))
                folder = await asyncio.to_thread(self._store.find, run_id, batch.owner)
                return await asyncio.to_thread(reopened, out, self._hand_over, folder)
            except EmotionError as e:
                problem = problem_of(e)
                return cleared(out) | {out.card: views.error(problem.message, problem.hint)}

        return handler
