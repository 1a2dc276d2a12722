"""A bounded micro-batcher: many callers, one worker, each caller its own result or error.

It knows neither torch nor audio. Callers submit items and get futures; one thread takes the oldest
item, and with it those that fit and that came meanwhile, and works on them together.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from emotion.errors import BusyError

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class MicroBatcher(Generic[Item, Answer]):
    """Groups items that come at the same time.

    Args:
        work: Answers a list of items, in their order; called from one thread only.
        cost: What an item adds to a batch.
        most: The cost of a batch; a single item may cost more.
        wait_s: How long a lone item waits for company.
        waiting: How many items may wait.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], list[Answer]],
        *,
        cost: Callable[[Item], float],
        most: float,
        wait_s: float = 0.002,
        waiting: int = 256,
    ) -> None:
        self._work = work
        self._cost = cost
        self._most = most
        self._wait_s = wait_s
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
        future: Future[Answer] = Future()
        with self._changed:
            if self._closed or len(self._queue) >= self._limit:
                raise BusyError(waiting=len(self._queue))
            self._queue.append((item, future))
            self._changed.notify_all()
        return future

    def close(self) -> None:
        """Cancels what waits, and ends the worker after its present batch."""
        with self._changed:
            self._closed = True
            for _, future in self._queue:
                future.cancel()
            self._queue.clear()
            self._changed.notify_all()
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
                deadline = time.monotonic() + self._wait_s
                while len(self._queue) == 1 and (left := deadline - time.monotonic()) > 0:
                    self._changed.wait(left)
                batch = self._take()
            return batch

    def _take(self) -> list[tuple[Item, Future[Answer]]]:
        # The oldest first, so that none starves; then every younger one that still fits.
        batch: list[tuple[Item, Future[Answer]]] = []
        left: deque[tuple[Item, Future[Answer]]] = deque()
        total = 0.0
        for item, future in self._queue:
            cost = self._cost(item)
            if batch and total + cost > self._most:
                left.append((item, future))
            elif future.set_running_or_notify_cancel():
                batch.append((item, future))
                total += cost
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
