"""Awaits jobs, which run in threads, from the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Final, Protocol, TypeVar

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from emotion.core.errors import CancelledError, ModelNotReadyError
from emotion.core.request_errors import RequestTimeoutError
from emotion.services.jobs import ENDED
from emotion.services.recognitions import (
    FinishedRun,
    JobRequest,
    RecognitionJob,
    RecognitionService,
)

Outcome = TypeVar("Outcome")
_AHEAD: Final = 8  # jobs of one request that work or wait


class Changing(Protocol):
    """What tells its changes."""

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Has ``listener`` called after each change, in any thread; returns what ends that."""


@contextlib.contextmanager
def changes(source: Changing) -> Iterator[asyncio.Event]:
    """An event that is set after each change; whoever awaits it clears it."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(event.set)

    end = source.subscribe(tell)
    try:
        yield event
    finally:
        end()


async def finish(
    service: RecognitionService, job: RecognitionJob, request: Request, timeout_s: float
) -> FinishedRun:
    """Waits for a job as long as its caller does; a job that nobody awaits is cancelled.

    Args:
        service: Runs the job.
        job: The job.
        request: What it answers; its body has been read.
        timeout_s: How long to wait.

    Raises:
        RequestTimeoutError: It did not end in time.
        ClientDisconnect: The caller has gone.
        ModelNotReadyError: The server is stopping.
        EmotionError: What ended the job.
    """
    try:
        return await while_there(request, timeout_s, _outcome(job))
    finally:
        service.jobs.cancel(job)  # an ended job does not mind


async def finish_all(service: RecognitionService, works: Sequence[JobRequest]) -> list[FinishedRun]:
    """Does several jobs, a few at a time, after whatever visitors ask for.

    The first error cancels the others, and so does cancelling the task that awaits this.

    Args:
        service: Runs the jobs.
        works: What is to be recognised.

    Returns:
        In the order of ``works``.

    Raises:
        ModelNotReadyError: The server is stopping.
        EmotionError: What ended the first job that failed.
    """
    jobs: list[RecognitionJob] = []
    ended = threading.Event()

    def submit(work: JobRequest) -> RecognitionJob:
        job = service.jobs.submit(work, priority="bulk", cancelled=ended.is_set)
        jobs.append(job)
        if ended.is_set():
            service.jobs.cancel(job)
        return job

    found: list[FinishedRun] = []
    waiting: deque[RecognitionJob] = deque()
    try:
        for work in works:
            if len(waiting) >= _AHEAD:
                found.append(await _outcome(waiting.popleft()))
            waiting.append(await run_in_threadpool(submit, work))
        for job in waiting:
            found.append(await _outcome(job))
        return found
    finally:
        ended.set()
        for job in jobs:
            service.jobs.cancel(job)


async def while_there(
    request: Request, timeout_s: float, work: Coroutine[Any, Any, Outcome]
) -> Outcome:
    """Does something as long as its caller waits.

    Args:
        request: What it answers; its body has been read.
        timeout_s: How long it may take.
        work: What to do; it is cancelled when the caller has gone.

    Raises:
        RequestTimeoutError: It did not end in time.
        ClientDisconnect: The caller has gone.
        Exception: What ended it.
    """
    doing, going = asyncio.create_task(work), asyncio.create_task(_gone(request))
    both: list[asyncio.Task[Any]] = [doing, going]
    try:
        done, _ = await asyncio.wait(both, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if doing in done:
            return doing.result()
        if going in done:
            raise ClientDisconnect()
        raise RequestTimeoutError(timeout_s=timeout_s)
    finally:
        for task in both:
            task.cancel()
        await asyncio.wait(both)  # so that nothing is under way when the caller is answered


async def _outcome(job: RecognitionJob) -> FinishedRun:
    await _ended(job)
    try:
        return job.result(0)
    except CancelledError as e:
        raise ModelNotReadyError(reason="the server is stopping") from e


async def _ended(job: RecognitionJob) -> None:
    with changes(job) as changed:
        while job.progress.state not in ENDED:
            await changed.wait()
            changed.clear()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
