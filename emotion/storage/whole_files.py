"""Text files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

from emotion.core.errors import OutputError

_CSV: Final = "utf-8-sig"  # Excel takes UTF-8 only with a byte order mark


def write_whole(path: Path, write: Callable[[TextIO], object]) -> Path:
    """Writes a text file that is there whole or not at all; a CSV with a byte order mark.

    Args:
        path: The file; its folder is made where it is not there.
        write: Writes into it.

    Raises:
        OutputError: It cannot be written.
    """
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    encoding = _CSV if path.suffix == ".csv" else "utf-8"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("w", encoding=encoding, errors="replace", newline="") as file:
            write(file)
        os.replace(partial, path)
    except OSError as e:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise OutputError(path=path, reason=e.strerror or str(e)) from e
    return path
