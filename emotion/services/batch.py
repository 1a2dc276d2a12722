"""A batch: many recordings, or a long one, recognised while whoever asked does something else.

A batch feeds its recordings to the job queue as there is room, and keeps a line for each that has
ended in a file, so its memory does not grow with their number. All of it runs in the event loop;
what blocks runs in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final, Literal

from emotion.core.errors import (
    CancelledError,
    EmotionError,
    ModelNotReadyError,
    OutputError,
    RunNotFoundError,
)
from emotion.core.request_errors import InternalError
from emotion.services.jobs import ENDED, State
from emotion.services.line_spool import LineSpool
from emotion.services.listeners import Listeners
from emotion.services.recognitions import FinishedRun, JobRequest, RecognitionJob, RecognitionJobs

logger = logging.getLogger(__name__)

BatchState = Literal["queued", "running", "done", "cancelled"]
Outcome = FinishedRun | EmotionError
_LEAST_PACE_S: Final = 2.0  # before that a pace says little
_NO_ROOM_S: Final = 0.1


@dataclass(frozen=True)
class BatchItem:
    """One recording of a batch.

    Attributes:
        file: Its name.
        source: The recording, or what fetches it when its turn comes.
        folder: Removed when the recording is done; None where it is somebody else's.
        columns: What the caller's own table says of it.
    """

    file: str
    source: Path | Callable[[], Coroutine[Any, Any, Path]]
    folder: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Beside:
    """What came beside the recordings of a batch.

    Attributes:
        left_out: Files in folders and archives that are no recordings.
        columns: The columns of the caller's own tables, in order.
        rows: How many rows these tables have.
        rows_alone: Rows that name none of the recordings, by the names in them.
        files_alone: Recordings that no row names; empty where there is no table.
    """

    left_out: int = 0
    columns: tuple[str, ...] = ()
    rows: int = 0
    rows_alone: tuple[str, ...] = ()
    files_alone: tuple[str, ...] = ()


@dataclass(frozen=True)
class BatchPlan:
    """What a batch does.

    Attributes:
        items: The recordings.
        request: Makes the request for a recording.
        line: What is kept of a recording that has ended, without a line break: given its place,
            its name, and the run or what went wrong. Called in a thread.
        folder: The batch's own; removed with it.
        owner: Who asks, where that is known.
        request_id: For the log.
        beside: What came beside the recordings.
    """

    items: Sequence[BatchItem]
    request: Callable[[Path], JobRequest]
    line: Callable[[int, str, Outcome], bytes]
    folder: Path
    owner: str | None = None
    request_id: str = ""
    beside: Beside = Beside()  # frozen


@dataclass(frozen=True)
class Ended:
    """A recording that has ended.

    Attributes:
        index: Its place in the batch.
        file: Its name.
        failed: Whether it has no result.
        run_id: Its run; None where none was stored.
    """

    index: int
    file: str
    failed: bool
    run_id: str | None = None


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is.

    Attributes:
        state: What it does.
        total: Recordings in it.
        done: Those that have ended, failed ones included.
        failed: Those that failed.
        done_s: Seconds of audio that the network has heard.
        total_s: Seconds in all; None where not known yet.
        left_s: Seconds of time that the rest takes, by the pace so far; None where not known.
        stage: What a single recording's job does; None for several.
    """

    state: BatchState
    total: int
    done: int
    failed: int
    done_s: float
    total_s: float | None
    left_s: float | None
    stage: State | None


