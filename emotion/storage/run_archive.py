"""Run folders as one ZIP file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from emotion.storage import zipping
from emotion.storage.run_store import run_files


def zipped(folders: Sequence[Path]) -> Iterator[bytes]:
    """The files of runs as the blocks of a ZIP file, each run in its own folder.

    Args:
        folders: Run folders; those that are deleted meanwhile are left out.
    """
    return zipping.zipped(_members(folders))


def _members(folders: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):
            for file in run_files(folder):
                yield f"{folder.name}/{file.name}", file
