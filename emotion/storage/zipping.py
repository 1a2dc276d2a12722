"""Files as a ZIP file that is made while it is sent: nothing is kept on the disk or in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_BLOCK_BYTES: Final = 1 << 20
_STORED: Final = frozenset({".wav", ".npy", ".npz"})  # deflate gains nothing on them


class _Outbox(io.RawIOBase):
    """What was written since the last look; `zipfile` sees that it cannot seek."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def zipped(members: Iterable[tuple[str, Path]]) -> Iterator[bytes]:
    """The blocks of a ZIP file.

    Args:
        members: Names in it with the files; files that are deleted meanwhile are left out.

    Raises:
        OSError: A file cannot be read.
    """
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in members:
            yield from _added(archive, outbox, name, file)
    yield outbox.take()


def _added(archive: zipfile.ZipFile, outbox: _Outbox, name: str, file: Path) -> Iterator[bytes]:
    try:
        entry = zipfile.ZipInfo.from_file(file, name, strict_timestamps=False)
        source = file.open("rb")
    except FileNotFoundError:
        return
    with source:
        stored = file.suffix in _STORED
        entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        with archive.open(entry, "w", force_zip64=True) as target:
            while block := source.read(_BLOCK_BYTES):
                target.write(block)
                yield outbox.take()
