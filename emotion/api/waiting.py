"""Awaits jobs, which run in threads, from the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Protocol

from fastapi import Request
from starlette.requests import ClientDisconnect

from emotion.core.errors import CancelledError, ModelNotReadyError
from emotion.core.request_errors import RequestTimeoutError
from emotion.services.jobs import ENDED
from emotion.services.recognitions import FinishedRun, RecognitionJob, RecognitionService


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
    tasks = [asyncio.create_task(_ended(job)), asyncio.create_task(_gone(request))]
    try:
        done, _ = await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0] in done:
            return job.result(0)
        if tasks[1] in done:
            raise ClientDisconnect()
        raise RequestTimeoutError(timeout_s=timeout_s)
    except CancelledError as e:
        raise ModelNotReadyError(reason="the server is stopping") from e
    finally:
        service.jobs.cancel(job)  # an ended job does not mind
        for task in tasks:
            task.cancel()


async def _ended(job: RecognitionJob) -> None:
    with changes(job) as changed:
        while job.progress.state not in ENDED:
            await changed.wait()
            changed.clear()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
