"""Tables of results: CSV for spreadsheets, JSON lines and Parquet for programs.

Rows are written as they come, so a table of any length takes little memory, under a temporary name
that becomes the table's own when it is complete.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from emotion.core.errors import ConfigError, OutputError
from emotion.corpus.rows import COLUMNS, Kind, Record, Value, input_names, row_of

_ENCODING: Final = "utf-8-sig"  # Excel takes UTF-8 only with a byte order mark
_ROWS_AT_ONCE: Final = 1000  # of Parquet: a row group
_DECIMALS: Final = 4
FAILED: Final = "failed"


def write_table(path: Path, records: Iterable[Record], columns: Sequence[str] = ()) -> None:
    """Writes a table in the format that its name asks for: .csv, .jsonl or .parquet.

    Args:
        path: Where it goes; replaced where it exists.
        records: The recordings, in order.
        columns: The user's own columns.

    Raises:
        ConfigError: No format has such a name.
        OutputError: It cannot be written.
    """
    write = writer_for(path)
    # Short, and on the same file system, so that the last step is one rename.
    partial = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        write(partial, records, columns)
        os.replace(partial, path)
    except OSError as e:
        raise OutputError(path=path, reason=e.strerror or str(e)) from e
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def writer_for(path: Path) -> Callable[[Path, Iterable[Record], Sequence[str]], None]:
    """What writes the format that a name asks for.

    Raises:
        ConfigError: No format has such a name.
    """
    writer = WRITERS.get(path.suffix.lower())
    if writer is None:
        expected = f"a name that ends in {', '.join(WRITERS)}"
        raise ConfigError(option="out", value=path.name, expected=expected)
    return writer


def write_csv(path: Path, records: Iterable[Record], columns: Sequence[str] = ()) -> None:
    """A row a recording; the user's columns follow the name."""
    names = input_names(columns)
    with path.open("w", encoding=_ENCODING, errors="replace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_header(names.values()))
        for record in records:
            writer.writerow(csv_cells(record, columns))


def csv_cells(record: Record, columns: Sequence[str] = ()) -> list[Any]:
    """A record as the cells of its row in a CSV."""
    return [_cell(value) for value in _values(record, columns)]


def write_jsonl(path: Path, records: Iterable[Record], columns: Sequence[str] = ()) -> None:  # noqa: ARG001  # records carry them
    """An object a line: the name, the user's columns, and the whole result or the error."""
    with path.open("w", encoding="utf-8", errors="replace") as file:
        for record in records:
            json.dump(record.to_dict(), file, ensure_ascii=False, allow_nan=False)
            file.write("\n")


def write_parquet(path: Path, records: Iterable[Record], columns: Sequence[str] = ()) -> None:
    """The columns of the CSV with their types; the user's are texts."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {"text": pa.string(), "number": pa.float64(), "truth": pa.bool_()}
    names = _header(input_names(columns).values())
    schema = pa.schema([(name, types[_kind(name)]) for name in names])
    with pq.ParquetWriter(path, schema) as writer:
        for rows in _groups(_values(record, columns) for record in records):
            arrays = [
                pa.array(values, field.type)
                for values, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


WRITERS: Final[dict[str, Callable[[Path, Iterable[Record], Sequence[str]], None]]] = {
    ".csv": write_csv,
    ".jsonl": write_jsonl,
    ".parquet": write_parquet,
}


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file.

    Args:
        path: The file.
        columns: Only these; all by default.

    Raises:
        OSError: It cannot be opened.
        ValueError: It is none.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=columns):
            yield from batch.to_pylist()


def read_jsonl(path: Path) -> Iterator[Record]:
    """The records of a file that `write_jsonl` wrote.

    Raises:
        OSError: It cannot be opened.
        ValueError: A line is no JSON.
        KeyError: A line is no record.
    """
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield Record.from_dict(json.loads(line))


def outcome_of(record: Record) -> str:
    """The emotion of a recording; ``failed`` where it has none."""
    return str(record.result["emotion"]) if record.result else FAILED


def outcomes_of(path: Path) -> Iterator[str]:
    """The emotion of each recording in a table that `write_table` wrote; ``failed`` for failures.

    Raises:
        OSError: It cannot be opened.
        ValueError: It is no such table.
        KeyError: It lacks columns.
    """
    rows: Iterable[Mapping[str, Any]]
    with contextlib.ExitStack() as open_files:
        if path.suffix.lower() == ".jsonl":
            yield from map(outcome_of, read_jsonl(path))
            return
        if path.suffix.lower() == ".parquet":
            rows = read_parquet(path, ["status", "emotion"])
        else:
            file = open_files.enter_context(path.open(encoding=_ENCODING, newline=""))
            rows = csv.DictReader(file)
        for row in rows:
            yield FAILED if row["status"] == FAILED else str(row["emotion"])


def _header(own: Iterable[str]) -> list[str]:
    first, *rest = COLUMNS
    return [first, *own, *rest]


def _kind(name: str) -> Kind:
    return COLUMNS.get(name, "text")


def _values(record: Record, columns: Sequence[str]) -> list[Value]:
    first, *rest = row_of(record).values()
    return [first, *(record.columns.get(name, "") for name in columns), *rest]


def _cell(value: Value) -> Any:
    if isinstance(value, bool):
        return int(value)
    return round(value, _DECIMALS) if isinstance(value, float) else value


def _groups(rows: Iterable[list[Value]]) -> Iterator[list[list[Value]]]:
    rest = iter(rows)
    while group := list(islice(rest, _ROWS_AT_ONCE)):
        yield group
