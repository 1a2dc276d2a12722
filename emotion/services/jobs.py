"""The queue of recognitions: priorities, progress, results by id, cancellation.

A job is submitted and gets an id. Worker threads take interactive jobs before bulk jobs, and bulk
jobs never take the last worker, so a visitor's click does not wait for a batch. Any number of
subscribers follow a job's progress. After its end it can be asked for by id for a while.
"""

from __future__ import annotations

import itertools
import logging
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar, get_args

from emotion.core import logs
from emotion.core.errors import (
    BusyError,
    CancelledError,
    JobNotFoundError,
    JobRunningError,
    ModelNotReadyError,
)
from emotion.core.progress import Priority
from emotion.core.tracebacks import clear_frames
from emotion.core.workers import Restarts
from emotion.services.job_limits import JobLimits
from emotion.services.job_stats import JobStats, ending

logger = logging.getLogger(__name__)

State = Literal[
    "queued", "loading", "decoding", "analysing", "saving", "done", "failed", "cancelled"
]
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")
_BEAT_S = 1.0
_LEAST_PACE_S = 2.0  # before that a pace says little
_CLOSE_S = 10.0

Request = TypeVar("Request")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class JobProgress:
    """How far a job is.

    Attributes:
        state: What it does now.
        done: Parts of the recording that the network has seen.
        total: Parts in all; 0 where not known yet.
        done_s: Seconds of audio that the network has seen.
        total_s: Seconds in all; 0 where not known yet.
        left_s: Seconds of time that the network still needs, by its pace; None where not known.
        detail: What a state has to tell, such as the phase of loading a model.
        log: Lines of the processing log so far.
        cancelling: Whether it was asked to stop and has not ended yet.
    """

    state: State = "queued"
    done: int = 0
    total: int = 0
    done_s: float = 0.0
    total_s: float = 0.0
    left_s: float | None = None
    detail: object = None
    log: tuple[str, ...] = ()
    cancelling: bool = False


class Job(Generic[Request, Outcome]):
    """One recognition.

    Attributes:
        id: Under which the manager finds it.
        request: What was asked for.
        visitor: Who asked; None for a program.
        priority: ``interactive`` or ``bulk``.
        kept: Whether it can be asked for by id after its end.
        ended_at: Monotonic time of its end; None before.
        request_id: The request that submitted it, for the log; None where there was none.
    """

    def __init__(
        self, request: Request, visitor: str | None, priority: Priority, kept: bool = True
    ) -> None:
        self.id = secrets.token_hex(8)
        self.request = request
        self.visitor = visitor
        self.priority: Priority = priority
        self.kept = kept
        self.ended_at: float | None = None
        self.request_id = logs.request_id.get()
        self._submitted_at = time.monotonic()
        self._heard_from: tuple[float, float] | None = None  # time and seconds heard at first
        self._listeners: list[Callable[[], None]] = []
        self._changed = threading.Condition()
        self._revision = 0
        self._progress = JobProgress()
        self._outcome: Outcome | None = None
        self._error: Exception | None = None

    @property
    def progress(self) -> JobProgress:
        """How far it is now."""
        return self._progress

    @property
    def elapsed_s(self) -> float:
        """Seconds since it was submitted, until its end."""
        return (self.ended_at or time.monotonic()) - self._submitted_at

    @property
    def cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._progress.cancelling or self._progress.state == "cancelled"

    def update(self, **changes: object) -> None:
        """Tells every subscriber a change of the progress; does nothing once the job has ended."""
        with self._changed:
            if self._progress.state in ENDED:
                return
            self._progress = replace(self._progress, **changes)  # type: ignore[arg-type]
            self._revision += 1
            self._changed.notify_all()
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Has ``listener`` called after each change, in any thread; it must return at once.

        Returns:
            Ends that.
        """
        with self._changed:
            self._listeners.append(listener)

        def end() -> None:
            with self._changed:
                self._listeners.remove(listener)

        return end

    def heard(self, done_s: float, total_s: float) -> None:
        """Tells how many seconds of audio the network has seen, and how long the rest takes."""
        now = time.monotonic()
        began, before_s = self._heard_from = self._heard_from or (now, done_s)
        known = now - began >= _LEAST_PACE_S and done_s > before_s
        left_s = (now - began) * (total_s - done_s) / (done_s - before_s) if known else None
        self.update(done_s=done_s, total_s=total_s, left_s=left_s)

    def log(self, line: str) -> None:
        """Adds a line to the processing log."""
        self.update(log=(*self._progress.log, line))

    def cancel(self) -> None:
        """Asks the job to stop; it ends soon after and leaves no files."""
        self.update(cancelling=True)

    def follow(self, beat_s: float = _BEAT_S) -> Iterator[JobProgress]:
        """The progress now, on every change and at least once in ``beat_s``; ends with the job."""
        seen = -1
        while True:
            with self._changed:
                if self._revision == seen and self._progress.state not in ENDED:
                    self._changed.wait(beat_s)
                seen, progress = self._revision, self._progress
            yield progress
            if progress.state in ENDED:
                return

    def result(self, timeout_s: float | None = None) -> Outcome:
        """What the job gave; waits for its end.

        Args:
            timeout_s: How long to wait; as long as it takes by default.

        Raises:
            TimeoutError: It has not ended in time.
            Exception: What ended the job.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._progress.state in ENDED, timeout_s):
                raise TimeoutError(f"job {self.id} has not ended within {timeout_s:g} s")
        if self._error is not None:
            raise self._error
        if self._outcome is None:
            raise CancelledError()
        return self._outcome

    def end(self, *, outcome: Outcome | None = None, error: Exception | None = None) -> None:
        """Ends the job with what it gave or with what went wrong."""
        clear_frames(error)
        self._outcome, self._error = outcome, error
        self.ended_at = time.monotonic()
        self.update(state=ending(error), cancelling=False)


