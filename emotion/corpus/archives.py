"""ZIP files of recordings: what is in them, and one member at a time taken out safely.

Nothing is unpacked before the whole list of members has been checked, and no member is written
beyond the size that the list states.
"""

from __future__ import annotations

import contextlib
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from emotion.core.corpus_errors import ArchiveError
from emotion.core.errors import OutputError
from emotion.core.results import readable

_CHUNK_BYTES: Final = 1 << 20
_UTF8_FLAG: Final = 0x800
_ENCRYPTED_FLAG: Final = 0x1
_SMALL_BYTES: Final = 10 << 20  # below this any ratio is harmless
# Deflate reaches 1030 on zeros alone; a second of digital silence as WAV compresses as well, but
# an archive of recordings as a whole does not.
_MOST_RATIO: Final = 200
_NESTED_SUFFIXES: Final = frozenset(
    {".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"}
)
_JUNK_NAMES: Final = frozenset({"thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class ArchiveLimits:
    """Bounds of an archive.

    Attributes:
        members: The most files in it.
        total_bytes: The most that all of them take when unpacked.
        member_bytes: The most that one may take.
    """

    members: int = 100_000
    total_bytes: int = 64 << 30
    member_bytes: int = 1 << 30


@dataclass(frozen=True)
class Member:
    """One file of an archive.

    Attributes:
        name: Its name with ``/`` between folders.
        size_bytes: Its size when unpacked.
        problem: Why it must not be taken out; empty where it may.
    """

    name: str
    size_bytes: int
    problem: str
    info: zipfile.ZipInfo


class Archive:
    """An open ZIP file; use it as a context manager.

    Args:
        path: The file.
        limits: Bounds.

    Attributes:
        members: Its files in the archive's order, without folders and what systems leave
            (``__MACOSX``, ``Thumbs.db``, hidden files).

    Raises:
        ArchiveError: It is none, it is damaged or split, a name leads out of it, it holds links,
            or it unpacks to more than the limits.
    """

    def __init__(self, path: Path, limits: ArchiveLimits = ArchiveLimits()) -> None:  # frozen
        self._name = readable(path.name)
        self._limits = limits
        self._by_name: dict[str, Member] = {}
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError) as e:
            raise ArchiveError(file=self._name, reason=_plain(e)) from e
        try:
            self.members = self._checked(path.stat().st_size)
        except BaseException:
            self._zip.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file."""
        self._zip.close()

    def find(self, name: str) -> Member:
        """The member of that name.

        Raises:
            ArchiveError: There is none.
        """
        if not self._by_name:
            self._by_name = {member.name: member for member in self.members}
        if name not in self._by_name:
            raise ArchiveError(file=self._name, reason=f"it has no {readable(name)!r}")
        return self._by_name[name]

    def _checked(self, archive_bytes: int) -> tuple[Member, ...]:
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        if len(infos) > self._limits.members:
            self._refuse(f"it holds more than {self._limits.members} files")
        total = sum(info.file_size for info in infos)
        if total > self._limits.total_bytes:
            self._refuse(f"it unpacks to more than {self._limits.total_bytes / 1e9:.3g} GB")
        if total > max(_SMALL_BYTES, _MOST_RATIO * archive_bytes):
            self._refuse(f"it unpacks to more than {_MOST_RATIO} times its size")
        members = [self._member(info) for info in infos]
        return tuple(member for member in members if not _is_junk(member.name))

    def _member(self, info: zipfile.ZipInfo) -> Member:
        name = _name_of(info)
        parts = name.split("/")
        if name.startswith("/") or ".." in parts or ":" in parts[0] or "\0" in name:
            self._refuse(f"the name {readable(name)!r} leads out of it")
        if stat.S_ISLNK(info.external_attr >> 16):
            self._refuse(f"{readable(name)!r} is a link")
        return Member(name, info.file_size, self._problem(info, name), info)

    def _problem(self, info: zipfile.ZipInfo, name: str) -> str:
        if info.flag_bits & _ENCRYPTED_FLAG:
            return "it is encrypted with a password"
        if Path(name).suffix.lower() in _NESTED_SUFFIXES:
            return "an archive inside an archive is not unpacked"
        if info.file_size > self._limits.member_bytes:
            return f"it unpacks to more than {self._limits.member_bytes / 1e6:.0f} MB"
        return ""

    def _refuse(self, reason: str) -> None:
        raise ArchiveError(file=self._name, reason=reason)

    def extract(self, member: Member, target: Path) -> None:
        """Writes a member to a file; nothing is left of one that fails.

        Args:
            member: One of `members`.
            target: The file; its folder must be there.

        Raises:
            ArchiveError: The member must not be taken out, or it is damaged.
            OutputError: The file cannot be written.
        """
        file = f"{self._name}/{readable(member.name)}"
        if member.problem:
            raise ArchiveError(file=file, reason=member.problem)
        try:
            self._copy(member, target)
        except BaseException as e:
            with contextlib.suppress(OSError):
                target.unlink(missing_ok=True)
            if isinstance(e, (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)):
                raise ArchiveError(file=file, reason=_plain(e)) from e
            if isinstance(e, OSError):
                raise OutputError(path=target, reason=e.strerror or str(e)) from e
            raise

    def _copy(self, member: Member, target: Path) -> None:
        # ZipFile gives no more than the stated size, whatever the data would unpack to.
        with self._zip.open(member.info) as source, target.open("wb") as file:
            while chunk := source.read(_CHUNK_BYTES):
                file.write(chunk)


def is_archive(path: Path) -> bool:
    """Whether a file is a ZIP file by its name."""
    return path.suffix.lower() == ".zip"


def _name_of(info: zipfile.ZipInfo) -> str:
    name = info.filename
    if not info.flag_bits & _UTF8_FLAG:  # zipfile took its bytes for code page 437
        raw = name.encode("cp437", "replace")
        for encoding in ("utf-8", "gb18030"):  # of Linux and macOS; of Windows in Chinese
            with contextlib.suppress(UnicodeDecodeError):
                name = raw.decode(encoding)
                break
    return name.replace("\\", "/").removeprefix("./")


def _is_junk(name: str) -> bool:
    parts = name.lower().split("/")
    return parts[-1] in _JUNK_NAMES or any(p.startswith(".") or p == "__macosx" for p in parts)


def _plain(error: BaseException) -> str:
    if isinstance(error, zipfile.BadZipFile) and "not a zip" in str(error):
        return "it is not a ZIP file, or its end is missing"
    if isinstance(error, NotImplementedError):
        return "it uses a compression that is not supported"
    return str(getattr(error, "strerror", None) or error) or "it is damaged"
