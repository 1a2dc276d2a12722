"""Runs that were deleted but can still be restored: out of sight, in a hidden folder.

Each deleted run lies in a folder of its own that names the process which deleted it, below
``.deleted`` beside the runs. Everything goes by renaming, so a run is either restored or deleted
for good, never half of it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from emotion.storage.own_folders import PARTIAL, make_own, remove_dead, remove_own

TRASH: Final = ".deleted"
UNDO_S: Final = 600.0  # a deleted run can be restored for so long
_SLOT = re.compile(r"\w*-\d+-\w{8}", re.ASCII)  # as `make_own` names them


class RunTrash:
    """The deleted runs of one folder.

    Args:
        folder: Where the runs are.
    """

    def __init__(self, folder: Path) -> None:
        self._runs = folder
        self._trash = folder / TRASH

    def put(self, run: Path) -> None:
        """Moves a run's folder out of sight.

        Raises:
            FileNotFoundError: It is gone.
            OSError: It cannot be moved.
        """
        slot = self._slot()
        try:
            run.rename(slot / run.name)
        except OSError:
            with contextlib.suppress(OSError):
                slot.rmdir()
            raise

    def find(self, run_id: str) -> list[Path]:
        """The folders of deleted runs of this id, the last deleted first."""
        found = [slot / run_id for slot in self._slots() if (slot / run_id).is_dir()]
        return sorted(found, key=lambda folder: -_deleted_s(folder.parent))

    def close(self, slot: Path) -> None:
        """Removes the folder that a restored run leaves, and the trash where that was the last."""
        for folder in (slot, self._trash):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def purge(self, age_s: float = UNDO_S) -> int:
        """Deletes for good what was deleted so long ago, by whichever process.

        Returns:
            How many runs.

        Raises:
            OSError: Something cannot be deleted.
        """
        old = [slot for slot in self._slots() if time.time() - _deleted_s(slot) >= age_s]
        if not old:
            return 0
        doomed = make_own(self._runs, PARTIAL)
        count = 0
        try:
            for slot in old:
                with contextlib.suppress(FileNotFoundError):  # restored just now
                    for run in slot.iterdir():
                        run.rename(doomed / f"{count}")
                        count += 1
                self.close(slot)
        finally:
            shutil.rmtree(doomed)
        return count

    def empty(self) -> None:
        """Deletes for good what this process deleted, and what processes did that are gone.

        Called at start and at the end of a process. Others that share the folder keep theirs.
        """
        with contextlib.suppress(FileNotFoundError):
            remove_own(self._trash, "")
            remove_dead(self._trash, "")
        with contextlib.suppress(OSError):
            self._trash.rmdir()

    def _slot(self) -> Path:
        try:
            self._trash.mkdir(exist_ok=True)
            return make_own(self._trash, "")
        except FileNotFoundError:  # another process removed the trash between the two
            self._trash.mkdir(exist_ok=True)
            return make_own(self._trash, "")

    def _slots(self) -> Iterator[Path]:
        with contextlib.suppress(OSError), os.scandir(self._trash) as entries:
            yield from [self._trash / e.name for e in entries if _SLOT.fullmatch(e.name)]


def _deleted_s(slot: Path) -> float:
    """When a run was put there, by the clock of files; now where it is gone."""
    try:
        return slot.stat().st_mtime
    except OSError:
        return time.time()
