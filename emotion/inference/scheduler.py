"""A bounded micro-batcher: many callers, one worker, each caller its own result or error.

It knows neither torch nor audio. Callers submit items and get futures; one thread takes the oldest
item, and with it those that fit and that came while it was busy, and works on them together. It
never waits for company: a lone item begins at once. Interactive items come before bulk items and
do not share a batch with them. Too many interactive items are refused, bulk items wait for room.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from emotion.core.errors import BusyError, CancelledError, ModelNotReadyError
from emotion.core.progress import Priority
from emotion.core.workers import PAUSE_S, Restarts

Item = TypeVar("Item")
Answer = TypeVar("Answer")
_BEAT_S = 0.1


class MicroBatcher(Generic[Item, Answer]):
    """Groups items that come at the same time.

    Args:
        work: Answers a list of items, in their order; called from one thread only.
        cost: What a batch of some items costs.
        most: The most that a batch may cost; a single item may cost more.
        waiting: How many interactive items may wait; one more is refused.
        bulk_waiting: How many bulk items may wait; the submitter of one more waits for room.

    Attributes:
        most: As given; may be changed at any time, for the batches that follow.
        restarts: How often the worker was ended by something that is no error, and went on.
    """

    def __init__(
        self,
        work: Callable[[list[Item]], list[Answer]],
        *,
        cost: Callable[[Sequence[Item]], float],
        most: float,
        waiting: int = 256,
        bulk_waiting: int = 256,
    ) -> None:
        self._work = work
        self._cost = cost
        self.most = most
        self._waiting = waiting
        self._bulk_waiting = bulk_waiting
        self._queues: dict[Priority, deque[tuple[Item, Future[Answer]]]] = {
            "interactive": deque(),
            "bulk": deque(),
        }
        self._changed = threading.Condition()
        self._closed = False
        self.restarts = Restarts("inference worker")
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def submit(
        self,
        item: Item,
        priority: Priority = "interactive",
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Future[Answer]:
        """Queues an item; cancelling the future before its batch begins drops it.

        Args:
            item: What to work on.
            priority: ``interactive`` items come first.
            cancelled: Asked while a bulk item waits for room.

        Raises:
            BusyError: Too many interactive items wait.
            CancelledError: ``cancelled`` returned true while waiting for room.
            ModelNotReadyError: The batcher is closed.
        """
        return self.submit_all([item], priority, cancelled)[0]

    def submit_all(
        self,
        items: Sequence[Item],
        priority: Priority = "interactive",
        cancelled: Callable[[], bool] = lambda: False,
    ) -> list[Future[Answer]]:
        """Queues items at once, so that the first batch already holds all that fit.

        Arguments and errors are those of `submit`.
        """
        futures: list[Future[Answer]] = [Future() for _ in items]
        with self._changed:
            waiting = len(self._queues[priority])
            if priority == "interactive" and waiting + len(items) > self._waiting:
                raise BusyError(waiting=waiting)
            while priority == "bulk" and not self._closed and not self._has_room(len(items)):
                if cancelled():
                    raise CancelledError()
                self._changed.wait(_BEAT_S)
            if self._closed:
                raise ModelNotReadyError(reason="the engine was closed")
            self._queues[priority].extend(zip(items, futures, strict=True))
            self._changed.notify_all()
        return futures

    def _has_room(self, count: int) -> bool:
        # A caller with more items than there are places gets in when nobody waits.
        waiting = len(self._queues["bulk"])
        return not waiting or waiting + count <= self._bulk_waiting

    def close(self, wait: bool = True) -> None:
        """Cancels what waits, and ends the worker after its present batch.

        Args:
            wait: Whether to return only then.
        """
        with self._changed:
            self._closed = True
            for queue in self._queues.values():
                for _, future in queue:
                    future.cancel()
                queue.clear()
            self._changed.notify_all()
        if wait:
            self._thread.join()

    def _run(self) -> None:
        # In the same thread, because starting another may fail too.
        while not self._closed:
            batch: list[tuple[Item, Future[Answer]]] = []
            try:
                while batch := self._next():
                    self._answer(batch)
                    batch.clear()  # holds no item while waiting for the next
            except BaseException as e:  # SystemExit, or no memory between two batches
                self._recover(batch, e)
                batch.clear()

    def _recover(self, batch: list[tuple[Item, Future[Answer]]], cause: BaseException) -> None:
        """Tells those whose items were being worked on; the others keep their places."""
        with self._changed:
            taken = list(batch)
            for queue in self._queues.values():  # taken while a batch was being put together
                taken += [pair for pair in queue if pair[1].running()]
            for priority, queue in self._queues.items():
                self._queues[priority] = deque(pair for pair in queue if not pair[1].running())
            error = self.restarts.ended(cause)
            for _, future in taken:
                if not future.done():
                    future.set_exception(error)
            self._changed.wait_for(lambda: self._closed, PAUSE_S)

    def _next(self) -> list[tuple[Item, Future[Answer]]]:
        """The next batch; empty once closed."""
        with self._changed:
            while not self._closed:
                for priority in self._queues:
                    if batch := self._take(priority):
                        self._changed.notify_all()  # there is room
                        return batch
                self._changed.wait_for(lambda: any(self._queues.values()) or self._closed)
            return []

    def _take(self, priority: Priority) -> list[tuple[Item, Future[Answer]]]:
        # The oldest first, so that none starves; then every younger one that still fits.
        batch: list[tuple[Item, Future[Answer]]] = []
        left: deque[tuple[Item, Future[Answer]]] = deque()
        items: list[Item] = []
        for item, future in self._queues[priority]:
            if items and self._cost([*items, item]) > self.most:
                left.append((item, future))
            elif future.set_running_or_notify_cancel():
                batch.append((item, future))
                items.append(item)
        self._queues[priority] = left
        return batch

    def _answer(self, batch: list[tuple[Item, Future[Answer]]]) -> None:
        try:
            answers = self._work([item for item, _ in batch])
            pairs = list(zip(batch, answers, strict=True))
        except Exception as e:  # goes to the caller whose item it is
            if len(batch) == 1:
                batch[0][1].set_exception(e)
                return
            for single in batch:
                self._answer([single])
            return
        for (_, future), answer in pairs:
            future.set_result(answer)
