"""What this process uses of the machine, and what is left."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Vitals:
    """One moment of process and machine.

    Attributes:
        cpu_s: CPU time that the process has used, in seconds.
        resident_bytes: Its memory.
        open_files: Its open files, sockets and pipes; None where the system does not tell.
        machine_bytes: Memory of the machine.
        machine_free_bytes: What of it programs can still get.
        disk_bytes: Size of the disk that run folders are made on; 0 where that is not known.
        disk_free_bytes: What of it is free for this process.
    """

    cpu_s: float
    resident_bytes: int
    open_files: int | None
    machine_bytes: int
    machine_free_bytes: int
    disk_bytes: int
    disk_free_bytes: int

    @classmethod
    def read(cls, outputs_dir: Path) -> Vitals:
        """The moment now.

        Args:
            outputs_dir: Where run folders are made; it need not exist.
        """
        process = psutil.Process()
        machine = psutil.virtual_memory()
        disk_bytes, disk_free_bytes = _disk(outputs_dir)
        return cls(
            cpu_s=cpu_s(process),
            resident_bytes=int(process.memory_info().rss),
            open_files=process.num_fds() if hasattr(process, "num_fds") else None,
            machine_bytes=int(machine.total),
            machine_free_bytes=int(machine.available),
            disk_bytes=disk_bytes,
            disk_free_bytes=disk_free_bytes,
        )


def cpu_s(process: psutil.Process) -> float:
    """CPU time that a process has used, in seconds."""
    times = process.cpu_times()
    return float(times.user + times.system)


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _disk(folder: Path) -> tuple[int, int]:
    for place in (folder, *folder.absolute().parents):
        try:
            usage = shutil.disk_usage(place)
        except OSError:  # not made yet, or taken away
            continue
        return usage.total, usage.free
    return 0, 0
