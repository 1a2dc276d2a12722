"""The batches of a server: bounded in number, found by their owners, forgotten after a while."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emotion.core.errors import BusyError, JobNotFoundError, ModelNotReadyError
from emotion.services.batch import Batch, BatchPlan
from emotion.services.recognitions import RecognitionJobs

MOST_RECORDINGS: Final = 5000  # of one batch


@dataclass(frozen=True)
class BatchLimits:
    """Bounds of `Batches`.

    Attributes:
        live: Batches that have not ended; one more is refused.
        kept: Ended batches that are remembered.
        kept_s: How long they are remembered, in seconds.
        ahead: Recordings of one batch in the job queue at once.
    """

    live: int = 16
    kept: int = 64
    kept_s: float = 3600.0
    ahead: int = 24


class Batches:
    """The batches of a server. Used in its event loop only.

    Args:
        jobs: The job queue.
        limits: Bounds.
        tag: What the ids of batches begin with, where several servers share the work.
    """

    def __init__(
        self,
        jobs: RecognitionJobs,
        limits: BatchLimits = BatchLimits(),  # frozen
        tag: str = "",
    ) -> None:
        self._jobs = jobs
        self._tag = tag
        self._limits = limits
        self._batches: dict[str, tuple[Batch, Path]] = {}
        self._live: set[asyncio.Task[None]] = set()
        self._cleaning: set[asyncio.Task[None]] = set()
        self._places: asyncio.Semaphore | None = None

    def check(self) -> None:
        """Refuses one more where too many have not ended.

        Raises:
            BusyError: There are too many.
        """
        if len(self._live) >= self._limits.live:
            raise BusyError(waiting=len(self._live))

    def start(self, plan: BatchPlan) -> Batch:
        """Begins a batch, which then owns the plan's folder.

        Raises:
            BusyError: There are too many.
        """
        self.check()
        if self._places is None:  # leaves room in the queue for others
            self._places = asyncio.Semaphore(max(1, self._jobs.limits.bulk // 2))
        batch = Batch(plan, self._jobs, self._places, self._limits.ahead, self._tag)
        self._batches[batch.id] = batch, plan.folder
        _spawn(self._run(batch), self._live)
        return batch

    def find(self, batch_id: str, owner: str | None) -> Batch:
        """The batch of that id, running or ended not long ago.

        Raises:
            JobNotFoundError: There is none, or it is another one's.
        """
        found = self._batches.get(batch_id)
        if found is None or found[0].owner != owner:
            raise JobNotFoundError(job_id=batch_id)
        return found[0]

    def owned(self, owner: str | None) -> list[Batch]:
        """The batches of a caller, newest first."""
        return [b for b, _ in reversed(self._batches.values()) if b.owner == owner]

    async def remove(self, batch: Batch) -> None:
        """Cancels a batch that has not ended; forgets one that has, with its folder."""
        if batch.ended_at is None:
            batch.cancel()
        else:
            await self._forget(batch)

    async def close(self) -> None:
        """Cancels all of them, waits for their ends and forgets them."""
        for batch, _ in self._batches.values():
            batch.cancel(ModelNotReadyError(reason="the server is stopping"))
        if self._live:
            await asyncio.wait(self._live)
        for batch, _ in list(self._batches.values()):
            await self._forget(batch)

    async def _run(self, batch: Batch) -> None:
        await batch.run()
        ended = [one for one, _ in self._batches.values() if one.ended_at is not None]
        for old in ended[: max(0, len(ended) - self._limits.kept)]:
            await self._forget(old)
        loop = asyncio.get_running_loop()
        loop.call_later(self._limits.kept_s, self._expire, batch)

    def _expire(self, batch: Batch) -> None:
        _spawn(self._forget(batch), self._cleaning)

    async def _forget(self, batch: Batch) -> None:
        found = self._batches.pop(batch.id, None)
        if found is not None:
            await asyncio.to_thread(shutil.rmtree, found[1], ignore_errors=True)


def _spawn(work: Coroutine[Any, Any, None], into: set[asyncio.Task[None]]) -> None:
    task = asyncio.create_task(work)
    into.add(task)  # the event loop itself keeps none alive
    task.add_done_callback(into.discard)
