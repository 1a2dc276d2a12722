"""The queue of recognitions: order, bounds, progress, results and cancellation."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterator

import pytest

from emotion.core.engine_errors import WorkerEndedError
from emotion.core.errors import (
    AudioEmptyError,
    BusyError,
    CancelledError,
    JobNotFoundError,
    JobRunningError,
    ModelNotReadyError,
)
from emotion.services import jobs
from emotion.services.job_limits import JobLimits
from emotion.services.jobs import Job, JobManager

WAIT_S = 20.0


class Bench:
    """Work that a test can hold: a request is a name; "bad" fails."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Semaphore(0)
        self.order: list[str] = []

    def __call__(self, job: Job[str, str]) -> str:
        self.order.append(job.request)
        self.entered.release()
        job.update(state="decoding")
        while not self.gate.wait(0.005):
            if job.cancelled:
                raise CancelledError()
        if job.request == "bad":
            raise AudioEmptyError(file="bad")
        job.update(state="analysing", done=1, total=2)
        job.log("[INFO] half")
        return job.request.upper()

    def wait(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.entered.acquire(timeout=WAIT_S)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def manager(bench: Bench) -> Iterator[JobManager[str, str]]:
    made = JobManager(bench, JobLimits(workers=2, interactive=3, bulk=2))
    yield made
    bench.gate.set()
    made.close()


def test_a_job_gives_its_result_by_id(manager: JobManager[str, str]) -> None:
    job = manager.submit("a")
    assert job.result(WAIT_S) == "A"
    assert manager.find(job.id) is job
    assert job.progress.state == "done" and job.progress.log == ("[INFO] half",)
    with pytest.raises(JobNotFoundError):
        manager.find("0" * 16)


def test_a_failure_reaches_whoever_asks(manager: JobManager[str, str]) -> None:
    job = manager.submit("bad")
    for _ in range(2):
        with pytest.raises(AudioEmptyError):
            job.result(WAIT_S)
    assert job.progress.state == "failed"
    assert manager.submit("a").result(WAIT_S) == "A"  # the worker lives on


def test_every_subscriber_sees_every_state_to_the_end(
    manager: JobManager[str, str], bench: Bench
) -> None:
    bench.gate.clear()
    job = manager.submit("a")
    bench.wait()
    seen: list[list[str]] = [[], []]

    def follow(states: list[str]) -> None:
        states.extend(progress.state for progress in job.follow())

    threads = [threading.Thread(target=follow, args=(states,)) for states in seen]
    for thread in threads:
        thread.start()
    bench.gate.set()
    for thread in threads:
        thread.join(WAIT_S)
    assert [states[-1] for states in seen] == ["done", "done"]
    assert next(job.follow()).state == "done"  # also for whoever comes later


def test_a_follower_hears_something_while_nothing_changes(
    manager: JobManager[str, str], bench: Bench
) -> None:
    bench.gate.clear()
    job = manager.submit("a")
    bench.wait()
    beats = job.follow(beat_s=0.001)
    while next(beats).state != "decoding":  # what the work tells first
        pass
    assert [next(beats).state for _ in range(20)] == ["decoding"] * 20
    job.cancel()
    assert [progress.state for progress in beats][-1] == "cancelled"


def test_the_time_left_follows_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    job: Job[str, str] = Job("x", None, "interactive")
    job.heard(0.0, 90.0)
    assert job.progress.left_s is None and job.progress.total_s == 90
    clock[0] += 1
    job.heard(15.0, 90.0)
    assert job.progress.left_s is None  # too early to tell
    clock[0] += 2
    job.heard(30.0, 90.0)
    assert job.progress.left_s == pytest.approx(6.0)  # 60 s at 10 s a second
    job.heard(90.0, 90.0)
    assert job.progress.left_s == 0


def test_interactive_jobs_come_before_bulk(manager: JobManager[str, str], bench: Bench) -> None:
    bench.gate.clear()
    first = manager.submit("first", priority="bulk")
    bench.wait()
    jobs = [manager.submit(name, priority="bulk") for name in ("bulk 1", "bulk 2")]
    assert bench.order == ["first"]  # bulk never takes the last worker
    click = manager.submit("click")
    bench.wait()
    assert bench.order == ["first", "click"]
    jobs.append(manager.submit("second click"))
    bench.gate.set()
    for job in (first, click, *jobs):
        job.result(WAIT_S)
    assert bench.order.index("second click") < bench.order.index("bulk 2")


def test_with_one_worker_bulk_is_served_too(bench: Bench) -> None:
    manager = JobManager(bench, JobLimits(workers=1))
    assert manager.submit("a", priority="bulk").result(WAIT_S) == "A"
    manager.close()


def test_too_many_interactive_jobs_are_refused(manager: JobManager[str, str], bench: Bench) -> None:
    bench.gate.clear()
    for name in "abc":
        manager.submit(name)
    with pytest.raises(BusyError, match="3 requests"):
        manager.submit("d")
    manager.submit("e", priority="bulk")  # has places of its own
    bench.gate.set()


def test_one_job_a_visitor(manager: JobManager[str, str], bench: Bench) -> None:
    bench.gate.clear()
    job = manager.submit("a", visitor="ann")
    with pytest.raises(JobRunningError):
        manager.submit("b", visitor="ann")
    manager.submit("c", visitor="bob")
    assert [j.request for j in manager.active("ann")] == ["a"]
    assert len(manager.active()) == 2
    bench.gate.set()
    job.result(WAIT_S)
    assert manager.submit("b", visitor="ann").result(WAIT_S) == "B"


def test_whoever_sees_the_end_of_a_job_may_submit_the_next(
    manager: JobManager[str, str],
) -> None:
    for number in range(300):
        job = manager.submit(str(number), visitor="ann")
        *_, last = job.follow()
        assert last.state == "done" and manager.active("ann") == []


def test_a_kept_error_keeps_no_local_variables() -> None:
    class Samples:
        """Stands for a buffer with a temporary file."""

    held: list[weakref.ref[Samples]] = []
    cancelled: list[str] = []

    def steps() -> Iterator[int]:
        try:
            yield 1
        finally:
            cancelled.append("the rest")

    def work(job: Job[str, str]) -> str:
        samples = Samples()
        held.append(weakref.ref(samples))
        for _ in steps():
            try:
                raise OSError("no space")
            except OSError as e:
                raise AudioEmptyError(file="x") from e
        return "done"

    manager: JobManager[str, str] = JobManager(work, JobLimits(workers=1))
    job = manager.submit("a")
    with pytest.raises(AudioEmptyError):
        job.result(WAIT_S)
    assert held[0]() is None and cancelled == ["the rest"]
    manager.close()


def test_a_job_that_is_cancelled_in_the_queue_is_remembered(
    manager: JobManager[str, str], bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the machine's uptime: its end must be known before it can be forgotten."""
    bench.gate.clear()
    for name in "ab":
        manager.submit(name)
    bench.wait(2)
    job = manager.submit("waits")
    kept: list[float | None] = []
    append = deque.append

    class Watched(deque):  # type: ignore[type-arg]
        def append(self, item: Job[str, str]) -> None:
            kept.append(item.ended_at)
            append(self, item)

    monkeypatch.setattr(manager, "_ended", Watched())
    manager.cancel(job)
    assert kept == [job.ended_at] and job.ended_at is not None


def test_bulk_waits_for_room_instead_of_being_refused(
    manager: JobManager[str, str], bench: Bench
) -> None:
    bench.gate.clear()
    running = manager.submit("0", priority="bulk")
    bench.wait()
    manager.submit("1", priority="bulk")
    manager.submit("2", priority="bulk")
    found: list[str] = []
    submitter = threading.Thread(
        target=lambda: found.append(manager.submit("3", priority="bulk").result(WAIT_S))
    )
    submitter.start()
    submitter.join(0.05)
    assert submitter.is_alive() and len(manager.active()) == 3
    with pytest.raises(CancelledError):
        manager.submit("4", priority="bulk", cancelled=lambda: True)
    bench.gate.set()
    submitter.join(WAIT_S)
    assert found == ["3"] and running.result(WAIT_S) == "0"


def test_a_running_job_is_cancelled(manager: JobManager[str, str], bench: Bench) -> None:
    bench.gate.clear()
    job = manager.submit("a")
    bench.wait()
    manager.cancel(job)
    with pytest.raises(CancelledError):
        job.result(WAIT_S)
    assert job.progress.state == "cancelled" and job.cancelled


def test_a_waiting_job_ends_at_once_and_never_runs(
    manager: JobManager[str, str], bench: Bench
) -> None:
    bench.gate.clear()
    for name in "ab":
        manager.submit(name)
    bench.wait(2)
    job = manager.submit("waits")
    manager.cancel(job)
    assert job.progress.state == "cancelled"
    assert manager.find(job.id) is job
    bench.gate.set()
    assert "waits" not in bench.order


def test_a_result_with_a_time_limit(manager: JobManager[str, str], bench: Bench) -> None:
    bench.gate.clear()
    job = manager.submit("a")
    with pytest.raises(TimeoutError, match=r"has not ended within 0\.01 s"):
        job.result(0.01)


def test_ended_jobs_are_forgotten(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = JobManager(bench, JobLimits(workers=1, kept=2, kept_s=100.0))
    jobs = [manager.submit(name) for name in "abc"]
    for job in jobs:
        job.result(WAIT_S)
    manager.close()
    with pytest.raises(JobNotFoundError):
        manager.find(jobs[0].id)
    assert manager.find(jobs[2].id) is jobs[2]
    jobs[2].ended_at = jobs[1].ended_at = -1e9
    with pytest.raises(JobNotFoundError):
        manager.find(jobs[2].id)


def test_closing_cancels_everything(bench: Bench) -> None:
    manager = JobManager(bench, JobLimits(workers=1))
    bench.gate.clear()
    jobs = [manager.submit(name) for name in "ab"]
    bench.wait()
    manager.close()
    assert [job.progress.state for job in jobs] == ["cancelled", "cancelled"]
    with pytest.raises(ModelNotReadyError, match="the server is stopping"):
        manager.submit("c")


def test_a_listener_hears_every_change_until_it_ends(
    manager: JobManager[str, str], bench: Bench
) -> None:
    bench.gate.clear()
    job = manager.submit("a")
    states: list[str] = []
    end = job.subscribe(lambda: states.append(job.progress.state))
    other: list[int] = []
    job.subscribe(lambda: other.append(1))()
    bench.gate.set()
    job.result(WAIT_S)
    assert states[-1] == "done" and "analysing" in states and other == []
    end()
    job.update(done=5)
    assert states[-1] == "done"


def test_what_ends_a_thread_ends_only_the_job(caplog: pytest.LogCaptureFixture) -> None:
    def work(job: Job[str, str]) -> str:
        if job.request == "deadly":
            raise SystemExit(3)
        return job.request

    manager = JobManager(work, JobLimits(workers=1))
    deadly, later = manager.submit("deadly"), manager.submit("later")
    with pytest.raises(WorkerEndedError, match=r"the job worker was ended .*SystemExit: 3"):
        deadly.result(WAIT_S)
    assert later.result(WAIT_S) == "later"
    assert deadly.progress.state == "failed" and manager.active() == []
    assert manager.restarts.count == 1
    assert "the job worker was ended (SystemExit: 3); restarted" in caplog.text
    manager.close()


def test_closing_does_not_wait_forever(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_CLOSE_S", 0.0)
    held = threading.Event()
    manager: JobManager[str, bool] = JobManager(lambda job: held.wait(WAIT_S))
    job = manager.submit("deaf")
    while not manager._running:
        assert manager._threads
    manager.close()
    assert job.progress.state == "queued" and job.cancelled
    held.set()
    job.result(WAIT_S)


def test_a_job_that_is_not_kept_is_forgotten_at_its_end(manager: JobManager[str, str]) -> None:
    job = manager.submit("a", priority="bulk", kept=False)
    assert job.result(WAIT_S) == "A"
    with pytest.raises(JobNotFoundError):
        manager.find(job.id)


def test_a_subscription_ends_under_the_lock(manager: JobManager[str, str], bench: Bench) -> None:
    bench.gate.clear()
    job = manager.submit("a")
    end = job.subscribe(lambda: None)
    ended = threading.Event()

    def unsubscribe() -> None:
        end()
        ended.set()

    with job._changed:
        thread = threading.Thread(target=unsubscribe)
        thread.start()
        assert not ended.wait(0.05) and len(job._listeners) == 1
    thread.join(WAIT_S)
    assert ended.is_set() and job._listeners == []
    bench.gate.set()
    job.result(WAIT_S)
