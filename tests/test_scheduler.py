from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest

from emotion.core.engine_errors import WorkerEndedError
from emotion.core.errors import BusyError, ModelNotReadyError
from emotion.core.errors import CancelledError as CancelledByCaller
from emotion.inference.scheduler import MicroBatcher


class Worker:
    """Records its batches; waits for the gate; fails on negative numbers."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def __call__(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        self.entered.set()
        assert self.gate.wait(10)
        if any(item < 0 for item in items):
            raise ValueError(f"bad items in {items}")
        return [item * 10 for item in items]


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
def start(worker: Worker) -> Iterator[Callable[..., MicroBatcher[int, int]]]:
    batchers: list[MicroBatcher[int, int]] = []

    def make(**options: Any) -> MicroBatcher[int, int]:
        batchers.append(MicroBatcher(worker, **({"cost": sum, "most": 10.0} | options)))
        return batchers[-1]

    yield make
    worker.gate.set()
    for batcher in batchers:
        batcher.close()


def hold(worker: Worker, batcher: MicroBatcher[int, int]) -> Any:
    """Keeps the worker busy with a first item, so that later ones gather."""
    worker.gate.clear()
    first = batcher.submit(1)
    assert worker.entered.wait(10)
    return first


def test_items_that_gather_are_worked_on_together(worker: Worker, start: Any) -> None:
    batcher = start()
    first = hold(worker, batcher)
    futures = [batcher.submit(item) for item in (2, 3, 4)]
    worker.gate.set()
    assert first.result(10) == 10
    assert [future.result(10) for future in futures] == [20, 30, 40]
    assert worker.batches == [[1], [2, 3, 4]]


def test_items_queued_at_once_share_the_first_batch(worker: Worker, start: Any) -> None:
    batcher = start()
    futures = batcher.submit_all([2, 3, 4])
    assert [future.result(10) for future in futures] == [20, 30, 40]
    assert worker.batches == [[2, 3, 4]]
    assert batcher.submit_all([]) == []


def test_the_oldest_goes_first_and_the_rest_must_fit(worker: Worker, start: Any) -> None:
    batcher = start()
    hold(worker, batcher)
    futures = [batcher.submit(item) for item in (6, 7, 3, 50, 2)]
    worker.gate.set()
    assert [future.result(10) for future in futures] == [60, 70, 30, 500, 20]
    assert worker.batches == [[1], [6, 3], [7, 2], [50]]


def test_a_failed_batch_gives_each_its_own(worker: Worker, start: Any) -> None:
    batcher = start()
    hold(worker, batcher)
    good, bad, other = (batcher.submit(item) for item in (2, -3, 4))
    worker.gate.set()
    assert (good.result(10), other.result(10)) == (20, 40)
    with pytest.raises(ValueError, match=r"bad items in \[-3\]"):
        bad.result(10)
    assert worker.batches == [[1], [2, -3, 4], [2], [-3], [4]]
    assert batcher.submit(5).result(10) == 50


def test_a_wrong_number_of_answers_is_an_error_and_the_worker_lives_on() -> None:
    batcher: MicroBatcher[int, int] = MicroBatcher(
        lambda items: items if items != [1] else [], cost=sum, most=10.0
    )
    with pytest.raises(ValueError, match="shorter"):
        batcher.submit(1).result(10)
    assert batcher.submit(2).result(10) == 2
    batcher.close()


def test_cancelled_items_are_dropped(worker: Worker, start: Any) -> None:
    batcher = start()
    running = hold(worker, batcher)
    dropped, kept = batcher.submit(2), batcher.submit(3)
    assert dropped.cancel() and not running.cancel()
    worker.gate.set()
    assert kept.result(10) == 30
    assert worker.batches == [[1], [3]]
    hold(worker, batcher)
    alone = batcher.submit(7)
    alone.cancel()
    worker.gate.set()
    assert batcher.submit(8).result(10) == 80
    assert [7] not in worker.batches


def test_the_queue_is_bounded(worker: Worker, start: Any) -> None:
    batcher = start(waiting=2)
    hold(worker, batcher)
    batcher.submit(2), batcher.submit(3)
    with pytest.raises(BusyError, match="2 requests are waiting"):
        batcher.submit(4)


def test_items_that_do_not_all_fit_are_refused_together(worker: Worker, start: Any) -> None:
    batcher = start(waiting=2)
    hold(worker, batcher)
    with pytest.raises(BusyError):
        batcher.submit_all([2, 3, 4])
    futures = batcher.submit_all([5, 4])
    worker.gate.set()
    assert [future.result(10) for future in futures] == [50, 40]
    assert worker.batches == [[1], [5, 4]]


def test_closing_leaves_nobody_waiting(worker: Worker) -> None:
    batcher: MicroBatcher[int, int] = MicroBatcher(worker, cost=sum, most=10.0)
    first = hold(worker, batcher)
    second = batcher.submit(2)
    closing = threading.Thread(target=batcher.close)
    closing.start()
    with pytest.raises(CancelledError):
        second.result(10)
    worker.gate.set()
    closing.join(10)
    assert first.result(10) == 10
    with pytest.raises(ModelNotReadyError, match="the engine was closed"):
        batcher.submit(3)


def test_interactive_items_come_first_and_alone(worker: Worker, start: Any) -> None:
    batcher = start()
    hold(worker, batcher)
    bulk = [batcher.submit(item, "bulk") for item in (2, 3)]
    clicks = [batcher.submit(item) for item in (4, 5)]
    worker.gate.set()
    assert [future.result(10) for future in (*bulk, *clicks)] == [20, 30, 40, 50]
    assert worker.batches == [[1], [4, 5], [2, 3]]


def test_bulk_items_wait_for_room(worker: Worker, start: Any) -> None:
    batcher = start(waiting=1, bulk_waiting=2)
    hold(worker, batcher)
    batcher.submit_all([2, 3], "bulk")
    with pytest.raises(CancelledByCaller):
        batcher.submit(4, "bulk", lambda: True)
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(batcher.submit(6, "bulk").result(10)))
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    click = batcher.submit(5)  # has a place of its own
    worker.gate.set()
    thread.join(10)
    assert found == [60] and click.result(10) == 50


def test_more_bulk_items_than_places_get_in_when_nobody_waits(worker: Worker, start: Any) -> None:
    batcher = start(bulk_waiting=2)
    assert [f.result(10) for f in batcher.submit_all([1, 2, 3, 4], "bulk")] == [10, 20, 30, 40]


def test_closing_ends_the_wait_for_room(worker: Worker) -> None:
    batcher: MicroBatcher[int, int] = MicroBatcher(worker, cost=sum, most=10.0, bulk_waiting=1)
    hold(worker, batcher)
    batcher.submit(2, "bulk")
    errors: list[Exception] = []

    def submit() -> None:
        try:
            batcher.submit(3, "bulk")
        except ModelNotReadyError as e:
            errors.append(e)

    thread = threading.Thread(target=submit)
    thread.start()
    batcher.close(wait=False)
    thread.join(10)
    assert len(errors) == 1
    worker.gate.set()
    batcher.close()


def test_the_cost_is_that_of_the_whole_batch(worker: Worker, start: Any) -> None:
    batcher = start(cost=lambda items: len(items) * max(items))  # as if padded
    hold(worker, batcher)
    futures = batcher.submit_all([2, 9, 3, 2])
    worker.gate.set()
    assert [future.result(10) for future in futures] == [20, 90, 30, 20]
    assert worker.batches == [[1], [2, 3, 2], [9]]


def test_many_threads_get_their_own_answers(worker: Worker, start: Any) -> None:
    batcher = start(most=100.0)
    found: dict[int, int] = {}

    def call(item: int) -> None:
        found[item] = batcher.submit(item).result(10)

    threads = [threading.Thread(target=call, args=(i,)) for i in range(1, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == {i: 10 * i for i in range(1, 40)}


class Deadly(Worker):
    """Ends its thread on 13, as nothing that is an error does."""

    def __call__(self, items: list[int]) -> list[int]:
        answers = super().__call__(items)
        if 13 in items:
            raise SystemExit(3)
        return answers


def test_a_worker_that_is_ended_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    worker = Deadly()
    batcher = MicroBatcher(worker, cost=sum, most=20.0)
    first = hold(worker, batcher)
    doomed, beside, later = (batcher.submit(item) for item in (13, 2, 11))
    worker.gate.set()
    assert first.result(10) == 10
    for future in (doomed, beside):
        with pytest.raises(WorkerEndedError, match=r"was ended .* \(SystemExit: 3\)"):
            future.result(10)
    assert later.result(10) == 110  # kept its place
    assert batcher.submit(4).result(10) == 40
    assert batcher.restarts.count == 1
    assert "the inference worker was ended (SystemExit: 3); restarted" in caplog.text
    batcher.close()


def test_no_memory_between_two_batches_ends_nothing(start: Any, worker: Worker) -> None:
    batcher = start()
    failing = [MemoryError()]

    def cost(items: Any) -> float:
        if failing:
            raise failing.pop()
        return float(sum(items))

    first = hold(worker, batcher)
    batcher._cost = cost
    taken, beside, third = (batcher.submit(item) for item in (2, 3, 4))
    worker.gate.set()
    assert first.result(10) == 10
    with pytest.raises(WorkerEndedError, match="MemoryError"):
        taken.result(10)  # it was already in the batch that could not be put together
    assert (beside.result(10), third.result(10)) == (30, 40)
    assert batcher.restarts.count == 1 and worker.batches == [[1], [3, 4]]


def test_a_lasting_cause_does_not_keep_it_from_closing(start: Any, worker: Worker) -> None:
    batcher = start()
    first = hold(worker, batcher)

    def broken(priority: str) -> Any:
        raise SystemExit

    batcher._take = broken
    left = batcher.submit(2)
    worker.gate.set()
    assert first.result(10) == 10
    batcher.close()
    assert left.cancelled() and batcher.restarts.count > 0


def test_smaller_batches_from_now_on(start: Any, worker: Worker) -> None:
    batcher = start()
    hold(worker, batcher)
    batcher.most = 4.0
    futures = [batcher.submit(item) for item in (2, 3, 2)]
    worker.gate.set()
    assert [future.result(10) for future in futures] == [20, 30, 20]
    assert worker.batches == [[1], [2, 2], [3]]
