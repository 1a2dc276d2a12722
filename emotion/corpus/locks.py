"""One process at a time writes a table."""

from __future__ import annotations

import contextlib
from pathlib import Path

from filelock import FileLock, Timeout

from emotion.core.corpus_errors import JournalBusyError


class WriterLock:
    """The right to write a table, or a folder of parts, for as long as this process lives.

    Args:
        written: What is written, for the error.
        beside: The lock's own file is this name with ``.lock`` behind it.

    Raises:
        JournalBusyError: Another process has it.
        OSError: The lock's file cannot be made.
    """

    def __init__(self, written: Path, beside: Path) -> None:
        self._lock = FileLock(beside.with_name(beside.name + ".lock"))
        try:
            self._lock.acquire(timeout=0)
        except Timeout as e:
            raise JournalBusyError(file=written) from e

    def release(self) -> None:
        """Gives it back."""
        self._lock.release()
        with contextlib.suppress(OSError):
            Path(self._lock.lock_file).unlink(missing_ok=True)
