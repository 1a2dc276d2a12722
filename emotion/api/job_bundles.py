"""From the files that a request for a job brings to its recordings: folders, archives, tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from emotion.api.job_answers import MOST_FILES
from emotion.api.uploads import relative_name, safe_name
from emotion.core.corpus_errors import ArchiveError, NoRecordingsError
from emotion.core.errors import EmotionError
from emotion.core.request_errors import RequestInvalidError
from emotion.corpus.archives import Archive, ArchiveLimits, Member, is_archive
from emotion.corpus.joining import join
from emotion.corpus.kinds import is_table, may_be_recording
from emotion.corpus.manifests import UserTable, read_table
from emotion.services.batch import BatchItem, Beside

_MOST_TIMES: Final = 4  # what an archive may unpack to, in largest uploads


@dataclass(frozen=True)
class Bundle:
    """The recordings of a request, and what came beside them."""

    items: list[BatchItem]
    beside: Beside


@dataclass
class _Opened:
    items: list[BatchItem] = field(default_factory=list)
    tables: list[tuple[str, UserTable]] = field(default_factory=list)
    left_out: int = 0

    def add(self, item: BatchItem) -> None:
        if len(self.items) >= MOST_FILES:
            reason = f"there are more than {MOST_FILES} recordings"
            raise RequestInvalidError(reason=reason)
        self.items.append(item)


def bundled(files: Sequence[Path], names: Sequence[str], maximum_bytes: int) -> Bundle:
    """What a request brought, with its archives unpacked and its tables read; it blocks.

    Args:
        files: The files, each in a folder of its own.
        names: What the caller calls them.
        maximum_bytes: The largest upload.

    Raises:
        ArchiveError: An archive must not be unpacked at all.
        ManifestError: A table cannot be read.
        NoRecordingsError: There is no recording.
        RequestInvalidError: There are too many.
        OutputError: The disk is full.
    """
    opened = _Opened()
    for path, name in zip(files, names, strict=True):
        if is_table(name):
            opened.tables.append((name, read_table(path)))
        elif is_archive(path):
            _unpack(path, maximum_bytes, opened)
            path.unlink()
        elif "/" in name and not may_be_recording(name):
            opened.left_out += 1
            path.unlink()
        else:
            opened.add(BatchItem(name, path, path.parent))
    if not opened.items:
        raise NoRecordingsError(given=", ".join(names[:3]))
    return _joined(opened)


def _joined(opened: _Opened) -> Bundle:
    if not opened.tables:
        return Bundle(opened.items, Beside(opened.left_out))
    joined = join([item.file for item in opened.items], opened.tables)
    items = [
        replace(item, columns=joined.of_files.get(place, {}))
        for place, item in enumerate(opened.items)
    ]
    alone = tuple(i.file for place, i in enumerate(items) if place not in joined.of_files)
    beside = Beside(opened.left_out, joined.columns, joined.rows, joined.rows_alone, alone)
    return Bundle(items, beside)


def _unpack(path: Path, maximum_bytes: int, opened: _Opened) -> None:
    limits = ArchiveLimits(
        members=4 * MOST_FILES,
        total_bytes=_MOST_TIMES * maximum_bytes,
        member_bytes=maximum_bytes,
    )
    with Archive(path, limits) as archive:
        for number, member in enumerate(archive.members):
            _take(archive, member, path.parent / f"m{number:05}", opened)


def _take(archive: Archive, member: Member, own: Path, opened: _Opened) -> None:
    name = relative_name(member.name)
    table = is_table(name)
    if not (table or member.problem or may_be_recording(name)):
        opened.left_out += 1
        return
    own.mkdir()
    target = own / safe_name(name)
    try:
        archive.extract(member, target)
    except ArchiveError as e:
        opened.add(BatchItem(name, partial(_refused, e), own))
        return
    if table:
        opened.tables.append((name, read_table(target)))
    else:
        opened.add(BatchItem(name, target, own))


async def _refused(error: EmotionError) -> Path:
    raise error
