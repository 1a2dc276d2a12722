"""A card that torch does not use: found, explained, and mended by one command. No card needed."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

from emotion.core.errors import (
    CardUnsupportedError,
    DriverTooOldError,
    DriverUnsupportedError,
    GpuUnusableError,
    GpuUnusedError,
    TorchWithoutCudaError,
)
from emotion.core.i18n import error_pairs
from emotion.core.paths import PROJECT_DIR
from emotion.inference import gpu_check
from emotion.inference.gpu_check import Card, Torch, cuda_available, diagnose, find_card, unused_gpu

CPU = Torch("2.13.0+cpu", None)
CUDA_13 = Torch("2.13.0+cu130", "13.0", "The NVIDIA driver on your system is too old")
CUDA_12 = Torch("2.13.0+cu126", "12.6", "The NVIDIA driver on your system is too old")


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a card, whose programs lie in ``bin`` and whose venv run.sh made."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(gpu_check, "PROC", tmp_path / "proc")
    monkeypatch.setattr(sys, "prefix", str(PROJECT_DIR / ".venv"))
    return tmp_path


def add_smi(machine: Path, body: str) -> None:
    program = machine / "bin" / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)


def add_proc(machine: Path, version: str) -> None:
    folder = machine / "proc" / "gpus" / "0000:01:00.0"
    folder.mkdir(parents=True)
    (folder / "information").write_text("Model: \t\t NVIDIA A100-SXM4-80GB\nIRQ:   \t\t 17\n")
    (machine / "proc" / "version").write_text(version)


# Finding a card.


def test_no_card() -> None:
    assert find_card() is None
    assert unused_gpu() is None


@pytest.mark.parametrize(
    "version",
    [
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 2023\n"
        "GCC version:  gcc version 11.4.0 (Ubuntu 11.4.0)\n",
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.104.05  Release Build\n",
    ],
)
def test_a_card_by_the_drivers_files(machine: Path, version: str) -> None:
    add_proc(machine, version)
    assert find_card() == Card("NVIDIA A100-SXM4-80GB", "535.104.05")


def test_files_of_an_unknown_form(machine: Path) -> None:
    add_proc(machine, "something else")
    (machine / "proc" / "gpus" / "0000:01:00.0" / "information").write_text("")
    assert find_card() == Card("NVIDIA GPU", "")


def test_a_card_by_nvidia_smi(machine: Path) -> None:
    add_smi(machine, "echo \"$*\" >&2\necho 'NVIDIA T4, 16 GB, 580.65.06'\necho 'NVIDIA T4, 1.2'")
    assert find_card() == Card("NVIDIA T4, 16 GB", "580.65.06")


@pytest.mark.parametrize(
    "body",
    [
        "echo 'NVIDIA-SMI has failed because it could not communicate with the driver.'; exit 9",
        "echo 'No devices were found'",
        "exit 0",
        "while :; do :; done",
    ],
)
def test_an_nvidia_smi_that_finds_no_card(
    machine: Path, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_check, "_QUERY_S", 0.3)
    add_smi(machine, body)
    assert find_card() is None


# Why it is not used.


@pytest.mark.parametrize(
    ("driver", "torch", "kind", "words"),
    [
        ("580.65.06", CPU, TorchWithoutCudaError, ("without CUDA", "/whl/cu130 bash run.sh")),
        ("535.104.05", CPU, TorchWithoutCudaError, ("driver 535.104.05", "/whl/cu126 bash")),
        ("470.82.01", CPU, DriverUnsupportedError, ("525 or newer", "nvidia.com/drivers")),
        ("", CPU, TorchWithoutCudaError, ("driver ?", "/whl/cu126 bash")),
        ("535.104.05", CUDA_13, DriverTooOldError, ("needs driver 580", "/whl/cu126 bash")),
        ("579.99", CUDA_13, DriverTooOldError, ("CUDA 13.0", "/whl/cu126 bash")),
        ("470.82.01", CUDA_13, DriverUnsupportedError, ("525 or newer",)),
        ("470.82.01", CUDA_12, DriverUnsupportedError, ("CUDA 12.6", "525 or newer")),
        ("580.65.06", CUDA_13, GpuUnusableError, ("(The NVIDIA driver on", "--gpus all")),
        ("525.60.13", CUDA_12, GpuUnusableError, ("torch 2.13.0+cu126",)),
        ("", CUDA_13, GpuUnusableError, ("driver ?",)),
        (
            "580.65.06",
            Torch("2.13.0", "13.0", no_code_for=(6, 1)),
            CardUnsupportedError,
            ("compute capability 6.1", "/whl/cu126 bash"),
        ),
        (
            "580.65.06",
            Torch("2.13.0+cu126", "12.6", no_code_for=(12, 0)),
            CardUnsupportedError,
            ("compute capability 12.0", "/whl/cu130 bash"),
        ),
        (
            "570.26",
            Torch("2.13.0+cu126", "12.6", no_code_for=(12, 0)),
            DriverUnsupportedError,
            ("driver 580 or newer",),
        ),
        (
            "580.65.06",
            Torch("2.13.0", "13.0", no_code_for=(3, 5)),
            GpuUnusableError,
            ("no build has code for compute capability 3.5",),
        ),
    ],
)
def test_the_reason_and_what_helps(
    driver: str, torch: Torch, kind: type[GpuUnusedError], words: tuple[str, ...]
) -> None:
    why = diagnose(Card("NVIDIA A100", driver), torch)
    assert type(why) is kind
    assert str(why).startswith("NVIDIA A100")
    for word in words:
        assert word in str(why)
    (zh, _), (hint_zh, _) = error_pairs(why)
    assert "没有使用显卡 NVIDIA A100" in zh and hint_zh
    assert str(why.params.get("command", "")) in hint_zh


def test_a_torch_that_can_use_the_card() -> None:
    assert diagnose(Card("NVIDIA A100", "535.104.05"), Torch("2.13.0", "13.0")) is None


@pytest.mark.parametrize(
    ("architectures", "capability", "runs"),
    [
        (["sm_75", "sm_80", "sm_86", "sm_90"], (8, 0), True),
        (["sm_75", "sm_80", "sm_86", "sm_90"], (8, 9), True),
        (["sm_75", "sm_86"], (8, 0), False),
        (["sm_75", "sm_80", "sm_86", "sm_90"], (6, 1), False),
        (["sm_75", "sm_90"], (12, 0), False),
        (["sm_75", "sm_90", "compute_90"], (12, 0), True),
        (["compute_90"], (8, 0), False),
        (["sm_90a"], (9, 0), True),
        (["sm_100", "sm_120"], (12, 1), True),
        (["gfx906"], (9, 0), False),
        ([], (9, 0), True),  # torch does not tell
    ],
)
def test_which_cards_a_build_has_code_for(
    architectures: list[str], capability: tuple[int, int], runs: bool
) -> None:
    assert gpu_check.runs_on(architectures, capability) is runs


def test_every_build_has_a_driver_and_the_newest_comes_first() -> None:
    assert "13.0" in gpu_check.BUILDS
    drivers = [gpu_check.OLDEST_DRIVER[int(cuda.split(".")[0])] for cuda in gpu_check.BUILDS]
    assert drivers == sorted(drivers, reverse=True)


@pytest.mark.parametrize(("prefix", "platform"), [("/usr", "linux"), ("", "win32")])
def test_without_run_sh_the_command_is_pips(
    monkeypatch: pytest.MonkeyPatch, prefix: str, platform: str
) -> None:
    monkeypatch.setattr(sys, "prefix", prefix or sys.prefix)
    monkeypatch.setattr(sys, "platform", platform)
    assert gpu_check.install_command("12.6", "2.13.0+cpu") == (
        "python -m pip install --force-reinstall torch==2.13.0 "
        "--index-url https://download.pytorch.org/whl/cu126"
    )


# The torch that is installed.


def set_torch(
    monkeypatch: pytest.MonkeyPatch, version: str, cuda: str | None, error: Exception | None = None
) -> None:
    """Has torch be another build; ``error`` is why it cannot use CUDA."""

    def available() -> bool:
        if error is not None and cuda is not None:
            warnings.warn(f"CUDA initialization: {error}", UserWarning, stacklevel=2)
        return cuda is not None and error is None

    def init() -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(torch, "__version__", version)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", available)
    monkeypatch.setattr(torch.cuda, "init", init)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (7, 5))
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_90"])


def test_the_warning_of_torch_does_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    set_torch(monkeypatch, "2.13.0", "13.0", RuntimeError("too old"))
    assert not cuda_available()  # warnings are errors here


def test_a_card_and_a_build_without_cuda(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_smi(machine, "echo 'NVIDIA T4, 580.65.06'")
    set_torch(monkeypatch, "2.13.0+cpu", None)
    assert isinstance(unused_gpu(), TorchWithoutCudaError)


def test_a_card_and_an_old_driver(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_smi(machine, "echo 'NVIDIA T4, 535.104.05'")
    set_torch(monkeypatch, "2.13.0", "13.0", RuntimeError("too old (found version 12020)"))
    assert isinstance(unused_gpu(), DriverTooOldError)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("No CUDA GPUs are available\nmore"), "No CUDA GPUs are available"),
        (RuntimeError(""), "RuntimeError"),
    ],
)
def test_another_reason_is_torchs_own(
    machine: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    add_smi(machine, "echo 'NVIDIA T4, 580.65.06'")
    set_torch(monkeypatch, "2.13.0", "13.0", error)
    why = unused_gpu()
    assert isinstance(why, GpuUnusableError) and why.params["reason"] == reason


def test_a_card_that_is_used(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_smi(machine, "echo 'NVIDIA T4, 580.65.06'")
    set_torch(monkeypatch, "2.13.0", "13.0")
    assert unused_gpu() is None


def test_a_card_that_the_build_has_no_code_for(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_smi(machine, "echo 'NVIDIA GeForce GTX 1080, 580.65.06'")
    set_torch(monkeypatch, "2.13.0", "13.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (6, 1))
    assert not cuda_available()
    assert isinstance(unused_gpu(), CardUnsupportedError)


def test_a_card_in_exclusive_use(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy() -> tuple[int, int]:
        raise RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable")

    add_smi(machine, "echo 'NVIDIA T4, 580.65.06'")
    set_torch(monkeypatch, "2.13.0", "13.0")
    monkeypatch.setattr(torch.cuda, "get_device_capability", busy)
    monkeypatch.setattr(torch.cuda, "init", busy)
    assert not cuda_available()
    why = unused_gpu()
    assert isinstance(why, GpuUnusableError) and "devices are busy" in str(why)


@pytest.mark.parametrize("hidden", ["", "-1", " "])
def test_a_card_that_the_user_hides(
    machine: Path, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    add_smi(machine, "echo 'NVIDIA T4, 580.65.06'")
    set_torch(monkeypatch, "2.13.0+cpu", None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert unused_gpu() is None


def test_as_a_program_it_warns_and_succeeds(machine: Path) -> None:
    code = "import torch; torch.version.cuda = None; import runpy; "
    code += "runpy.run_module('emotion.inference.gpu_check', run_name='__main__')"

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=PROJECT_DIR,
            env={**os.environ, "PATH": str(machine / "bin")},
            capture_output=True,
            text=True,
            check=True,
        )

    add_smi(machine, "echo 'NVIDIA T4, 580.65.06'")
    done = run()
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("WARNING: NVIDIA T4 (driver 580.65.06) is not used: torch 2.")
    (machine / "bin" / "nvidia-smi").unlink()
    assert run().stderr == ""
