"""What a job leaves as files: tables of its results, and one ZIP file with all of it."""

from __future__ import annotations

import contextlib
import json
import secrets
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from emotion.core.errors import JobNotFoundError, RunNotFoundError
from emotion.corpus.rows import Record
from emotion.corpus.tables import write_table
from emotion.services.batch import Batch
from emotion.storage.run_store import RunStore

TableKind = Literal["csv", "jsonl", "parquet"]
TABLE_TYPES: Final[dict[TableKind, str]] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
_CHUNK_BYTES: Final = 1 << 18
_STORED: Final = frozenset({".wav", ".npy", ".npz"})  # deflate gains nothing on them
_FORBIDDEN: Final = str.maketrans(dict.fromkeys('<>:"|?*\\', "_"))  # in names on Windows
_OF_ANSWERS: Final = ("run_id", "files", "embedding")  # not in result.json


def records(batch: Batch) -> Iterator[Record]:
    """The recordings that have ended, in the order of the request.

    Raises:
        JobNotFoundError: The job was forgotten meanwhile.
    """
    ended = list(batch.ended)
    for place in sorted(range(len(ended)), key=lambda place: ended[place].index):
        try:
            line = json.loads(batch.lines.line(place))
        except OSError as e:
            raise JobNotFoundError(job_id=batch.id) from e
        columns = batch.plan.items[line["index"]].columns
        problem, result = line.get("problem"), line.get("result")
        if problem is not None:
            told = {"code": "code", "message": "detail", "hint": "hint"}
            error = {name: problem[key] for name, key in told.items()}
            yield Record(line["file"], error=error, columns=columns)
        else:
            run_id = result.get("run_id")
            kept = {name: value for name, value in result.items() if name not in _OF_ANSWERS}
            yield Record(line["file"], kept, run_id=run_id, columns=columns)


def table(batch: Batch, kind: TableKind) -> Path:
    """Writes a table of what has ended into the job's folder; whoever asks for it removes it.

    Raises:
        JobNotFoundError: The job was forgotten meanwhile.
        OutputError: It cannot be written.
    """
    path = batch.plan.folder / f"{secrets.token_hex(8)}.{kind}"
    write_table(path, records(batch), batch.plan.beside.columns)
    return path


def zipped(batch: Batch, store: RunStore) -> Iterator[bytes]:
    """A ZIP file as it is made: the tables, then the files of each stored run.

    Runs that were deleted meanwhile are left out; their rows stay in the tables.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path, temporary in _members(batch, store):
            try:
                yield from _added(archive, sink, name, path)
            finally:
                if temporary:
                    path.unlink(missing_ok=True)
    yield sink.take()


def _members(batch: Batch, store: RunStore) -> Iterator[tuple[str, Path, bool]]:
    for kind in TABLE_TYPES:
        yield f"results.{kind}", table(batch, kind), True
    taken: set[str] = set()
    for one in sorted(batch.ended, key=lambda one: one.index):
        if one.run_id is None:
            continue
        folder = _folder_name(one.file, taken)
        with contextlib.suppress(RunNotFoundError, OSError):
            for path in store.files(one.run_id, batch.owner):
                yield f"recordings/{folder}/{path.name}", path, False


def _folder_name(file: str, taken: set[str]) -> str:
    """A folder for a recording; those of one name get numbers."""
    parts = [part.rstrip(". ") or "_" for part in file.translate(_FORBIDDEN).split("/")]
    wanted = "/".join(parts)
    name, number = wanted, 2
    while name.lower() in taken:
        name, number = f"{wanted} ({number})", number + 1
    taken.add(name.lower())
    return name


def _added(archive: zipfile.ZipFile, sink: _Sink, name: str, path: Path) -> Iterator[bytes]:
    try:
        source = path.open("rb")
        info = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
    except FileNotFoundError:  # deleted just now
        return
    stored = path.suffix in _STORED
    info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with source, archive.open(info, "w") as target:
        while chunk := source.read(_CHUNK_BYTES):
            target.write(chunk)
            yield sink.take()


class _Sink:
    """What a ZIP file is written to; `take` gives what came since the last time."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """There is nothing to close."""

    def take(self) -> bytes:
        chunks, self._chunks = self._chunks, []
        return b"".join(chunks)
