"""Run folders: complete or not there at all, found again by id, deleted when old.

A run is written under a hidden temporary name beside its final one and renamed when it is complete,
so a reader never sees half a run. A process that was killed leaves only a hidden folder, which the
next run removes. The name of a run's folder, ``outputs_YYYYMMDD_HHMMSS``, is its id everywhere.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.core.errors import OutputError, RunNotFoundError
from emotion.core.similarity_errors import EmbeddingMissingError
from emotion.storage.own_folders import PARTIAL, make_own
from emotion.storage.run_index import RunFilter, RunIndex, RunSummary
from emotion.storage.run_trash import RunTrash

AUDIO_FILE = "processed_audio.wav"
RESULT_FILE = "result.json"
EMBEDDING_FILE = "embedding.npy"
FRAME_EMBEDDINGS_FILE = "embedding_frames.npy"
SEGMENT_EMBEDDINGS_FILE = "embedding_segments.npy"
_OWNER_FILE = ".owner"  # who asked for the run, where that is known
_SUFFIXES = 1000
_ID = re.compile(r"outputs_\d{8}_\d{6}(_\d{3})?")
_STAMP = len("outputs_YYYYMMDD_HHMMSS")


class RunStore:
    """The runs below one folder.

    Args:
        folder: Where runs are kept; made when the first run is written.

    Attributes:
        on_commit: Told the id of each run that is completed or restored; must return at once.
        trash: Runs that were deleted and can be restored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.on_commit: Callable[[str], None] = lambda run_id: None
        self.trash = RunTrash(folder)
        self._index = RunIndex(folder, RESULT_FILE, owner_of)

    def create(self, now: datetime | None = None, owner: str | None = None) -> RunWriter:
        """Begins a run; use the writer as a context manager.

        Args:
            now: Local time of the run.
            owner: Who asks for it, where that is known.

        Raises:
            OutputError: The folder cannot be made.
        """
        return RunWriter(self.folder, now or datetime.now(), owner, self.on_commit)

    def ids(self) -> list[str]:
        """The ids of all runs, newest first; by the names of their folders only."""
        return run_ids(self.folder)

    def find(self, run_id: str, owner: str | None = None) -> Path:
        """The folder of a run.

        Args:
            run_id: Its id.
            owner: Whose it must be; None for anyone's.

        Raises:
            RunNotFoundError: There is no complete run of that id, or it is another one's.
        """
        folder = self.folder / run_id
        if not _ID.fullmatch(run_id) or not (folder / RESULT_FILE).is_file():
            raise RunNotFoundError(run_id=run_id)
        if owner is not None and owner_of(folder) != owner:
            raise RunNotFoundError(run_id=run_id)
        return folder

    def files(self, run_id: str, owner: str | None = None) -> list[Path]:
        """The files of a run by name, without hidden ones.

        Arguments and errors are those of `find`.
        """
        return run_files(self.find(run_id, owner))

    def result(self, run_id: str, owner: str | None = None) -> dict[str, Any]:
        """What ``result.json`` of a run holds.

        Args:
            run_id: Its id.
            owner: Whose it must be; None for anyone's.

        Raises:
            RunNotFoundError: There is no complete run of that id, it is another one's, or its
                result is damaged.
        """
        try:
            text = (self.find(run_id, owner) / RESULT_FILE).read_text(encoding="utf-8")
            data = json.loads(text)
        except (OSError, ValueError) as e:
            raise RunNotFoundError(run_id=run_id) from e
        if not isinstance(data, dict):
            raise RunNotFoundError(run_id=run_id)
        return data

    def search(
        self, *, limit: int = 50, offset: int = 0, where: RunFilter | None = None
    ) -> tuple[list[RunSummary], int]:
        """Runs, newest first, without reading the folder of each.

        Args:
            limit: The most to give.
            offset: How many of the newest to leave out.
            where: Which runs; all by default.

        Returns:
            The runs, and how many there are in all.
        """
        return self._index.search(run_ids(self.folder), limit, offset, where or RunFilter())

    def models(self, owner: str | None = None) -> list[str]:
        """The names of the models that gave the runs, as the last search found them.

        Args:
            owner: Of whose runs; None for everyone's.
        """
        return self._index.models(owner)

    def delete(self, run_id: str, owner: str | None = None, *, undo: bool = False) -> None:
        """Deletes a run.

        Args:
            run_id: Its id.
            owner: Whose it must be; None for anyone's.
            undo: Whether `restore` can bring it back for a while.

        Raises:
            RunNotFoundError: There is no complete run of that id, or it is another one's.
            OutputError: It cannot be deleted.
        """
        folder = self.find(run_id, owner)
        if not undo:
            if not self.delete_all([run_id]):  # deleted by another process just now
                raise RunNotFoundError(run_id=run_id)
            return
        with _reported(self.folder):
            try:
                self.trash.put(folder)
            except FileNotFoundError as e:
                raise RunNotFoundError(run_id=run_id) from e

    def restore(self, run_id: str, owner: str | None = None) -> str:
        """Brings back the run of this id that was deleted last with ``undo``.

        Args:
            run_id: The id that it had.
            owner: Whose it must be; None for anyone's.

        Returns:
            Its id: another suffix than before where its name was taken meanwhile.

        Raises:
            RunNotFoundError: There is none, or no longer, or it is another one's.
            OutputError: It cannot be moved back.
        """
        for deleted in self.trash.find(run_id) if _ID.fullmatch(run_id) else ():
            if owner is not None and owner_of(deleted) != owner:
                continue
            with _reported(self.folder):
                try:
                    restored = _take_name(deleted, self.folder, run_id)
                except FileNotFoundError:  # restored or deleted for good just now
                    continue
            self.trash.close(deleted.parent)
            self.on_commit(restored.name)
            return restored.name
        raise RunNotFoundError(run_id=run_id)

    def delete_all(self, runs: Iterable[str]) -> list[str]:
        """Deletes runs; those that are gone already are left out.

        Args:
            runs: Their ids.

        Returns:
            The ids of the deleted runs.

        Raises:
            OutputError: One of them cannot be deleted.
        """
        deleted: list[str] = []
        with _reported(self.folder), contextlib.ExitStack() as last:
            doomed: Path | None = None
            for run_id in runs:
                with contextlib.suppress(RunNotFoundError, FileNotFoundError):
                    folder = self.find(run_id)
                    if doomed is None:
                        doomed = make_own(self.folder, PARTIAL)
                        last.callback(shutil.rmtree, doomed)
                    # Moved away first, so that no reader sees half a run.
                    folder.rename(doomed / run_id)
                    deleted.append(run_id)
        return deleted

    def delete_older_than(
        self, days: float, now: datetime | None = None, spare_s: float = 0.0
    ) -> list[str]:
        """Deletes old runs and nothing else in the folder.

        Args:
            days: Runs that began earlier than this many days ago are deleted.
            now: Local time.
            spare_s: Runs that were completed within so many seconds are left alone, whenever
                they began.

        Returns:
            The ids of the deleted runs.

        Raises:
            OutputError: One of them cannot be deleted.
        """
        limit = (now or datetime.now()) - timedelta(days=days)
        stamp = limit.strftime("outputs_%Y%m%d_%H%M%S")
        old = (run_id for run_id in self.ids() if run_id < stamp)
        return self.delete_all(run_id for run_id in old if self.age_s(run_id) >= spare_s)

    def age_s(self, run_id: str) -> float:
        """Seconds since the last file of a run was added; infinite where it is gone."""
        try:
            return time.time() - (self.folder / run_id).stat().st_mtime
        except OSError:
            return math.inf

    def size_bytes(self, run_id: str) -> int:
        """What the files of a run take on the disk; 0 where it is gone."""
        total = 0
        with contextlib.suppress(OSError), os.scandir(self.folder / run_id) as entries:
            for entry in entries:
                total += entry.stat(follow_symlinks=False).st_size
        return total


