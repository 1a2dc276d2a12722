"""Lines in a file: written one by one, read from any of them on, by several readers."""

from __future__ import annotations

import threading
from array import array
from pathlib import Path
from typing import Final

_READ_BYTES: Final = 1 << 20


class LineSpool:
    """Lines that are appended and stay; safe to use from several threads.

    Args:
        path: The file; made with the first line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._ends = array("Q", [0])  # of each line in the file, in bytes

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, line: bytes) -> None:
        """Adds a line.

        Args:
            line: Without a line break.

        Raises:
            OSError: It cannot be written; the lines before it stay.
        """
        with self._lock, self._path.open("ab") as file:
            file.truncate(self._ends[-1])  # what a full disk left of another one
            file.write(line + b"\n")
            file.flush()  # readers may see its end from now on
            self._ends.append(file.tell())

    def line(self, number: int) -> bytes:
        """One line, without its line break.

        Raises:
            IndexError: There is no such line yet.
            OSError: The file is gone.
        """
        start, end = self._ends[number], self._ends[number + 1]
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read(end - start - 1)

    def read(self, start: int) -> tuple[bytes, int]:
        """Some whole lines from one on: about a megabyte, or a single longer one.

        Args:
            start: The first line wanted, from 0.

        Returns:
            The lines with their line breaks, empty where there are none yet, and the number of
            the line after them.

        Raises:
            OSError: The file is gone.
        """
        ends = self._ends
        count = len(ends) - 1
        if start >= count:
            return b"", start
        stop = start + 1
        while stop < count and ends[stop + 1] - ends[start] <= _READ_BYTES:
            stop += 1
        with self._path.open("rb") as file:
            file.seek(ends[start])
            return file.read(ends[stop] - ends[start]), stop