class Batch:
    """Recordings that are recognised one after the other, a few at a time.

    Args:
        plan: What it does.
        jobs: The job queue.
        places: How many recordings of all batches may be in the queue.
        ahead: How many of its own.
        tag: What its id begins with.

    Attributes:
        id: Under which it is found; nobody can guess it.
        plan: What it does.
        owner: Who asked, where that is known.
        created_at: When it was made, UTC.
        started_at: When its first recording left the queue.
        ended_at: When it ended.
        ended: The recordings that have ended, in the order of `lines`.
        lines: What is kept of them.
        error: Why it was cancelled, where nobody asked for that.
        grown: Told of each line, and of the end.
        changed: Told of that, and of the progress of each recording.
    """

    def __init__(
        self,
        plan: BatchPlan,
        jobs: RecognitionJobs,
        places: asyncio.Semaphore,
        ahead: int,
        tag: str = "",
    ) -> None:
        self.id = tag + secrets.token_hex(16)
        self.owner = plan.owner
        self.created_at = _now()
        self.started_at: datetime | None = None
        self.ended_at: datetime | None = None
        self._took_s: float | None = None
        self.ended: list[Ended] = []
        self.lines = LineSpool(plan.folder / "lines")
        self.error: EmotionError | None = None
        self._writing = threading.Lock()
        self.grown = Listeners()
        self.changed = Listeners()
        self.plan = plan
        self._jobs = jobs
        self._places = places
        self._ahead = ahead
        self._cancelled = False
        self._done_s = 0.0
        self._began = 0.0  # by the monotonic clock
        self._running: dict[int, RecognitionJob] = {}
        self._opening: set[asyncio.Task[Path]] = set()

    @property
    def state(self) -> BatchState:
        """What it does."""
        if self.ended_at is not None:
            return "cancelled" if self._cancelled else "done"
        return "queued" if self.started_at is None else "running"

    @property
    def elapsed_s(self) -> float:
        """Seconds since its first recording left the queue, until its end."""
        if self._took_s is not None:
            return self._took_s
        return 0.0 if self.started_at is None else time.monotonic() - self._began

    def run_id(self, index: int) -> str:
        """The run that was stored of the recording at this place.

        Raises:
            RunNotFoundError: There is none, or not yet.
        """
        for one in self.ended:
            if one.index == index and one.run_id is not None:
                return one.run_id
        raise RunNotFoundError(run_id=f"{self.id}/{index}")

    @property
    def progress(self) -> BatchProgress:
        """How far it is now."""
        total, ended = len(self.plan.items), tuple(self.ended)
        done, failed = len(ended), sum(one.failed for one in ended)
        running = list(self._running.values())
        done_s = self._done_s + sum(job.progress.done_s for job in running)
        total_s: float | None = self._done_s if self.state == "done" else None
        left_s = self._left_s(done, total)
        stage: State | None = None
        if total == 1 and running and self.state in ("queued", "running"):
            now = running[0].progress
            total_s, left_s = now.total_s or None, now.left_s
            stage = None if now.state in ENDED else now.state
        return BatchProgress(
            self.state, total, done, failed, done_s, total_s, left_s, stage
        )  # fmt: skip

    def _left_s(self, done: int, total: int) -> float | None:
        took_s = time.monotonic() - self._began
        if self.state != "running" or not done or took_s < _LEAST_PACE_S:
            return None
        return took_s * (total - done) / done

    def cancel(self, error: EmotionError | None = None) -> None:
        """Ends it at once, in the event loop; what is under way stops soon after.

        Args:
            error: Why, where nobody asked for that.
        """
        if self.ended_at is not None:
            return
        self._cancelled, self.error = True, error
        self._end()
        for job in list(self._running.values()):
            self._jobs.cancel(job)
        for opening in self._opening:
            opening.cancel()

    async def run(self) -> None:
        """Recognises all of it; returns when nothing of it is under way any more."""
        pending: set[asyncio.Task[None]] = set()
        try:
            for index, item in enumerate(self.plan.items):
                if len(pending) >= self._ahead:
                    _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if self._cancelled:
                    break
                pending.add(asyncio.create_task(self._one(index, item)))
            if pending:
                await asyncio.wait(pending)
        finally:
            self._end()
            await asyncio.to_thread(self._remove_rest)

    def _remove_rest(self) -> None:  # of what had no result when it was cancelled
        for item in self.plan.items:
            if item.folder is not None:
                shutil.rmtree(item.folder, ignore_errors=True)

    def _start(self) -> None:
        self._began, self.started_at = time.monotonic(), _now()

    def _end(self) -> None:
        if self.ended_at is None:
            self._took_s = self.elapsed_s
            self.ended_at = _now()
            self._tell()

    def _tell(self) -> None:
        self.grown.tell()
        self.changed.tell()

    async def _one(self, index: int, item: BatchItem) -> None:
        try:
            async with self._places:
                if not self._cancelled:
                    await self._keep(index, item, await self._outcome(index, item))
        except CancelledError:  # nobody but the server cancels a single job
            self.cancel(ModelNotReadyError(reason="the server is stopping"))
        except OSError as e:
            logger.error("job %s: results cannot be written: %s", self.id, e)
            self.cancel(OutputError(path="uploads", reason=e.strerror or e))
        finally:
            self._running.pop(index, None)

    async def _outcome(self, index: int, item: BatchItem) -> Outcome:
        """The run of a recording, or why there is none.

        Raises:
            CancelledError: The batch was cancelled, or the server is stopping.
        """
        try:
            path = await self._opened(item)
            job = self._running[index] = await self._submitted(self.plan.request(path))
            await self._wait_for(job)
            return job.result(0)
        except CancelledError:
            raise
        except EmotionError as e:
            return e
        except Exception:  # one recording must not end the others
            logger.exception("request %s: %s failed", self.plan.request_id, item.file)
            return InternalError(request_id=self.plan.request_id)

    async def _opened(self, item: BatchItem) -> Path:
        if isinstance(item.source, Path):
            return item.source
        opening = asyncio.create_task(item.source())
        self._opening.add(opening)
        try:
            await asyncio.wait([opening])
            if opening.cancelled():
                raise CancelledError()
            return opening.result()
        finally:
            self._opening.discard(opening)

    async def _submitted(self, request: JobRequest) -> RecognitionJob:
        while not self._cancelled:
            try:
                # Would wait for room in the event loop, unless it is cancelled at once.
                return self._jobs.submit(
                    request, priority="bulk", cancelled=lambda: True, kept=False
                )
            except CancelledError:
                await asyncio.sleep(_NO_ROOM_S)
            except ModelNotReadyError as e:
                raise CancelledError() from e
        raise CancelledError()

    async def _wait_for(self, job: RecognitionJob) -> None:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def changed() -> None:
            state = job.progress.state
            if state in ENDED:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(ended.set)
            elif state != "queued" and self.started_at is None:
                self._start()
            self.changed.tell()

        stop = job.subscribe(changed)
        try:
            changed()  # it may have begun, or ended, before
            await ended.wait()
        finally:
            stop()

    async def _keep(self, index: int, item: BatchItem, outcome: Outcome) -> None:
        stored = None if isinstance(outcome, EmotionError) else outcome.stored
        failed, run_id = isinstance(outcome, EmotionError), stored.name if stored else None

        def write() -> None:
            line = self.plan.line(index, item.file, outcome)
            with self._writing:  # so that both are in the same order
                self.lines.append(line)
                self.ended.append(Ended(index, item.file, failed, run_id))
            if item.folder is not None:
                shutil.rmtree(item.folder, ignore_errors=True)

        await asyncio.to_thread(write)
        job = self._running.pop(index, None)
        if job is not None:
            self._done_s += job.progress.done_s
        if self.started_at is None:  # it failed before it was a job
            self._start()
        self._tell()


def _now() -> datetime:
    return datetime.now(timezone.utc)
