"""What a job leaves as files: tables of its results, and one ZIP file with all of it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from emotion.core.errors import JobNotFoundError
from emotion.corpus.bundle import bundle
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
    """The blocks of a ZIP file with the tables and the files of each stored run."""
    plan = batch.plan
    return bundle(
        lambda: records(batch),
        plan.beside.columns,
        lambda run_id: store.files(run_id, batch.owner),
        plan.folder,
    )
