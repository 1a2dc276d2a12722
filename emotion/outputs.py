"""Run folders: complete or not there at all.

A run is written under a hidden temporary name beside its final one and renamed when complete, so
that a reader never sees half a run. A run that was killed leaves only a hidden folder, which the
next run removes.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from emotion.errors import OutputError

AUDIO_FILE = "processed_audio.wav"
RESULT_FILE = "result.json"
EMBEDDING_FILE = "embedding.npy"
FRAME_EMBEDDINGS_FILE = "embedding_frames.npy"
_PARTIAL = ".partial-"
_SUFFIXES = 1000


class RunFolder:
    """A folder ``outputs_YYYYMMDD_HHMMSS`` in the making; use as a context manager.

    Args:
        outputs_dir: Where runs are kept; made if absent.
        now: Time of the run, local.

    Raises:
        OutputError: The folder cannot be made.
    """

    def __init__(self, outputs_dir: Path, now: datetime | None = None) -> None:
        self._outputs_dir = outputs_dir
        self._stamp = (now or datetime.now()).strftime("outputs_%Y%m%d_%H%M%S")
        self._final: Path | None = None
        try:
            outputs_dir.mkdir(parents=True, exist_ok=True)
            self.path = make_own(outputs_dir, _PARTIAL)
        except OSError as e:
            raise OutputError(path=outputs_dir, reason=e.strerror or str(e)) from e

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._final is None:
            shutil.rmtree(self.path, ignore_errors=True)
        if isinstance(error, OSError):
            raise OutputError(path=self._outputs_dir, reason=error.strerror or error) from error

    def write_json(self, data: dict[str, Any]) -> None:
        """Writes ``result.json``, UTF-8, Chinese as it is."""
        text = json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False)
        (self.path / RESULT_FILE).write_text(text + "\n", encoding="utf-8")

    def write_array(self, name: str, array: NDArray[np.float32]) -> None:
        """Writes one NumPy file."""
        np.save(self.path / name, array, allow_pickle=False)

    def commit(self) -> Path:
        """Gives the run its final name: with a suffix where the second already has a run.

        Raises:
            OutputError: No name is free.
        """
        self.path.chmod(0o755)
        for number in range(_SUFFIXES):
            suffix = f"_{number:03d}" if number else ""
            final = self._outputs_dir / f"{self._stamp}{suffix}"
            if final.exists():
                continue
            try:
                self.path.rename(final)  # fails on a folder with files: never takes another's
            except OSError:
                if final.exists():
                    continue
                raise
            self._final = final
            return final
        raise OutputError(path=self._outputs_dir, reason=f"{_SUFFIXES} runs in {self._stamp}")


def make_own(parent: Path, prefix: str) -> Path:
    """Makes a folder of this process's, and removes those that killed processes left behind.

    Args:
        parent: Where it is made.
        prefix: How its name begins; the host's name and the process's id follow.

    Raises:
        OSError: It cannot be made.
    """
    # The host's name, because a process id means nothing on another host that shares the folder.
    own = prefix + re.sub(r"\W", "", platform.node()) + "-"
    for folder in parent.glob(f"{own}*"):
        owner = folder.name.removeprefix(own).partition("-")[0]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=f"{own}{os.getpid()}-", dir=parent))


def _alive(pid: int) -> bool:
    try:
        return psutil.pid_exists(pid)
    except OverflowError:  # no process has such a number
        return False
