"""From arguments to recordings: files, folders, globs, addresses, lists and ZIP files."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from emotion.core.corpus_errors import CorpusError, ManifestError, NoRecordingsError
from emotion.core.errors import AudioNotFoundError, EmotionError
from emotion.core.results import readable
from emotion.corpus.archives import Archive, ArchiveLimits, Member, is_archive
from emotion.corpus.kinds import is_table, may_be_recording
from emotion.corpus.manifests import read_table, read_text
from emotion.corpus.remote import Remote, is_url, list_remote, place_of

_LISTS: Final = frozenset({".txt", ".lst", ".list"})
_KALDI: Final = ".scp"
_MANY_SKIPPED: Final = 1000  # names that are kept of what was left out
_DIGITS: Final = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Packed:
    """A recording inside a ZIP file.

    Attributes:
        archive: The ZIP file.
        member: The name in it.
    """

    archive: Path
    member: str


@dataclass(frozen=True)
class Excerpt:
    """A part of a recording.

    Attributes:
        whole: The recording.
        start_s: Where the part begins.
        end_s: Where it ends; None at the recording's end.
    """

    whole: Path | Remote
    start_s: float
    end_s: float | None


Source = Path | Packed | Remote | Excerpt | EmotionError


@dataclass(frozen=True)
class Input:
    """One recording to recognise.

    Attributes:
        name: What its row is called, with ``/`` between folders.
        source: The file, where else it lies, or why it cannot be had.
        columns: The user's own columns.
    """

    name: str
    source: Source
    columns: Mapping[str, str] = field(default_factory=dict)

    def absolute(self) -> Input:
        """The same for a process with another working directory."""
        source = self.source
        if isinstance(source, Path):
            source = source.absolute()
        elif isinstance(source, Packed):
            source = replace(source, archive=source.archive.absolute())
        elif isinstance(source, Excerpt) and isinstance(source.whole, Path):
            source = replace(source, whole=source.whole.absolute())
        return replace(self, source=source)


@dataclass(frozen=True)
class Inputs:
    """All recordings.

    Attributes:
        items: In order.
        columns: The user's own columns.
        skipped: Names of files in folders and ZIP files that are no recordings, up to a thousand.
        skipped_count: How many there are in all.
    """

    items: tuple[Input, ...]
    columns: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    skipped_count: int = 0


def find_inputs(
    arguments: Sequence[str],
    limits: ArchiveLimits = ArchiveLimits(),  # noqa: B008  # frozen
) -> Inputs:
    """The recordings that arguments name, each file once.

    Recordings of a folder, a list or a ZIP file are called by their names in it, where that is the
    only argument; else by that name behind the argument's. A list may name a file several times.

    Args:
        arguments: Files, folders, globs, ``.csv`` and ``.tsv`` tables, ``.txt`` lists, Kaldi's
            ``wav.scp``, ZIP files; addresses of recordings, folders and globs, also in lists.
        limits: Bounds of ZIP files.

    Raises:
        NoRecordingsError: There are none.
        AudioNotFoundError: A file or folder that was named is not there.
        CorpusError: A list or a ZIP file cannot be read.
    """
    finder = _Finder(alone=len(arguments) == 1, limits=limits)
    for argument in arguments:
        finder.add(argument)
    if not finder.items:
        raise NoRecordingsError(given=", ".join(map(readable, arguments)))
    return Inputs(
        tuple(finder.items), tuple(finder.columns), tuple(finder.skipped), finder.skipped_count
    )


class _Finder:
    def __init__(self, alone: bool, limits: ArchiveLimits) -> None:
        self._alone = alone
        self._limits = limits
        self._seen: set[str] = set()
        self.items: list[Input] = []
        self.columns: dict[str, None] = {}
        self.skipped: list[str] = []
        self.skipped_count = 0

    def add(self, argument: str) -> None:
        place = place_of(argument) if is_url(argument) else Path(argument)
        if isinstance(place, Remote):
            self._add_remote(place.url)
        else:
            self._add_local(place)

    def _add_local(self, path: Path) -> None:
        argument = str(path)
        if path.is_dir():
            self._add_folder(path)
        elif path.exists() or not glob.has_magic(argument):
            self._add_file(path)
        else:
            found = sorted(glob.glob(argument, recursive=True), key=natural)
            if not found:
                raise AudioNotFoundError(file=readable(argument), reason="nothing has such a name")
            for name in found:
                self.add(name)

    def _add_file(self, path: Path) -> None:
        if not path.exists():
            raise AudioNotFoundError(file=readable(path), reason="No such file or directory")
        suffix = path.suffix.lower()
        if is_table(path.name):
            self._add_table(path)
        elif suffix in _LISTS:
            self._add_list(path)
        elif suffix == _KALDI:
            self._add_kaldi(path)
        elif is_archive(path):
            self._add_archive(path)
        else:
            self._once(Input(_slashed(path), path), path)

    def _add_folder(self, folder: Path) -> None:
        for path in walk(folder):
            inside = path.relative_to(folder)
            name = _slashed(inside if self._alone else folder / inside)
            if may_be_recording(path.name):
                self._once(Input(name, path), path)
            else:
                self._skip(name)

    def _add_remote(self, url: str) -> None:
        for inside, remote in list_remote(url):
            name = readable(inside if self._alone else remote.url)
            listing = is_table(inside) or Path(inside).suffix.lower() in (*_LISTS, _KALDI)
            if (listing or is_archive(Path(inside))) and remote.url == url:
                reason = f"{readable(url)}: lists and ZIP files are read from this machine only"
                raise CorpusError(reason=f"{reason}; download it first")
            if listing or not may_be_recording(inside):
                self._skip(name)
            elif remote.url not in self._seen:
                self._seen.add(remote.url)
                self.items.append(Input(name, remote))

    def _add_table(self, path: Path) -> None:
        table = read_table(path)
        self.columns.update(dict.fromkeys(table.columns))
        for entry in table.entries:
            self.items.append(self._listed(path, entry.file, entry.columns))

    def _add_list(self, path: Path) -> None:
        for line in read_text(path).splitlines():
            text = line.strip()
            if text and not text.startswith("#"):
                self.items.append(self._listed(path, text, {}))

    def _add_kaldi(self, path: Path) -> None:
        self.columns["utt"] = None
        for number, line in enumerate(read_text(path).splitlines(), 1):
            if not line.strip():
                continue
            utterance, _, rest = line.strip().partition(" ")
            rest = rest.strip()
            if not rest or rest.endswith("|") or re.search(r"\.ark:\d+$", rest):
                reason = f"line {number} is not an utterance and the path of a recording"
                raise ManifestError(file=readable(path.name), reason=reason)
            self.items.append(self._listed(path, rest, {"utt": utterance}))

    def _listed(self, listing: Path, file: str, columns: Mapping[str, str]) -> Input:
        name = readable(file) if self._alone else f"{_slashed(listing)}/{readable(file)}"
        if is_url(file):
            place = place_of(file)
            if isinstance(place, Remote):
                return Input(name, place, columns)
            path = place
        else:
            path = listing.parent / Path(file.replace("\\", "/") if os.sep == "/" else file)
        if path.is_file():
            return Input(name, path, columns)
        error = AudioNotFoundError(file=readable(file), reason="No such file or directory")
        return Input(name, error, columns)

    def _add_archive(self, path: Path) -> None:
        with Archive(path, self._limits) as archive:
            for member in sorted(archive.members, key=lambda one: natural(one.name)):
                self._add_member(path, member)

    def _add_member(self, path: Path, member: Member) -> None:
        inside = readable(member.name)
        name = inside if self._alone else f"{_slashed(path)}/{inside}"
        if may_be_recording(member.name) or member.problem:
            self.items.append(Input(name, Packed(path, member.name)))
        else:
            self._skip(name)

    def _once(self, item: Input, path: Path) -> None:
        real = os.path.realpath(path)
        if real not in self._seen:
            self._seen.add(real)
            self.items.append(item)

    def _skip(self, name: str) -> None:
        self.skipped_count += 1
        if len(self.skipped) < _MANY_SKIPPED:
            self.skipped.append(name)


def walk(folder: Path) -> Iterator[Path]:
    """The files below a folder in natural order, without hidden ones; folders that are links are
    not entered, so that a circle of links ends.

    Raises:
        AudioNotFoundError: The folder, or one in it, cannot be read.
    """

    def refuse(error: OSError) -> None:
        reason = error.strerror or str(error)
        raise AudioNotFoundError(file=readable(error.filename), reason=reason) from error

    for parent, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted((name for name in folders if name[0] != "."), key=natural)
        for name in sorted((name for name in files if name[0] != "."), key=natural):
            yield Path(parent, name)


def natural(name: str) -> list[tuple[int, str]]:
    """What to sort names by, so that ``clip2`` comes before ``clip10``."""
    parts = _DIGITS.split(name.lower())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _slashed(path: Path) -> str:
    return readable(path.as_posix())
