"""The journal of a batch: what has been done, safe against being killed at any moment.

The first line says what the batch is; each further line is one recording that has ended. A line
that was not written to its end is dropped. Memory holds a place in the file for each recording and
nothing of its result.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from emotion.core.corpus_errors import JournalError, TableExistsError
from emotion.core.errors import OutputError
from emotion.corpus.inputs import Excerpt, Input, Packed
from emotion.corpus.locks import WriterLock
from emotion.corpus.remote import Remote
from emotion.corpus.rows import Record

_VERSION: Final = 1
_ABSENT: Final = -1


class Journal:
    """The journal of one batch; use it as a context manager.

    Args:
        table: The table that the batch makes; the journal lies beside it.
        inputs: Its recordings, in order.
        about: What must stay the same if it is continued: options and model.
        resume: Continue where an earlier one ended, if there is one.
        overwrite: Begin anew even where there is a table or a journal.
        retry_failed: Do those again that failed; only with ``resume``.

    Attributes:
        path: The journal's file.

    Raises:
        TableExistsError: There is a table or a journal already.
        JournalError: It is of other options, or it cannot be read.
        JournalBusyError: Another process writes it.
        OutputError: It cannot be written.
    """

    def __init__(
        self,
        table: Path,
        inputs: Sequence[Input],
        about: Mapping[str, Any],
        *,
        resume: bool = False,
        overwrite: bool = False,
        retry_failed: bool = False,
    ) -> None:
        self.path = journal_of(table)
        self._table = table
        self._header: dict[str, Any] = {"version": _VERSION, "about": dict(about)}
        self._keys = [key for key, _ in keys_of(inputs)]
        self._places = [_ABSENT] * len(inputs)
        with self._reported():
            table.parent.mkdir(parents=True, exist_ok=True)
            self._lock = WriterLock(table, self.path)
        try:
            exists = next((file for file in (self.path, table) if file.exists()), None)
            if exists is not None and not (overwrite or resume):
                raise TableExistsError(file=exists)
            continued = resume and not overwrite and self.path.exists()
            with self._reported():
                self._file = self.path.open("r+b" if continued else "w+b")
        except BaseException:
            self._lock.release()
            raise
        try:
            if continued:
                self._read(retry_failed)
            else:
                self._append(self._header)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the journal as it is, for another time."""
        self._file.close()
        self._lock.release()

    @property
    def done(self) -> int:
        """How many recordings have ended."""
        return sum(place != _ABSENT for place in self._places)

    def left(self) -> list[int]:
        """The places of the recordings that have not ended."""
        return [index for index, place in enumerate(self._places) if place == _ABSENT]

    def add(self, index: int, record: Record) -> None:
        """Keeps a recording that has ended; it is on its way to the disk when this returns.

        Raises:
            OutputError: It cannot be written.
        """
        place = self._append({"key": self._keys[index], "record": record.to_dict()})
        self._places[index] = place

    def records(self) -> Iterator[Record]:
        """The recordings that have ended, in the order of the inputs."""
        for place in self._places:
            if place != _ABSENT:
                self._file.seek(place)
                yield Record.from_dict(json.loads(self._file.readline())["record"])

    def finish(self) -> None:
        """Removes the journal, once its table is complete."""
        self._file.close()
        with self._reported():
            self.path.unlink()

    def _append(self, line: Mapping[str, Any]) -> int:
        data = json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        with self._reported():
            place = self._file.seek(0, 2)
            try:
                self._file.write(data)
                self._file.flush()
            except OSError:  # a full disk: nothing half-written stays
                with contextlib.suppress(OSError):
                    self._file.truncate(place)
                raise
        return place

    def _read(self, retry_failed: bool) -> None:
        self._check_header()
        wanted = {key: index for index, key in enumerate(self._keys)}
        place = self._file.tell()
        while line := self._file.readline():
            entry = _parsed(line)
            if entry is None:
                break
            index = wanted.get(str(entry["key"]))
            if index is not None:
                failed = entry["record"].get("status") == "failed"
                self._places[index] = _ABSENT if failed and retry_failed else place
            place = self._file.tell()
        with self._reported():
            self._file.truncate(place)

    def _check_header(self) -> None:
        header = _parsed(self._file.readline())
        if header is None or "about" not in header:
            raise JournalError(file=self.path, reason="it is not a journal of a batch")
        if header.get("version") != _VERSION:
            raise JournalError(file=self.path, reason="it is of another version of this program")
        refuse_changes(self.path, header["about"], self._header["about"])

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise OutputError(path=self._table, reason=e.strerror or str(e)) from e


def journal_of(table: Path) -> Path:
    """Where the journal of a table lies."""
    return table.with_name(table.name + ".journal")


def refuse_changes(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuses to continue a batch with other options.

    Args:
        path: Where the options that it began with are kept.
        before: Those.
        now: The ones now, perhaps with tuples in place of lists.

    Raises:
        JournalError: They differ.
    """
    now = json.loads(json.dumps(now))
    for name in dict.fromkeys((*now, *before)):
        if before.get(name) != now.get(name):
            reason = f"it has {name} {before.get(name)!r}, now it is {now.get(name)!r}"
            raise JournalError(file=path, reason=reason)


def keys_of(inputs: Iterable[Input]) -> Iterator[tuple[str, int]]:
    """What tells recordings apart, and how large their files are.

    Yields:
        The name, how often it came before, and the file's state, as one text; and the size in
        bytes, 0 where it is not known.
    """
    seen: dict[str, int] = {}
    for item in inputs:
        state, size_bytes = _state(item)
        key = f"{item.name}\t{state}"
        seen[key] = seen.get(key, 0) + 1
        yield f"{key}\t{seen[key]}", size_bytes


def _state(item: Input) -> tuple[str, int]:
    source = item.source.whole if isinstance(item.source, Excerpt) else item.source
    if isinstance(source, Remote):
        return f"{source.size_bytes}", source.size_bytes or 0
    path = source.archive if isinstance(source, Packed) else source
    found = _stat(path) if isinstance(path, Path) else None
    if found is None:
        return "missing", 0
    alone = isinstance(item.source, Path)  # not a part of something larger
    return f"{found.st_size}\t{found.st_mtime_ns}", found.st_size if alone else 0


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None


def _parsed(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None  # not written to its end
    with contextlib.suppress(ValueError):
        data = json.loads(line)
        if isinstance(data, dict):
            return data
    return None
