"""Recognitions that the page has under way: one a visitor, a few at a time, all to be cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from emotion import job
from emotion.errors import CancelledError
from emotion.lifecycle import Status
from emotion.model_service import ModelService
from emotion.recognizer import Hooks

Stage = Literal["queued", "loading", "decoding", "analysing", "saving", "cancelling"]
_BEAT_S = 1.0
_PAUSE_S = 0.1
PROGRAM = "program-"  # how the name of a visitor begins that is a program


class RefusedError(Exception):
    """A run that was not begun.

    Args:
        key: Text that says why; ``{key}_hint`` says what to do.
        **params: Values in the text.
    """

    def __init__(self, key: str, **params: object) -> None:
        super().__init__(key)
        self.key = key
        self.params = params


@dataclass(frozen=True)
class Order:
    """What is to be recognised.

    Attributes:
        path: The recording.
        granularity: ``utterance`` or ``frame``.
        embedding: Whether to write the embedding.
        track: Audio track, from 1; the first one with sound by default.
    """

    path: Path
    granularity: str = "utterance"
    embedding: bool = False
    track: int | None = None


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        stage: What it does now.
        loading: Status of the model while that is being loaded.
        done: Windows that the network has seen.
        total: Windows in all; 0 where not known yet.
        log: Lines of the processing log so far.
        elapsed_s: Seconds since it began.
    """

    stage: Stage = "queued"
    loading: Status | None = None
    done: int = 0
    total: int = 0
    log: tuple[str, ...] = ()
    elapsed_s: float = 0.0


class Run:
    """One recognition in a thread of its own.

    Args:
        desk: Where it was ordered.
        order: What is to be recognised; kept as an attribute.
    """

    def __init__(self, desk: Desk, order: Order) -> None:
        self._desk = desk
        self.order = order
        self._started = time.monotonic()
        self._cancelled = threading.Event()
        self._news = threading.Event()
        self._done = threading.Event()
        self._progress = Progress()
        self._finished: job.Finished | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="recognition", daemon=True)

    def begin(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def cancel(self) -> None:
        """Asks the run to stop; it ends soon after, and leaves no files."""
        self._cancelled.set()
        self._news.set()

    def follow(self) -> Iterator[Progress]:
        """Progress on every change and at least once a second, until the run has ended."""
        while not self._done.is_set():
            self._news.wait(_BEAT_S)
            self._news.clear()
            progress = replace(self._progress, elapsed_s=time.monotonic() - self._started)
            yield replace(progress, stage="cancelling") if self._cancelled.is_set() else progress
            self._done.wait(_PAUSE_S)

    def outcome(self) -> job.Finished:
        """What the run gave, once `follow` has ended.

        Raises:
            Exception: What ended the run.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        if self._finished is None:
            raise CancelledError()
        return self._finished

    @property
    def log(self) -> tuple[str, ...]:
        """Lines of the processing log so far."""
        return self._progress.log

    def _tell(self, **changes: object) -> None:
        self._progress = replace(self._progress, **changes)  # type: ignore[arg-type]
        self._news.set()

    def _work(self) -> None:
        try:
            self._finished = self._recognise()
        except Exception as e:  # raised again by outcome(), in the thread that can answer
            self._error = e
        finally:
            self._desk.leave(self)
            self._done.set()
            self._news.set()

    def _recognise(self) -> job.Finished:
        hooks = Hooks(self._windows, self._cancelled.is_set)
        with self._desk.slot(hooks):
            recognizer = self._desk.service.recognizer(hooks, self._loading)
            self._tell(stage="decoding", loading=None)
            return job.run(
                recognizer,
                self.order.path,
                self._desk.outputs_dir,
                granularity=self.order.granularity,
                embedding=self.order.embedding,
                track=self.order.track,
                hooks=hooks,
                on_log=self._log,
            )

    def _loading(self, status: Status) -> None:
        self._tell(stage="loading", loading=status)

    def _windows(self, done: int, total: int) -> None:
        stage = "saving" if done == total else "analysing"
        self._tell(stage=stage, done=done, total=total)

    def _log(self, line: str) -> None:
        self._tell(log=(*self._progress.log, line))


class Desk:
    """Takes orders, one a visitor, and bounds how many are worked on or wait.

    Args:
        service: The model.
        outputs_dir: Where run folders are made.
        working: Runs that decode or infer at once; inference itself is serial in the engine.
        most: Runs that work or wait; one more is refused.
        programs: How many of those may come from programs, so that visitors find a place too.
    """

    def __init__(
        self,
        service: ModelService,
        outputs_dir: Path,
        *,
        working: int = 4,
        most: int = 24,
        programs: int = 12,
    ) -> None:
        self.service = service
        self.outputs_dir = outputs_dir
        self._most = most
        self._programs = programs
        self._closed = False
        self._slots = threading.Semaphore(working)
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}

    def begin(self, visitor: str, order: Order) -> Run:
        """Begins a run.

        Args:
            visitor: Who asks; has one run at a time.
            order: What is to be recognised.

        Raises:
            RefusedError: The visitor has a run, or there are too many.
        """
        run = Run(self, order)
        with self._lock:
            if visitor in self._runs:
                raise RefusedError("running")
            program = visitor.startswith(PROGRAM)
            others = sum(who.startswith(PROGRAM) for who in self._runs)
            full = len(self._runs) >= self._most or (program and others >= self._programs)
            if full or self._closed:
                raise RefusedError("busy", count=len(self._runs))
            self._runs[visitor] = run
        run.begin()
        return run

    def cancel(self, visitor: str, keep: Path | None = None) -> bool:
        """Cancels the visitor's run.

        Args:
            visitor: Who asks.
            keep: A run of this recording goes on.

        Returns:
            Whether there was one to cancel.
        """
        with self._lock:
            run = self._runs.get(visitor)
        if run is None or run.order.path == keep:
            return False
        run.cancel()
        return True

    def close(self) -> None:
        """Cancels all runs and refuses new ones: the server is ending."""
        with self._lock:
            self._closed = True
            runs = list(self._runs.values())
        for run in runs:
            run.cancel()

    def leave(self, run: Run) -> None:
        """Takes an ended run off the list."""
        with self._lock:
            self._runs = {who: other for who, other in self._runs.items() if other is not run}

    def slot(self, hooks: Hooks) -> _Slot:
        """A place to work in, as a context manager; waits for one.

        Args:
            hooks: Cancellation.
        """
        return _Slot(self._slots, hooks)


class _Slot:
    def __init__(self, slots: threading.Semaphore, hooks: Hooks) -> None:
        self._slots = slots
        self._hooks = hooks

    def __enter__(self) -> None:
        self._hooks.check()
        while not self._slots.acquire(timeout=_PAUSE_S):
            self._hooks.check()

    def __exit__(self, *_: object) -> None:
        self._slots.release()
