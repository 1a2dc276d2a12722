"""Run folders as one ZIP file, made while it is sent: nothing is kept on the disk or in memory."""

from __future__ import annotations

import contextlib
import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from emotion.storage.run_store import run_files

_BLOCK_BYTES: Final = 1 << 20


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


def zipped(folders: Sequence[Path]) -> Iterator[bytes]:
    """The files of runs as the blocks of a ZIP file, uncompressed, each run in its own folder.

    Args:
        folders: Run folders; those that are deleted meanwhile are left out.
    """
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as archive:
        for folder in folders:
            with contextlib.suppress(FileNotFoundError):
                for file in run_files(folder):
                    yield from _added(archive, outbox, file)
    yield outbox.take()


def _added(archive: zipfile.ZipFile, outbox: _Outbox, file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        entry = zipfile.ZipInfo.from_file(file, f"{file.parent.name}/{file.name}")
        with archive.open(entry, "w", force_zip64=True) as target:
            while block := source.read(_BLOCK_BYTES):
                target.write(block)
                yield outbox.take()
