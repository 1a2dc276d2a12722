"""A bounded micro-batcher: many callers, one worker, each caller its own result or error.

It knows neither torch nor audio. Callers submit items and get futures; one thread takes the oldest
item, and with it those that fit and that came while it was busy, and works on them together. It
never waits for company: a lone item begins at once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from emotion.errors import BusyError

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class MicroBatcher(Generic[Item, Answer]):
    """Groups items that come at the same time.

    Args:
        work: Answers a list of items, in their order; called from one thread only.
        cost: What a batch of some items costs.
        most: The most that a batch may cost; a single item may cost more.
        waiting: How many items may wait.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], list[Answer]],
        *,
        cost: Callable[[Sequence[Item]], float],
        most: float,
        waiting: int = 256,
    ) -> None:
        self._work = work
        self._cost = cost
        self._most = most
        self._limit = waiting
        self._queue: deque[tuple[Item, Future[Answer]]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> Future[Answer]:
        """Queues an item; cancelling the future before its batch begins drops it.

        Raises:
            BusyError: Too many items wait, or the batcher is closed.
        """
        return self.submit_all([item])[0]

    def submit_all(self, items: Sequence[Item]) -> list[Future[Answer]]:
        """Queues items at once, so that the first batch already holds all that fit.

        Raises:
            BusyError: There is no room for all of them, or the batcher is closed.
        """
        futures: list[Future[Answer]] = [Future() for _ in items]
        with self._changed:
            if self._closed or len(self._queue) + len(items) > self._limit:
                raise BusyError(waiting=len(self._queue))
            self._queue.extend(zip(items, futures, strict=True))
            self._changed.notify_all()
        return futures

    def close(self, wait: bool = True) -> None:
        """Cancels what waits, and ends the worker after its present batch.

        Args:
            wait: Whether to return only then.
        """
        with self._changed:
            self._closed = True
            for _, future in self._queue:
                future.cancel()
            self._queue.clear()
            self._changed.notify_all()
        if wait:
            self._thread.join()

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._answer(batch)
            finally:
                batch.clear()  # holds no item while waiting for the next

    def _next(self) -> list[tuple[Item, Future[Answer]]]:
        """The next batch; empty once closed."""
        with self._changed:
            batch: list[tuple[Item, Future[Answer]]] = []
            while not batch and not self._closed:
                self._changed.wait_for(lambda: self._queue or self._closed)
                batch = self._take()
            return batch

    def _take(self) -> list[tuple[Item, Future[Answer]]]:
        # The oldest first, so that none starves; then every younger one that still fits.
        batch: list[tuple[Item, Future[Answer]]] = []
        left: deque[tuple[Item, Future[Answer]]] = deque()
        items: list[Item] = []
        for item, future in self._queue:
            if items and self._cost([*items, item]) > self._most:
                left.append((item, future))
            elif future.set_running_or_notify_cancel():
                batch.append((item, future))
                items.append(item)
        self._queue = left
        return batch

    def _answer(self, batch: list[tuple[Item, Future[Answer]]]) -> None:
        try:
            answers = self._work([item for item, _ in batch])
        except Exception as e:  # goes to the caller whose item it is
            if len(batch) == 1:
                batch[0][1].set_exception(e)
                return
            for single in batch:
                self._answer([single])
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)
