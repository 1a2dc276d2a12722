"""A job as it goes on: its results as lines of JSON, its progress as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final

from emotion.api.answers import dumps
from emotion.api.job_answers import Job
from emotion.api.waiting import changes
from emotion.services.batch import Batch

HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
END: Final = "end"  # the id of the last event
_RETRY_MS: Final = 2000
_PACE_S: Final = 0.2  # between two events of progress
_QUIET_S: Final = 15.0  # after that a comment keeps the connection open


async def lines(batch: Batch, start: int = 0) -> AsyncIterator[bytes]:
    """The results of a job from a line on, until all are there.

    Args:
        batch: The job.
        start: The first line wanted, from 0.
    """
    with changes(batch.grown) as changed:
        while True:
            changed.clear()
            ended = batch.ended_at is not None
            try:
                data, start = await asyncio.to_thread(batch.lines.read, start)
            except OSError:  # it was forgotten meanwhile
                return
            if data:
                yield data
            elif ended:
                return
            else:
                await changed.wait()


async def cancelling(batch: Batch, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A stream whose end, early or not, is the end of its job."""
    try:
        async for data in stream:
            yield data
    finally:
        batch.cancel()  # one that has ended does not mind


async def events(
    batch: Batch, seen: int, job: Callable[[], Job], quiet_s: float = _QUIET_S
) -> AsyncIterator[bytes]:
    """The progress of a job as server-sent events.

    A ``progress`` event comes first and at each change, a ``result`` event for each recording that
    has ended, ``end`` last. The id of an event is the number of recordings told so far.

    Args:
        batch: The job.
        seen: How many recordings were told before the connection broke.
        job: What it is at the moment.
        quiet_s: After so much silence comes a comment.
    """
    yield b"retry: %d\n\n" % _RETRY_MS
    told = min(seen, len(batch.ended))
    before: Job | None = None
    with changes(batch.changed) as changed:
        while True:
            changed.clear()
            now, ended = job(), batch.ended_at is not None
            for one in batch.ended[told:]:
                told += 1
                status = "failed" if one.failed else "done"
                data = dumps({"index": one.index, "file": one.file, "status": status})
                yield event("result", str(told), data)
            if ended:
                yield event("end", END, now.model_dump_json().encode())
                return
            if now != before:
                yield event("progress", str(told), now.model_dump_json().encode())
                before = now
            await asyncio.sleep(_PACE_S)
            while not changed.is_set():
                with contextlib.suppress(asyncio.TimeoutError, TimeoutError):
                    await asyncio.wait_for(changed.wait(), quiet_s)
                    break
                yield b": still here\n\n"


def event(kind: str, event_id: str, data: bytes) -> bytes:
    """One event; its data are one line."""
    return b"event: %s\nid: %s\ndata: %s\n\n" % (kind.encode(), event_id.encode(), data)
