"""Where a network runs, and in which number format."""

from __future__ import annotations

import mmap
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from emotion.core.errors import DeviceError
from emotion.inference.device import (
    GpuUsage,
    gpu_usage,
    memory_text,
    peak_resident_bytes,
    place,
    resident_bytes,
)
from emotion.inference.engine import Engine


def test_placement(monkeypatch: pytest.MonkeyPatch) -> None:
    assert place("cpu", "fp32").dtype is torch.float32
    monkeypatch.setattr("emotion.inference.device.cpu_has_bf16", lambda: True)
    assert place("cpu", "auto").precision == "bf16"
    assert place("cpu", "auto", narrow=True).precision == "fp32"
    assert place("cpu", "bf16", narrow=True).precision == "bf16"
    monkeypatch.setattr("emotion.inference.device.cpu_has_bf16", lambda: False)
    chosen = place("cpu", "auto")
    assert chosen.precision == "fp32" and "no native bf16" in chosen.reason
    with pytest.raises(DeviceError, match="fp16 needs a CUDA device"):
        place("cpu", "fp16")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert place("auto", "fp32").device.type == "cpu"
    with pytest.raises(DeviceError, match="no CUDA device"):
        place("cuda:0", "auto")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Card")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert place("auto", "auto").precision == "fp32"
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert str(place("cuda:1", "auto").device) == "cuda:1"
    assert place("auto", "auto").precision == "bf16"
    with pytest.raises(DeviceError, match="there are 2"):
        place("cuda:2", "auto")


def test_auto_keeps_a_small_network_in_float32(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotion.inference.device.cpu_has_bf16", lambda: True)
    assert Engine.load(tiny_checkpoint, device="cpu").placement.precision == "fp32"


def test_memory_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory_text(torch.device("cpu")).startswith("CPU, RAM: ")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (11_600_000_000, 24_000_000_000))
    assert memory_text(torch.device("cuda:0")) == "GPU: cuda:0, VRAM: 12.4/24GB"


def test_memory_of_this_process() -> None:
    before = resident_bytes()
    block = bytearray(64 * 1024 * 1024)
    block[:: mmap.PAGESIZE] = b"x" * len(range(0, len(block), mmap.PAGESIZE))
    assert resident_bytes() - before > 48 * 1024 * 1024
    assert peak_resident_bytes() >= resident_bytes() - 8 * 1024 * 1024
    del block
    assert peak_resident_bytes() > before + 48 * 1024 * 1024


def test_peak_memory_on_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(self: Path, **options: object) -> str:
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "read_text", missing)
    assert peak_resident_bytes() > 0  # by the system's own count

    class Process:
        def memory_info(self) -> object:
            return SimpleNamespace(rss=1, peak_wset=5)  # as on Windows

    monkeypatch.setattr("emotion.inference.device.psutil.Process", Process)
    assert peak_resident_bytes() == 5


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A card of 24 GB that computes 40 % of the time."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (15_000_000_000, 24_000_000_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 6_000_000_000)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 5_000_000_000)
    monkeypatch.setattr(torch.cuda, "utilization", lambda device: 40)


@pytest.mark.usefixtures("card")
def test_how_full_and_busy_a_card_is() -> None:
    assert gpu_usage(torch.device("cpu")) is None
    assert gpu_usage(torch.device("cuda:1")) == GpuUsage(
        device="cuda:1",
        used_bytes=9_000_000_000,
        reserved_bytes=6_000_000_000,
        allocated_bytes=5_000_000_000,
        total_bytes=24_000_000_000,
        utilization=0.4,
    )


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize("error", [ModuleNotFoundError("pynvml"), RuntimeError("NVML"), OSError()])
def test_a_driver_that_does_not_tell_how_busy_a_card_is(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(device: torch.device) -> int:
        raise error

    monkeypatch.setattr(torch.cuda, "utilization", fail)
    usage = gpu_usage(torch.device("cuda:0"))
    assert usage is not None
    assert usage.utilization is None and usage.used_bytes == 9_000_000_000
