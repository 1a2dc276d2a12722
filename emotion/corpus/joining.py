"""Which row of a user's tables is about which recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emotion.corpus.manifests import Entry, UserTable


@dataclass(frozen=True)
class Joined:
    """User's tables beside recordings.

    Attributes:
        columns: The columns of all tables, in order.
        of_files: The columns of each recording that a row names, by its place.
        rows: How many rows there are.
        rows_alone: Rows that name none of the recordings, by the names in them.
    """

    columns: tuple[str, ...]
    of_files: Mapping[int, Mapping[str, str]]
    rows: int
    rows_alone: tuple[str, ...]


def join(files: Sequence[str], tables: Sequence[tuple[str, UserTable]]) -> Joined:
    """Finds the row of each recording.

    A row names a recording by its path, by the end of its path, by its path beside the table, or
    by its base name alone. The first row of a recording counts.

    Args:
        files: The names of the recordings, with ``/`` between folders.
        tables: The tables with their own names.
    """
    rows = [
        (_clean(entry.file), name.rpartition("/")[0], entry)
        for name, table in tables
        for entry in table.entries
    ]
    paths: dict[str, Entry] = {}
    bases: dict[str, list[Entry]] = {}
    for path, folder, entry in rows:
        paths.setdefault(path, entry)
        if folder:
            paths.setdefault(f"{folder}/{path}", entry)
        bases.setdefault(_base(path), []).append(entry)
    matched = {place: _of(file, paths, bases) for place, file in enumerate(files)}
    found = {place: entry for place, entry in matched.items() if entry is not None}
    used = {id(entry) for entry in found.values()}
    return Joined(
        tuple(dict.fromkeys(column for _, table in tables for column in table.columns)),
        {place: entry.columns for place, entry in found.items()},
        len(rows),
        tuple(entry.file for _, _, entry in rows if id(entry) not in used),
    )


def _of(file: str, paths: Mapping[str, Entry], bases: Mapping[str, list[Entry]]) -> Entry | None:
    parts = _clean(file).split("/")
    for start in range(len(parts)):
        entry = paths.get("/".join(parts[start:]))
        if entry is not None:
            return entry
    same = bases.get(parts[-1], [])
    return same[0] if len(same) == 1 else None


def _clean(path: str) -> str:
    return "/".join(part for part in path.replace("\\", "/").split("/") if part not in ("", "."))


def _base(path: str) -> str:
    return path.rpartition("/")[2]
