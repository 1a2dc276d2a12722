"""One ZIP file with every output of a batch: its tables, and the files of each run."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from emotion.core.errors import OutputError, RunNotFoundError
from emotion.corpus.rows import Record
from emotion.corpus.tables import WRITERS, write_table

_STORED: Final = frozenset({".wav", ".npy", ".npz"})  # deflate gains little on them
_UNSAFE: Final = str.maketrans(dict.fromkeys('<>:"|?*\\' + "".join(map(chr, range(32))), "_"))


def write_bundle(
    path: Path,
    records: Callable[[], Iterable[Record]],
    columns: Sequence[str],
    files_of: Callable[[str], Sequence[Path]],
) -> None:
    """Writes ``results.csv``, ``.jsonl``, ``.parquet`` and ``runs/NAME/`` for each stored run.

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
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as bundle:
            _add_tables(bundle, path.parent, records, columns)
            taken: set[str] = set()
            for record in records():
                if record.run_id is not None:
                    _add_run(bundle, folder_of(record.file, taken), record.run_id, files_of)
        os.replace(partial, path)
    except OSError as e:
        raise OutputError(path=path, reason=e.strerror or str(e)) from e
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _add_tables(
    bundle: zipfile.ZipFile,
    beside: Path,
    records: Callable[[], Iterable[Record]],
    columns: Sequence[str],
) -> None:
    with tempfile.TemporaryDirectory(prefix=".tables-", dir=beside) as folder:
        for suffix in WRITERS:
            table = Path(folder, f"results{suffix}")
            write_table(table, records(), columns)
            bundle.write(table, table.name)


def _add_run(
    bundle: zipfile.ZipFile, folder: str, run_id: str, files_of: Callable[[str], Sequence[Path]]
) -> None:
    # Whoever deleted the run in the meantime did not want it here either.
    with contextlib.suppress(RunNotFoundError, FileNotFoundError):
        for file in files_of(run_id):
            stored = file.suffix in _STORED
            method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            bundle.write(file, f"runs/{folder}/{file.name}", method)


def folder_of(name: str, taken: set[str]) -> str:
    """The folder of a recording in the bundle: its name, safe on every system, each once.

    Args:
        name: Its name, with ``/`` between folders.
        taken: The folders so far; the new one is added.
    """
    parts = (part.translate(_UNSAFE).strip(" .") for part in name.split("/"))
    wanted = "/".join(part for part in parts if part) or "recording"
    folder, number = wanted, 2
    while folder.lower() in taken:  # Windows and macOS take both for the same
        folder, number = f"{wanted} ({number})", number + 1
    taken.add(folder.lower())
    return folder
