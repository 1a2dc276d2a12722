"""A table that grows by a row at a time, each recording once, whatever kills the program.

Beside the table lies a journal. It is told before a row is written and after it, so that a row that
was not written to its end is taken back at the next start, and no recording is done twice.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final

from emotion.core.corpus_errors import JournalError
from emotion.core.errors import ConfigError, OutputError
from emotion.corpus.journal import journal_of
from emotion.corpus.locks import WriterLock
from emotion.corpus.rows import COLUMNS, Record
from emotion.corpus.tables import csv_cells

SUFFIXES: Final = (".csv", ".jsonl")
_BOM: Final = b"\xef\xbb\xbf"


class RowLog:
    """The table; use it as a context manager.

    Args:
        table: A ``.csv`` or ``.jsonl`` file; made where it is not there, else continued.

    Raises:
        ConfigError: It is of another format.
        JournalBusyError: Another process writes it.
        JournalError: The journal is damaged.
        OutputError: It cannot be written.
    """

    def __init__(self, table: Path) -> None:
        if table.suffix.lower() not in SUFFIXES:
            expected = f"a name that ends in {' or '.join(SUFFIXES)}: rows are added to it"
            raise ConfigError(option="out", value=table.name, expected=expected)
        self._table = table
        self._journal_path = journal_of(table)
        self._failed: dict[str, bool] = {}  # by key
        with self._reported():
            table.parent.mkdir(parents=True, exist_ok=True)
            lock = WriterLock(table, self._journal_path)
        with contextlib.ExitStack() as failing:
            failing.callback(lock.release)
            with self._reported():
                self._rows = failing.enter_context(_opened(table))
                self._journal = failing.enter_context(_opened(self._journal_path))
                self._read_journal()
                if self._rows.seek(0, os.SEEK_END) == 0:
                    self._write(self._rows, self._header())
            self._open = failing.pop_all()

    def __enter__(self) -> RowLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def failed(self, key: str) -> bool | None:
        """Whether the recording with this key failed; None where it has no row."""
        return self._failed.get(key)

    def add(self, key: str, record: Record) -> None:
        """Adds a row; it is on the disk when this returns.

        Args:
            key: What tells the recording apart, on one line.
            record: What became of it.

        Raises:
            OutputError: It cannot be written; the table is as before.
        """
        with self._reported():
            start = self._rows.seek(0, os.SEEK_END)
            self._note({"begun": start})
            try:
                self._write(self._rows, self._line(record))
            except OSError:
                with contextlib.suppress(OSError):
                    self._rows.truncate(start)
                raise
            failed = record.result is None
            self._note({"done": key, "failed": failed})
        self._failed[key] = failed

    def _note(self, entry: dict[str, object]) -> None:
        place = self._journal.seek(0, os.SEEK_END)
        try:
            self._write(self._journal, json.dumps(entry).encode() + b"\n")
        except OSError:
            with contextlib.suppress(OSError):
                self._journal.truncate(place)
            raise

    @staticmethod
    def _write(file: BinaryIO, data: bytes) -> None:
        file.write(data)  # without a buffer, so nothing is left to be written later
        os.fsync(file.fileno())

    def _header(self) -> bytes:
        return _BOM + _csv(list(COLUMNS)) if self._is_csv else b""

    def _line(self, record: Record) -> bytes:
        if self._is_csv:
            return _csv(csv_cells(record))
        text = json.dumps(record.to_dict(), ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8", "replace") + b"\n"

    @property
    def _is_csv(self) -> bool:
        return self._table.suffix.lower() == ".csv"

    def _read_journal(self) -> None:
        begun: int | None = None
        place = 0
        for line in self._journal.read().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break  # not written to its end
            try:
                entry = json.loads(line)
                begun = int(entry["begun"]) if "begun" in entry else None
                if begun is None:
                    self._failed[str(entry["done"])] = bool(entry["failed"])
            except (ValueError, TypeError, KeyError) as e:
                reason = "it is not a journal of this program"
                raise JournalError(file=self._journal_path, reason=reason) from e
            place += len(line)
        self._journal.truncate(place)
        if begun is not None and begun < self._rows.seek(0, os.SEEK_END):
            self._rows.truncate(begun)

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise OutputError(path=self._table, reason=e.strerror or str(e)) from e


def _opened(path: Path) -> BinaryIO:
    path.touch()
    return path.open("r+b", buffering=0)


def _csv(cells: list[object]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue().encode("utf-8", "replace")