class JobManager(Generic[Request, Outcome]):
    """Runs jobs in worker threads.

    Args:
        work: Does a job: reads ``job.request``, tells ``job.update``, and stops with
            `CancelledError` soon after ``job.cancelled`` turns true.
        limits: Bounds.

    Attributes:
        stats: Counts the jobs.
    """

    def __init__(
        self,
        work: Callable[[Job[Request, Outcome]], Outcome],
        limits: JobLimits = JobLimits(),  # noqa: B008  # frozen
    ) -> None:
        self.limits = limits
        self.stats = JobStats()
        self.restarts = Restarts("job worker")
        self._work = work
        self._changed = threading.Condition()
        self._queues: dict[Priority, deque[Job[Request, Outcome]]] = {
            priority: deque() for priority in get_args(Priority)
        }
        self._running: list[Job[Request, Outcome]] = []
        self._ended: deque[Job[Request, Outcome]] = deque(maxlen=limits.kept)
        self._closed = False
        self._threads: list[threading.Thread] = []  # started with the first job

    def submit(
        self,
        request: Request,
        *,
        visitor: str | None = None,
        priority: Priority = "interactive",
        cancelled: Callable[[], bool] = lambda: False,
        kept: bool = True,
    ) -> Job[Request, Outcome]:
        """Queues a job.

        Args:
            request: What is to be recognised.
            visitor: Who asks; None for a program.
            priority: ``interactive`` is refused when the queue is full; ``bulk`` waits for a place.
            cancelled: Polled while waiting for a place.
            kept: Whether it can be asked for by id after its end.

        Raises:
            JobRunningError: The visitor has a job under way.
            BusyError: There are too many interactive jobs.
            ModelNotReadyError: The manager is closed.
            CancelledError: ``cancelled`` turned true while waiting for a place.
        """
        job: Job[Request, Outcome] = Job(request, visitor, priority, kept)
        with self._changed:
            if priority == "bulk":
                while len(self._queues["bulk"]) >= self.limits.bulk and not self._closed:
                    if cancelled():
                        raise CancelledError()
                    self._changed.wait(_BEAT_S / 10)
            else:
                self._check_limits(visitor)
            if self._closed:
                raise ModelNotReadyError(reason="the server is stopping")
            self._queues[priority].append(job)
            self._start_workers()
            self._changed.notify_all()
        return job

    def check(self, visitor: str | None = None) -> None:
        """Refuses an interactive job where `submit` would, before its recording is received.

        Args:
            visitor: Who asks; None for a program.

        Raises:
            JobRunningError: The visitor has a job under way.
            BusyError: There are too many interactive jobs.
        """
        with self._changed:
            self._check_limits(visitor)

    def _start_workers(self) -> None:
        for number in range(len(self._threads), self.limits.workers):
            thread = threading.Thread(target=self._serve, name=f"job-worker-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _check_limits(self, visitor: str | None) -> None:
        mine = [j for j in self._active() if j.priority == "interactive"]
        own = sum(job.visitor == visitor for job in mine)
        if visitor is not None and own >= self.limits.per_visitor:
            raise JobRunningError()
        full = visitor is None and own >= self.limits.programs
        if full or len(mine) >= self.limits.interactive:
            raise BusyError(waiting=len(mine))

    def find(self, job_id: str) -> Job[Request, Outcome]:
        """The job of that id, under way or ended not long ago.

        Raises:
            JobNotFoundError: There is none.
        """
        with self._changed:
            self._forget()
            for job in itertools.chain(self._active(), self._ended):
                if secrets.compare_digest(job.id, job_id):
                    return job
        raise JobNotFoundError(job_id=job_id)

    def active(self, visitor: str | None = None) -> list[Job[Request, Outcome]]:
        """Jobs that work or wait: all of them, or one visitor's."""
        with self._changed:
            return [job for job in self._active() if visitor in (None, job.visitor)]

    def cancel(self, job: Job[Request, Outcome]) -> None:
        """Asks a job to stop; one that waits ends at once."""
        job.cancel()
        with self._changed:
            queue = self._queues[job.priority]
            if job in queue:
                queue.remove(job)
                self._end(job, None, CancelledError())

    def close(self) -> None:
        """Cancels all jobs, refuses new ones and waits for the workers, but not forever."""
        with self._changed:
            self._closed = True
            jobs = list(self._active())
            self._changed.notify_all()
        for job in jobs:
            self.cancel(job)
        deadline = time.monotonic() + _CLOSE_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _active(self) -> Iterator[Job[Request, Outcome]]:
        return itertools.chain(self._running, *self._queues.values())

    def _forget(self) -> None:
        old = time.monotonic() - self.limits.kept_s
        while self._ended and (self._ended[0].ended_at or 0.0) < old:
            self._ended.popleft()

    def _serve(self) -> None:
        while (job := self._next()) is not None:
            outcome, error = self._run(job)
            with self._changed:
                self._running.remove(job)
                self._end(job, outcome, error)
            del job, outcome, error  # holds no result while waiting for the next

    def _run(self, job: Job[Request, Outcome]) -> tuple[Outcome | None, Exception | None]:
        try:
            if job.cancelled:
                raise CancelledError()
            logs.request_id.set(job.request_id)
            return self._work(job), None
        except BaseException as e:  # raised again by result(); not even SystemExit ends a worker
            return None, self.restarts.error_of(e)

    def _end(
        self, job: Job[Request, Outcome], outcome: Outcome | None, error: Exception | None
    ) -> None:
        # With the lock held, so that a caller who sees the end can submit the next job at once.
        self.stats.ended(ending(error))
        job.end(outcome=outcome, error=error)
        if job.kept:
            self._ended.append(job)
        self._forget()
        self._changed.notify_all()

    def _next(self) -> Job[Request, Outcome] | None:
        with self._changed:
            while True:
                if self._closed:
                    return None
                job = self._take()
                if job is not None:
                    self._running.append(job)
                    self.stats.taken(job.elapsed_s)
                    self._changed.notify_all()
                    return job
                self._changed.wait()

    def _take(self) -> Job[Request, Outcome] | None:
        if self._queues["interactive"]:
            return self._queues["interactive"].popleft()
        bulk = sum(job.priority == "bulk" for job in self._running)
        if self._queues["bulk"] and (bulk < self.limits.workers - 1 or self.limits.workers == 1):
            return self._queues["bulk"].popleft()
        return None
