"""Parts of a collection in several processes of this machine.

Each process has a pipe of its own, so it is known which part was lost with it. That part is done
again by a new process; where it is lost twice, its recordings are done one by one, and the one that
ends its process becomes a row with an error.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from emotion.core.corpus_errors import WorkerLostError
from emotion.core.errors import EmotionError
from emotion.core.logs import formatter
from emotion.corpus.inputs import Input
from emotion.corpus.part_worker import PartWorker, WorkerSetup
from emotion.corpus.rows import Record
from emotion.corpus.shards import Part

logger = logging.getLogger(__name__)

_TRIES: Final = 2  # of a part, before its recordings are done one by one
_LEAVE_S: Final = 10.0
_GONE: Final = (EOFError, OSError)


@dataclass(frozen=True)
class _Task:
    """Recordings that a process is given at once: a part, or one recording of it."""

    part: Part
    place: int | None = None  # of the one recording

    @property
    def items(self) -> tuple[Input, ...]:
        items = self.part.items
        return items if self.place is None else (items[self.place],)


class Processes:
    """Recognises parts in several processes, which stay until the end; use it as a context manager.

    Args:
        setup: What they have to know.
        count: How many there are.
        threads: Of each, for the network; the machine's cores shared among them by default.
    """

    def __init__(self, setup: WorkerSetup, count: int, threads: int | None = None) -> None:
        self._setup = setup
        self._count = count
        self._threads = threads or max(1, (os.cpu_count() or 1) // count)
        self._processes: list[_Process] = []
        self._tasks: deque[_Task] = deque()
        self._lost: dict[int, int] = {}  # how often, by part
        self._single: dict[int, dict[int, Record]] = {}  # of parts that are done one by one

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends all processes, and what they do."""
        self._tasks.clear()
        for process in self._processes:
            process.ask_to_stop()
        for process in self._processes:
            process.stop()
        self._processes.clear()

    def run(self, parts: Iterable[Part]) -> Generator[tuple[Part, list[Record]], None, None]:
        """Recognises parts; closing the generator stops what is under way.

        Args:
            parts: The parts.

        Yields:
            Each part with the records of its recordings, in the order in which they end.

        Raises:
            EmotionError: Something fails that is no fault of a recording.
            WorkerLostError: A process ends before its model is loaded.
        """
        self._tasks.extend(_Task(part) for part in parts)
        while len(self._processes) < min(self._count, len(self._tasks)):
            self._processes.append(_Process(self._setup, self._threads))
        try:
            while self._tasks or any(process.task for process in self._processes):
                for process in self._processes:
                    if process.idle and self._tasks:
                        process.give(self._tasks.popleft())
                ready = wait([process.connection for process in self._processes])
                for process in [one for one in self._processes if one.connection in ready]:
                    yield from self._heard(process)
        except BaseException:
            self.close()
            raise

    def _heard(self, process: _Process) -> Iterator[tuple[Part, list[Record]]]:
        try:
            told = process.connection.recv()
        except _GONE:
            self._processes.remove(process)
            process.stop()
            yield from self._mourn(process)
            self._processes.append(_Process(self._setup, self._threads))
            return
        if isinstance(told, EmotionError):
            raise told
        process.ready = True
        task, process.task = process.task, None
        if task is not None:
            yield from self._ended(task, told)

    def _mourn(self, process: _Process) -> Iterator[tuple[Part, list[Record]]]:
        """Sees to the task of a process that has ended by itself."""
        task = process.task
        if not process.ready:
            raise WorkerLostError(file="loading the model", reason=process.reason)
        if task is None:
            return
        if task.place is not None:
            item = task.items[0]
            error = WorkerLostError(file=item.name, reason=process.reason)
            yield from self._ended(
                task, [Record(item.name, error=error.to_dict(), columns=item.columns)]
            )
            return
        number = task.part.number
        self._lost[number] = self._lost.get(number, 0) + 1
        logger.warning(
            "a worker process ended (%s); its %d recordings are done again",
            process.reason, len(task.items),
        )  # fmt: skip
        if self._lost[number] < _TRIES:
            self._tasks.appendleft(task)
        else:
            self._single[number] = {}
            self._tasks.extendleft(_Task(task.part, k) for k in range(len(task.items)))

    def _ended(self, task: _Task, records: list[Record]) -> Iterator[tuple[Part, list[Record]]]:
        if task.place is None:
            yield task.part, records
            return
        found = self._single[task.part.number]
        found[task.place] = records[0]
        if len(found) == len(task.part.items):
            del self._single[task.part.number]
            yield task.part, [found[place] for place in range(len(found))]


class _Process:
    """A worker process and what it is doing."""

    def __init__(self, setup: WorkerSetup, threads: int) -> None:
        context = multiprocessing.get_context("spawn")  # forked threads of torch hang
        self.connection, theirs = context.Pipe()
        self.task: _Task | None = None
        self.ready = False
        self._process = context.Process(
            target=_work, args=(theirs, setup, threads), name="emotion-worker", daemon=True
        )
        self._process.start()
        theirs.close()  # so that its end is heard

    @property
    def idle(self) -> bool:
        """Whether it waits for a task."""
        return self.ready and self.task is None

    @property
    def reason(self) -> str:
        """Why it has ended."""
        code = self._process.exitcode
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    def give(self, task: _Task) -> None:
        """Has it do a task."""
        self.task = task
        with contextlib.suppress(OSError):  # it has just ended, which is heard next
            self.connection.send(task.items)

    def ask_to_stop(self) -> None:
        """Has it stop what it does, and end."""
        self.connection.close()
        if self._process.is_alive():
            self._process.terminate()

    def stop(self) -> None:
        """Waits for its end."""
        self.connection.close()
        self._process.join(_LEAVE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _work(connection: Connection[Any, Any], setup: WorkerSetup, threads: int) -> None:
    """What a worker process does, until nobody gives it work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to all processes
    os.environ["OMP_NUM_THREADS"] = str(threads)  # torch, imported later, takes it from there
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(setup.config.log_format))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # until there is something to stop
    try:
        with PartWorker(setup) as worker:
            signal.signal(signal.SIGTERM, lambda *_: worker.stop())
            _serve(connection, worker)
    except EmotionError as e:
        _send(connection, e)


def _serve(connection: Connection[Any, Any], worker: PartWorker) -> None:
    _send(connection, None)  # ready
    while True:
        try:
            items = connection.recv()
        except _GONE:  # nobody is there any more
            return
        _send(connection, worker.records(items))


def _send(connection: Connection[Any, Any], told: object) -> None:
    with contextlib.suppress(OSError):  # nobody is there any more, which `recv` tells
        connection.send(told)
