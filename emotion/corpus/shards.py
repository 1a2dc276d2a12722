"""A table in parts: a folder with a file for every few dozen recordings.

``_plan.json`` says what the table is and comes first; ``part-00000.parquet`` and its fellows appear
when they are complete, in any order; ``_SUCCESS`` comes last. Whatever is killed, a part is there
as a whole or not at all, so a recording is never in the table twice. Readers such as pandas, DuckDB
and Spark take the folder as one table and pass over names that begin with ``_``.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emotion.core.corpus_errors import JournalError, TableExistsError
from emotion.core.errors import ConfigError, OutputError
from emotion.corpus.inputs import Input, Inputs
from emotion.corpus.journal import keys_of, refuse_changes
from emotion.corpus.locks import WriterLock
from emotion.corpus.rows import Record
from emotion.corpus.tables import FAILED, WRITERS, outcome_of, outcomes_of, read_jsonl, write_table
from emotion.storage.whole_files import write_whole

PART_SIZE: Final = 64  # recordings; what a kill loses is at most a part of each worker
_PART_BYTES: Final = 256 << 20  # so that parts of hour-long recordings have fewer
_VERSION: Final = 1
_PLAN: Final = "_plan.json"
_COMPLETE: Final = "_SUCCESS"


@dataclass(frozen=True)
class Part:
    """Recordings whose rows are in one file.

    Attributes:
        number: From 0.
        items: The recordings, in order.
        digest: What tells it apart: its recordings and the states of their files.
    """

    number: int
    items: tuple[Input, ...]
    digest: str = ""


def split(items: Iterable[Input], size: int = PART_SIZE) -> list[Part]:
    """Recordings in parts, in order; looks at each file once.

    Args:
        items: The recordings.
        size: Of a part, at most; also closed at 256 MB of files.
    """
    parts: list[Part] = []
    begun: list[tuple[Input, str]] = []
    size_bytes = 0
    first, second = itertools.tee(items)
    for item, (key, own) in zip(first, keys_of(second), strict=True):
        if begun and (len(begun) >= size or size_bytes + own > _PART_BYTES):
            parts.append(_part(len(parts), begun))
            begun, size_bytes = [], 0
        begun.append((item, key))
        size_bytes += own
    return [*parts, _part(len(parts), begun)] if begun else parts


def _part(number: int, begun: Sequence[tuple[Input, str]]) -> Part:
    digest = hashlib.sha256("\n".join(key for _, key in begun).encode("utf-8", "replace"))
    return Part(number, tuple(item for item, _ in begun), digest.hexdigest()[:16])


class Shards:
    """The folder of one table; use it as a context manager.

    Args:
        folder: Where it goes.
        inputs: The recordings.
        about: What must stay the same if it is continued: options and model.
        suffix: ``.parquet``, ``.csv`` or ``.jsonl``.
        size: Recordings of a part, at most.
        resume: Continue where an earlier one ended, if there is one.
        overwrite: Begin anew even where there is one.
        retry_failed: Do parts again in which recordings failed; only with ``resume``.

    Attributes:
        parts: All parts.

    Raises:
        ConfigError: The folder is none, or holds something else.
        TableExistsError: There is a table in it already.
        JournalError: That is of other options or recordings, or cannot be read.
        JournalBusyError: Another process writes it.
        OutputError: It cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        inputs: Inputs,
        about: Mapping[str, Any],
        suffix: str = ".parquet",
        size: int = PART_SIZE,
        *,
        resume: bool = False,
        overwrite: bool = False,
        retry_failed: bool = False,
    ) -> None:
        self._folder, self._columns, self._suffix = folder, inputs.columns, suffix
        self.parts = split(inputs.items, size)
        self._digits = max(5, len(str(len(self.parts))))
        _check_folder(folder)
        with self._reported():
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = WriterLock(folder, folder / _PLAN)
        try:
            self._begin(about, resume and not overwrite, overwrite)
            with self._reported():
                names = set(os.listdir(folder))
            self._done = {part.number for part in self.parts if self.path(part).name in names}
            self._added: dict[int, Counter[str]] = {}  # outcomes of the parts that were added
            if retry_failed:
                self._forget_failed()
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Shards:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    @property
    def done(self) -> int:
        """How many recordings have ended."""
        return sum(len(part.items) for part in self.parts if part.number in self._done)

    def left(self) -> list[Part]:
        """The parts that are not there."""
        return [part for part in self.parts if part.number not in self._done]

    def path(self, part: Part) -> Path:
        """Where the file of a part is, or will be."""
        return self._folder / f"part-{part.number:0{self._digits}}{self._suffix}"

    def add(self, part: Part, records: Sequence[Record]) -> None:
        """Writes the file of a part; it is there as a whole when this returns.

        Args:
            part: The part.
            records: What became of its recordings, in their order.

        Raises:
            OutputError: It cannot be written.
        """
        if [record.file for record in records] != [item.name for item in part.items]:
            raise ValueError(f"part {part.number} was given the rows of other recordings")
        write_table(self.path(part), records, self._columns)
        self._done.add(part.number)
        self._added[part.number] = Counter(map(outcome_of, records))

    def outcomes(self) -> Counter[str]:
        """Recordings by emotion; those that failed under ``failed``. Reads parts of earlier runs.

        Raises:
            JournalError: A part cannot be read.
        """
        counts: Counter[str] = Counter()
        for part in self.parts:
            if part.number in self._done:
                counts.update(self._added.get(part.number) or self._outcomes(part))
        return counts

    def records(self) -> Iterator[Record]:
        """The records of a complete table of JSON lines, in the order of the recordings.

        Raises:
            JournalError: A part cannot be read.
        """
        for part in self.parts:
            try:
                yield from read_jsonl(self.path(part))
            except (OSError, ValueError, KeyError) as e:
                raise JournalError(file=self.path(part), reason=f"it cannot be read: {e}") from e

    def finish(self) -> None:
        """Says that the table is complete.

        Raises:
            OutputError: That cannot be written.
        """
        if self.left():
            raise ValueError("there are parts left")
        write_whole(self._folder / _COMPLETE, lambda file: file.write(""))

    def _outcomes(self, part: Part) -> list[str]:
        path = self.path(part)
        try:
            found = list(outcomes_of(path))
        except (OSError, ValueError, KeyError, TypeError) as e:
            raise JournalError(file=path, reason=f"it cannot be read: {e}") from e
        if len(found) != len(part.items):
            reason = f"it has {len(found)} rows, but should have {len(part.items)}"
            raise JournalError(file=path, reason=reason)
        return found

    def _forget_failed(self) -> None:
        for part in self.parts:
            if part.number in self._done and FAILED in self._outcomes(part):
                self._done.discard(part.number)

    def _begin(self, about: Mapping[str, Any], resume: bool, overwrite: bool) -> None:
        plan = self._folder / _PLAN
        now = {
            "version": _VERSION,
            "about": {**about, "format": self._suffix.removeprefix(".")},
            "columns": list(self._columns),
            "parts": [part.digest for part in self.parts],
        }
        if plan.exists() and not (resume or overwrite):
            raise TableExistsError(file=self._folder)
        self._remove_partial()
        if resume and plan.exists():
            _check_plan(plan, now)
        else:
            self._remove_all()
            write_whole(plan, lambda file: json.dump(now, file, ensure_ascii=False))

    def _remove_partial(self) -> None:
        with self._reported():
            for path in self._folder.glob(".*.partial"):  # of a process that was killed
                path.unlink(missing_ok=True)

    def _remove_all(self) -> None:
        with self._reported():
            for name in (_COMPLETE, _PLAN):
                (self._folder / name).unlink(missing_ok=True)
            for path in filter(is_part, list(self._folder.iterdir())):
                path.unlink()

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise OutputError(path=self._folder, reason=e.strerror or str(e)) from e


def is_complete(folder: Path) -> bool:
    """Whether a folder holds a complete table."""
    return (folder / _COMPLETE).is_file()


def is_part(path: Path) -> bool:
    """Whether a file is that of a part, by its name."""
    return path.name.startswith("part-") and path.suffix in WRITERS


def _check_folder(folder: Path) -> None:
    """Refuses to write among files of others."""
    expected = "a new or empty folder, or that of an earlier batch: the table is written in parts"
    if folder.is_dir():
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        ok = not names or _PLAN in names or names <= {f"{_PLAN}.lock"}
    else:
        ok = not folder.exists()
    if not ok:
        raise ConfigError(option="out", value=str(folder), expected=expected)


def _check_plan(path: Path, now: Mapping[str, Any]) -> None:
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        about, parts = before["about"], before["parts"]
        refuse_changes(path, about, now["about"])
        same = parts == now["parts"] and before["columns"] == now["columns"]
        if before["version"] != _VERSION:
            raise JournalError(file=path, reason="it is of another version of this program")
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise JournalError(file=path, reason="it is not the plan of a batch") from e
    if not same:
        reason = "the recordings, or the sizes of the parts, are not those that it began with"
        raise JournalError(file=path, reason=reason)
