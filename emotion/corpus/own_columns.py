"""What a user's tables say of recordings that are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from emotion.analysis.items import Compared
from emotion.analysis.trends import moment_of
from emotion.core.errors import ConfigError
from emotion.corpus.joining import join
from emotion.corpus.manifests import read_table

_DATE: Final = ("date", "日期")
_SPEAKER: Final = ("speaker", "说话人")


def with_tables(items: Sequence[Compared], tables: Sequence[Path]) -> list[Compared]:
    """Recordings with the columns of tables.

    A column ``date`` or ``speaker`` counts as such, where the recording has none of its own; a date
    that cannot be read stays a mere column.

    Args:
        items: The recordings.
        tables: CSV or TSV files.

    Raises:
        AudioNotFoundError: A table cannot be opened.
        ManifestError: A file is no table.
    """
    read = [(path.name, read_table(path)) for path in tables]
    columns = join([item.name for item in items], read).of_files
    return [_with(item, columns.get(place, {})) for place, item in enumerate(items)]


def _with(item: Compared, columns: Mapping[str, str]) -> Compared:
    return replace(
        item,
        date=item.date or _date(_one_of(columns, _DATE)),
        speaker=item.speaker or _one_of(columns, _SPEAKER),
        columns={**columns, **item.columns},
    )


def _one_of(columns: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((value for name, value in columns.items() if name.lower() in names and value), None)


def _date(text: str | None) -> str | None:
    if text is None:
        return None
    plain = text.strip().replace("/", "-")
    try:
        moment_of(plain, "date")
    except ConfigError:
        return None
    return plain