class RunWriter:
    """A run in the making; `commit` gives it its name, leaving the block without that removes it.

    Args:
        outputs_dir: Where runs are kept; made if absent.
        now: Local time of the run.
        owner: Who asks for it, where that is known.
        on_commit: Told the id once the run is complete.

    Raises:
        OutputError: The folder cannot be made.
    """

    def __init__(
        self,
        outputs_dir: Path,
        now: datetime,
        owner: str | None = None,
        on_commit: Callable[[str], None] = lambda run_id: None,
    ) -> None:
        self._outputs_dir = outputs_dir
        self._on_commit = on_commit
        self._stamp = now.strftime("outputs_%Y%m%d_%H%M%S")
        self._owner = owner
        self._final: Path | None = None
        with _reported(outputs_dir):
            outputs_dir.mkdir(parents=True, exist_ok=True)
            self.path = make_own(outputs_dir, PARTIAL)

    def __enter__(self) -> RunWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._final is None:
            shutil.rmtree(self.path, ignore_errors=True)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """The path to write a file of the run to.

        Raises:
            OutputError: The file could not be written within the block.
        """
        with _reported(self._outputs_dir):
            yield self.path / name

    def write_json(self, data: dict[str, Any]) -> None:
        """Writes ``result.json``, UTF-8, Chinese as it is.

        Raises:
            OutputError: It cannot be written.
        """
        with self.writing(RESULT_FILE) as path, path.open("w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False, indent=2, allow_nan=False)
            file.write("\n")

    def write_array(self, name: str, array: NDArray[np.float32]) -> None:
        """Writes one NumPy file.

        Raises:
            OutputError: It cannot be written.
        """
        with self.writing(name) as path:
            np.save(path, array, allow_pickle=False)

    def commit(self) -> Path:
        """Gives the run its final name: with a suffix where that second already has a run.

        Raises:
            OutputError: No name is free, or the folder cannot be renamed.
        """
        with _reported(self._outputs_dir):
            if self._owner is not None:
                (self.path / _OWNER_FILE).write_text(self._owner, encoding="utf-8")
            self.path.chmod(0o755)
            self._final = _take_name(self.path, self._outputs_dir, self._stamp)
        self._on_commit(self._final.name)
        return self._final


def _take_name(folder: Path, outputs_dir: Path, run_id: str) -> Path:
    """Renames a run's folder to an id, or to the next suffix that is free."""
    stamp = run_id[:_STAMP]
    for name in (run_id, *(f"{stamp}_{number:03d}" for number in range(1, _SUFFIXES))):
        final = outputs_dir / name
        if final.exists():
            continue
        try:
            return folder.rename(final)  # fails on a folder with files: takes no other's
        except OSError:
            if not final.exists():
                raise
    raise OutputError(path=outputs_dir, reason=f"{_SUFFIXES} runs in {stamp}")


@contextlib.contextmanager
def _reported(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        raise OutputError(path=folder, reason=e.strerror or str(e)) from e


def run_files(folder: Path) -> list[Path]:
    """The files in a run's folder by name, without hidden ones."""
    return sorted(file for file in folder.iterdir() if file.is_file() and file.name[0] != ".")


def owner_of(folder: Path) -> str | None:
    """Who asked for the run in a folder; None where that was not known."""
    try:
        return (folder / _OWNER_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def load_embedding(folder: Path) -> NDArray[np.float32]:
    """The embedding of a run: float32, (D,).

    Raises:
        EmbeddingMissingError: The run was stored without it, or the file is damaged.
    """
    try:
        embedding = np.load(folder / EMBEDDING_FILE, allow_pickle=False)
    except (OSError, ValueError, EOFError) as e:
        raise EmbeddingMissingError(run_id=folder.name) from e
    if not isinstance(embedding, np.ndarray) or embedding.ndim != 1 or not embedding.size:
        raise EmbeddingMissingError(run_id=folder.name)
    return embedding.astype(np.float32)


def run_ids(folder: Path) -> list[str]:
    """The ids of the runs in a folder, newest first; by their names only."""
    try:
        with os.scandir(folder) as entries:
            return sorted((e.name for e in entries if _ID.fullmatch(e.name)), reverse=True)
    except FileNotFoundError:
        return []
