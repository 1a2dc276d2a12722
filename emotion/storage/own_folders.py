"""Hidden or temporary folders of one process, and the end of those that killed processes left."""

from __future__ import annotations

import os
import platform
import re
import shutil
import tempfile
from pathlib import Path
from typing import Final

import psutil

PARTIAL: Final = ".partial-"  # begins the names of runs that are being written, or deleted


def make_own(parent: Path, prefix: str) -> Path:
    """Makes a folder of this process's, and removes those that killed processes left behind.

    Args:
        parent: Where it is made.
        prefix: How its name begins; the host's name and the process's id follow.

    Raises:
        OSError: It cannot be made.
    """
    remove_dead(parent, prefix)
    return Path(tempfile.mkdtemp(prefix=f"{_of_host(prefix)}{os.getpid()}-", dir=parent))


def remove_dead(parent: Path, prefix: str) -> None:
    """Removes the folders that killed processes made with `make_own`."""
    own = _of_host(prefix)
    with os.scandir(parent) as entries:  # each run begins here, beside thousands perhaps
        left = [entry.name for entry in entries if entry.name.startswith(own)]
    for name in left:
        owner = name.removeprefix(own).partition("-")[0]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(parent / name, ignore_errors=True)


def remove_own(parent: Path, prefix: str) -> None:
    """Removes the folders that this process, or an earlier one of its id, made with `make_own`."""
    own = f"{_of_host(prefix)}{os.getpid()}-"
    with os.scandir(parent) as entries:
        left = [entry.name for entry in entries if entry.name.startswith(own)]
    for name in left:
        shutil.rmtree(parent / name, ignore_errors=True)


def _of_host(prefix: str) -> str:
    # The host's name, because a process id means nothing on another host that shares the folder.
    return prefix + re.sub(r"\W", "", platform.node()) + "-"


def _alive(pid: int) -> bool:
    try:
        return psutil.pid_exists(pid)
    except OverflowError:  # no process has such a number
        return False
