"""Which device and number format the network runs on, and why."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from emotion.core.config import Precision
from emotion.core.errors import DeviceError
from emotion.inference.gpu_check import cuda_available, unused_gpu
from emotion.models.numerics import DTYPES, cpu_has_bf16

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class GpuUsage:
    """How full and how busy a card is.

    Attributes:
        device: ``cuda:N``.
        used_bytes: Memory in use by all programs.
        reserved_bytes: Memory that this process has reserved, in use or not.
        allocated_bytes: Memory that this process uses.
        total_bytes: The card's memory.
        utilization: Share of the last moments in which it computed, 0 to 1; None where the
            driver does not tell.
    """

    device: str
    used_bytes: int
    reserved_bytes: int
    allocated_bytes: int
    total_bytes: int
    utilization: float | None


@dataclass(frozen=True)
class Placement:
    """Where and how the network runs.

    Attributes:
        device: ``cpu`` or ``cuda:N``.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        reason: Why, for the log.
    """

    device: torch.device
    precision: str
    reason: str

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the network; waveforms and the head stay float32."""
        return DTYPES[self.precision]


def place(device: str, precision: Precision, *, narrow: bool = False) -> Placement:
    """Chooses device and precision.

    ``auto`` takes the first CUDA device if there is one, else the CPU; and bf16 where the
    hardware multiplies it natively (CUDA 8.0 and newer, CPUs with AVX512-BF16 or AMX), else fp32.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        narrow: Whether the network's products are so small that bf16 gains nothing on a CPU.

    Raises:
        DeviceError: CUDA, that index or that precision is not available.
    """
    chosen = _device(device)
    if chosen.type == "cuda":
        name = torch.cuda.get_device_name(chosen)
        native = torch.cuda.get_device_capability(chosen) >= (8, 0)
    else:
        name = "CPU"
        native = cpu_has_bf16()
        if precision == "fp16":
            raise DeviceError(requested="--precision fp16", reason="fp16 needs a CUDA device")
    if precision == "auto" and narrow and chosen.type == "cpu":
        return Placement(chosen, "fp32", "CPU, a small network: fp32")
    if precision == "auto":
        picked = "bf16" if native else "fp32"
        how = "has native bf16" if native else "has no native bf16"
        return Placement(chosen, picked, f"{name} {how}: {picked}")
    return Placement(chosen, precision, f"{name}, {precision} as asked")


def _device(device: str) -> torch.device:
    if device == "cpu":
        return torch.device("cpu")
    available = cuda_available()
    if device == "auto":
        return torch.device("cuda:0" if available else "cpu")
    if not available:
        missing = DeviceError(requested=f"--device {device}", reason="no CUDA device is available")
        raise unused_gpu() or missing
    index = int(device.partition(":")[2] or 0)
    count = torch.cuda.device_count()
    if index >= count:
        raise DeviceError(requested=f"--device {device}", reason=f"there are {count} CUDA devices")
    return torch.device(f"cuda:{index}")


def memory_text(device: torch.device) -> str:
    """Memory in use for people: ``GPU: cuda:0, VRAM: 1.2/24GB`` or ``CPU, RAM: 0.9GB``."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return f"GPU: {device}, VRAM: {(total - free) / 1e9:.1f}/{total / 1e9:.0f}GB"
    return f"CPU, RAM: {resident_bytes() / 1e9:.1f}GB"


def gpu_usage(device: torch.device) -> GpuUsage | None:
    """How full and how busy a device is; None for a CPU."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return GpuUsage(
        device=str(device),
        used_bytes=total - free,
        reserved_bytes=torch.cuda.memory_reserved(device),
        allocated_bytes=torch.cuda.memory_allocated(device),
        total_bytes=total,
        utilization=_utilization(device),
    )


def _utilization(device: torch.device) -> float | None:
    try:
        return torch.cuda.utilization(device) / 100
    except Exception as e:  # whatever NVML has against it: no library, no right, a part of a card
        logger.debug("the utilisation of %s is unknown: %s", device, e)
        return None


def peak_resident_bytes() -> int:
    """Highest resident memory of this process so far, in bytes."""
    try:
        # Not ``ru_maxrss``: on Linux it counts the parent's memory too.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, ValueError):  # not Linux
        memory = psutil.Process().memory_info()
        return int(getattr(memory, "peak_wset", None) or _peak_of_unix())


def peak_gpu_bytes() -> int | None:
    """Most memory that torch has reserved on the GPU so far, in bytes; None without CUDA."""
    return torch.cuda.max_memory_reserved() if torch.cuda.is_available() else None


def _peak_of_unix() -> int:
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS


def resident_bytes() -> int:
    """Resident memory of this process, in bytes."""
    return int(psutil.Process().memory_info().rss)
