"""One ZIP file with every output of a batch: its tables, and the files of each run."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from emotion.core.errors import OutputError, RunNotFoundError
from emotion.corpus.rows import Record
from emotion.corpus.tables import WRITERS, write_table
from emotion.storage.zipping import zipped

_UNSAFE: Final = str.maketrans(dict.fromkeys('<>:"|?*\\' + "".join(map(chr, range(32))), "_"))


def bundle(
    records: Callable[[], Iterable[Record]],
    columns: Sequence[str],
    files_of: Callable[[str], Sequence[Path]],
    scratch: Path,
) -> Iterator[bytes]:
    """The blocks of the ZIP file.

    It has ``results.csv``, ``.jsonl``, ``.parquet`` and ``recordings/NAME/`` for each stored run.
    Runs that were deleted meanwhile are left out; their rows stay in the tables.

    Args:
        records: Gives the recordings, in order, each time it is called.
        columns: The user's own columns.
        files_of: The files of a run by its id.
        scratch: Where each table is written before it is sent.

    Raises:
        OutputError: A table cannot be written.
        OSError: A file cannot be read.
    """
    return zipped(_members(records, columns, files_of, scratch))


def write_bundle(
    path: Path,
    records: Callable[[], Iterable[Record]],
    columns: Sequence[str],
    files_of: Callable[[str], Sequence[Path]],
) -> None:
    """Writes the ZIP file.

    Args:
        path: Where it goes; replaced where it exists.
        records: Gives the recordings, in order, each time it is called.
        columns: The user's own columns.
        files_of: The files of a run by its id.

    Raises:
        OutputError: It cannot be written.
    """
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        with partial.open("wb") as file:
            file.writelines(bundle(records, columns, files_of, path.parent))
        os.replace(partial, path)
    except OSError as e:
        raise OutputError(path=path, reason=e.strerror or str(e)) from e
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _members(
    records: Callable[[], Iterable[Record]],
    columns: Sequence[str],
    files_of: Callable[[str], Sequence[Path]],
    scratch: Path,
) -> Iterator[tuple[str, Path]]:
    with tempfile.TemporaryDirectory(prefix=".tables-", dir=scratch) as folder:
        for suffix in WRITERS:
            table = Path(folder, f"results{suffix}")
            write_table(table, records(), columns)
            yield table.name, table
            table.unlink()
    taken: set[str] = set()
    for record in records():
        if record.run_id is not None:
            name = folder_of(record.file, taken)
            # Whoever deleted the run in the meantime did not want it here either.
            with contextlib.suppress(RunNotFoundError, FileNotFoundError):
                for file in files_of(record.run_id):
                    yield f"recordings/{name}/{file.name}", file


def folder_of(name: str, taken: set[str]) -> str:
    """The folder of a recording in the ZIP file: its name, safe on every system, each once.

    Args:
        name: Its name, with ``/`` between folders.
        taken: The folders so far, in lower case; the new one is added.
    """
    parts = (part.translate(_UNSAFE).strip(" .") for part in name.split("/"))
    wanted = "/".join(part for part in parts if part) or "recording"
    folder, number = wanted, 2
    while folder.lower() in taken:  # Windows and macOS take both for the same
        folder, number = f"{wanted} ({number})", number + 1
    taken.add(folder.lower())
    return folder
