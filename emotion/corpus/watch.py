"""A pick-up folder: recordings that appear in it are recognised once they are complete."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emotion.core.errors import AudioNotFoundError, OutputError
from emotion.core.results import readable
from emotion.corpus.executor import Executor
from emotion.corpus.inputs import Input, walk
from emotion.corpus.kinds import may_be_recording
from emotion.corpus.row_log import RowLog
from emotion.corpus.rows import Record

logger = logging.getLogger(__name__)

# How programs call a file that they still write.
_UNFINISHED: Final = (".part", ".partial", ".tmp", ".crdownload", ".filepart", ".download")


@dataclass(frozen=True)
class WatchOptions:
    """How a folder is watched.

    Attributes:
        every_s: Seconds between two looks; a look works on network shares, too.
        settle_s: A recording is complete when it has not changed for so many seconds.
        done: Where recordings go that were recognised; None leaves them.
        failed: Where the others go; None leaves them.
    """

    every_s: float = 2.0
    settle_s: float = 5.0
    done: Path | None = None
    failed: Path | None = None


@dataclass(frozen=True)
class _State:
    size: int
    mtime_ns: int


class Watch:
    """Watches a folder and those in it.

    Args:
        folder: The folder.
        executor: Recognises.
        rows: Where the results go.
        options: How.
        clock: Seconds, for tests.
    """

    def __init__(
        self,
        folder: Path,
        executor: Executor,
        rows: RowLog,
        options: WatchOptions = WatchOptions(),  # frozen
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._executor = executor
        self._rows = rows
        self._options = options
        self._clock = clock
        self._changed: dict[Path, tuple[_State, float]] = {}  # since when it has been so
        self._immovable: set[str] = set()  # keys
        self._readable = True

    def run(self, stop: threading.Event) -> None:
        """Looks again and again until ``stop`` is set.

        Raises:
            EmotionError: The model or FFmpeg cannot be used.
        """
        while not stop.is_set():
            try:
                self.look()
            except OutputError as e:  # a full disk, for now
                logger.error("%s; trying again", e)
            stop.wait(self._options.every_s)

    def look(self) -> int:
        """Recognises what is complete.

        Returns:
            How many recordings got a row.

        Raises:
            OutputError: A row or a run cannot be written; its recording is done again later.
            EmotionError: The model or FFmpeg cannot be used.
        """
        ready = self._ready()
        inputs = ((k, Input(self._name(path), path)) for k, (path, _) in enumerate(ready))
        count = 0
        with contextlib.closing(self._executor.run(inputs)) as records:
            for index, record in records:
                path, state = ready[index]
                self._finish(path, state, record)
                count += 1
        return count

    def _ready(self) -> list[tuple[Path, _State]]:
        now = self._clock()
        there = self._there()
        for path, state in there.items():
            known = self._changed.get(path)
            if known is None or known[0] != state:
                self._changed[path] = (state, now)
        for gone in self._changed.keys() - there.keys():
            del self._changed[gone]
        ready: list[tuple[Path, _State]] = []
        for path, (state, since) in list(self._changed.items()):
            if now - since < self._options.settle_s:
                continue
            failed = self._rows.failed(self._key(path, state))
            if failed is None:
                ready.append((path, state))
            else:  # the program ended between the row and the move
                self._put_away(path, state, failed)
        return ready

    def _there(self) -> dict[Path, _State]:
        aside = [
            folder.resolve() for folder in (self._options.done, self._options.failed) if folder
        ]
        found: dict[Path, _State] = {}
        try:
            for path in walk(self._folder):
                if not _is_recording(path) or any(map(path.resolve().is_relative_to, aside)):
                    continue
                with contextlib.suppress(FileNotFoundError):
                    stat = path.stat()
                    found[path] = _State(stat.st_size, stat.st_mtime_ns)
        except AudioNotFoundError as e:  # a network share that is away for now
            if self._readable:
                logger.warning("%s; trying again", e)
            self._readable = False
            return {}
        self._readable = True
        return found

    def _finish(self, path: Path, state: _State, record: Record) -> None:
        self._rows.add(self._key(path, state), record)
        if record.result is None:
            logger.warning("%s", (record.error or {}).get("message"))
        else:
            result = record.result
            logger.info("%s: %s %.3f", record.file, result["emotion"], result["confidence"])
        self._put_away(path, state, record.result is None)

    def _put_away(self, path: Path, state: _State, failed: bool) -> None:
        target = self._options.failed if failed else self._options.done
        key = self._key(path, state)
        if target is None or key in self._immovable:
            return
        try:
            move(path, target / path.relative_to(self._folder))
        except OSError as e:  # it has its row, so it is not done again
            self._immovable.add(key)
            logger.error("%s cannot be moved to %s: %s", path, target, e.strerror or e)

    def _key(self, path: Path, state: _State) -> str:
        return f"{self._name(path)}\t{state.size}\t{state.mtime_ns}"

    def _name(self, path: Path) -> str:
        return readable(path.relative_to(self._folder).as_posix())


def move(path: Path, target: Path) -> Path:
    """Moves a file without ever replacing another; it is in one place or in the other.

    Args:
        path: The file.
        target: Where it goes; a number is added to the name where that is taken.

    Returns:
        Where it is now.

    Raises:
        OSError: It cannot be moved.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    free, number = target, 2
    while free.exists():
        free, number = target.with_name(f"{target.stem} ({number}){target.suffix}"), number + 1
    try:
        os.rename(path, free)
    except OSError as e:
        if e.errno != errno.EXDEV:
            raise
        partial = free.with_name(f".{free.name}.partial")
        shutil.copy2(path, partial)
        os.rename(partial, free)
        path.unlink()
    return free


def _is_recording(path: Path) -> bool:
    name = path.name.lower()
    return may_be_recording(path.name) and not name.endswith(_UNFINISHED)
