"""A user's CSV of recordings: which column names them, and the columns that pass through."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emotion.core.corpus_errors import ManifestError
from emotion.core.errors import AudioNotFoundError
from emotion.core.results import readable

# What a column that names recordings is called, the first of these that is there.
PATH_COLUMNS: Final = (
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "audio",
    "audio_path",
    "wav",
    "音频",
    "文件",
    "文件名",
    "路径",
)
_ENCODINGS: Final = ("utf-8-sig", "gb18030")  # Excel in Chinese writes the second
_DELIMITERS: Final = ",;\t|"


@dataclass(frozen=True)
class Entry:
    """A row of a user's table.

    Attributes:
        file: The recording as the table names it.
        columns: The other columns.
    """

    file: str
    columns: dict[str, str]


@dataclass(frozen=True)
class UserTable:
    """A user's table.

    Attributes:
        columns: The names of the columns that pass through, in order.
        entries: Its rows; those that name no recording are left out.
    """

    columns: tuple[str, ...]
    entries: tuple[Entry, ...]


def read_table(path: Path) -> UserTable:
    """Reads a CSV or TSV file with a header.

    Comma, semicolon, tab or bar may separate; the text may be UTF-8, UTF-16 or GB18030.

    Args:
        path: The file.

    Raises:
        AudioNotFoundError: It cannot be opened.
        ManifestError: It has no column that names recordings, or is no table.
    """
    name = readable(path.name)
    text = read_text(path)
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [column.strip() for column in next(reader, [])]
        at = _path_column(header)
        if at is None:
            raise ManifestError(file=name, reason="no column is named path or file")
        columns = _unique(header, at)
        entries = tuple(_entries(reader, columns, at))
    except csv.Error as e:
        raise ManifestError(file=name, reason=str(e)) from e
    return UserTable(tuple(columns.values()), entries)


def read_text(path: Path) -> str:
    """The text of a list that a user wrote with any program.

    Raises:
        AudioNotFoundError: It cannot be opened.
        ManifestError: It is no text.
    """
    try:
        data = path.read_bytes()
    except OSError as e:
        raise AudioNotFoundError(file=readable(path), reason=e.strerror or str(e)) from e
    encodings = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else _ENCODINGS
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise ManifestError(file=readable(path.name), reason="it is not a text file")


def _path_column(header: list[str]) -> int | None:
    lower = [column.lower() for column in header]
    return next((lower.index(name) for name in PATH_COLUMNS if name in lower), None)


def _unique(header: list[str], at: int) -> dict[int, str]:
    """The columns that pass through by their places: named, and each name once."""
    columns: dict[int, str] = {}
    for place, column in enumerate(header):
        if place == at:
            continue
        wanted = column or f"column_{place + 1}"
        name, number = wanted, 2
        while name in columns.values():
            name, number = f"{wanted}_{number}", number + 1
        columns[place] = name
    return columns


def _entries(rows: Iterator[list[str]], columns: dict[int, str], at: int) -> Iterator[Entry]:
    for row in rows:
        if at < len(row) and row[at].strip():
            given = {
                name: row[place] if place < len(row) else "" for place, name in columns.items()
            }
            yield Entry(row[at].strip(), given)
