"""Says why torch does not use an NVIDIA card that is there, and which command helps.

Three reasons are common: torch is a build without CUDA, the driver is older than the CUDA that
torch was built for, or this build has no code for the card. In each case the network runs on the
CPU, which takes many times as long.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emotion.core.errors import (
    CardUnsupportedError,
    DriverTooOldError,
    DriverUnsupportedError,
    GpuUnusableError,
    GpuUnusedError,
    TorchWithoutCudaError,
)
from emotion.core.paths import PROJECT_DIR

PROC = Path("/proc/driver/nvidia")
INDEX_URL = "https://download.pytorch.org/whl/"
# The oldest driver branch for each major version of CUDA. Source: NVIDIA, CUDA Toolkit Release
# Notes, table "CUDA Toolkit and Minimum Required Driver Version for CUDA Minor Version
# Compatibility". Within a major version, a driver runs builds for newer minor versions too.
OLDEST_DRIVER = {13: 580, 12: 525, 11: 450}
# The stable builds of PyTorch 2.13, newest first: the CUDA version, and the lowest and highest
# compute capability that it has code for. Source: PyTorch's RELEASE.md, release compatibility
# matrix and CUDA support matrix (x86).
BUILDS = {"13.0": ((7, 5), (12, 9)), "12.6": ((5, 0), (9, 9))}
_QUERY = ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
_QUERY_S = 5.0
_HIDDEN = ("", "-1", "NoDevFiles")  # values of CUDA_VISIBLE_DEVICES


@dataclass(frozen=True)
class Card:
    """An NVIDIA card.

    Attributes:
        name: As the driver calls it.
        driver: Version of the driver, say ``535.104.05``; empty where it is not known.
    """

    name: str
    driver: str


@dataclass(frozen=True)
class Torch:
    """The installed torch.

    Attributes:
        version: Say ``2.13.0+cpu``.
        cuda: Version of CUDA that it was built for; None for a build without CUDA.
        reason: What torch says when it cannot use CUDA; empty where it can.
        no_code_for: Compute capability of the card, where this build has no code for it.
    """

    version: str
    cuda: str | None
    reason: str = ""
    no_code_for: tuple[int, int] | None = None


def unused_gpu() -> GpuUnusedError | None:
    """Why torch does not use the NVIDIA card of this machine.

    Imports torch only where there is a card.

    Returns:
        The reason, or None: there is no card, the user hides it by ``CUDA_VISIBLE_DEVICES``, or
        torch can use it.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in _HIDDEN:
        return None
    card = find_card()
    return None if card is None else diagnose(card, _installed_torch())


def diagnose(card: Card, torch: Torch) -> GpuUnusedError | None:
    """Why torch does not use a card; None where it can.

    Args:
        card: The card.
        torch: The installed torch.
    """
    if torch.cuda is not None and not torch.reason and torch.no_code_for is None:
        return None
    known = {"card": card.name, "driver": card.driver or "?", "torch": torch.version}
    driver = int(card.driver.partition(".")[0] or 0)
    needed = 0 if torch.cuda is None else OLDEST_DRIVER.get(_major(torch.cuda), 0)
    if torch.cuda is not None and torch.reason and (not driver or driver >= needed):
        return GpuUnusableError(**known, cuda=torch.cuda, reason=torch.reason)
    with_code = [cuda for cuda in BUILDS if _has_code(cuda, torch.no_code_for)]
    if torch.cuda is not None and torch.no_code_for is not None and not with_code:
        reason = f"no build has code for compute capability {_text(torch.no_code_for)}"
        return GpuUnusableError(**known, cuda=torch.cuda, reason=reason)
    # A driver of unknown version gets the oldest build, which most drivers support.
    fitting = [cuda for cuda in with_code if driver >= OLDEST_DRIVER[_major(cuda)]]
    if driver and not fitting:
        oldest = OLDEST_DRIVER[_major(with_code[-1])]
        return DriverUnsupportedError(**known, cuda=torch.cuda or "-", needed=oldest)
    command = install_command(fitting[0] if fitting else with_code[-1], torch.version)
    if torch.cuda is None:
        return TorchWithoutCudaError(**known, command=command)
    if torch.no_code_for is not None:
        capability = _text(torch.no_code_for)
        return CardUnsupportedError(
            **known, cuda=torch.cuda, capability=capability, command=command
        )
    return DriverTooOldError(**known, cuda=torch.cuda, needed=needed, command=command)


def install_command(cuda: str, torch_version: str) -> str:
    """The command that replaces torch by its build for another CUDA.

    Args:
        cuda: Version of CUDA, one of ``BUILDS``.
        torch_version: The installed version; the new one is the same but for its build.
    """
    url = f"{INDEX_URL}cu{cuda.replace('.', '')}"
    if sys.platform != "win32" and Path(sys.prefix) == PROJECT_DIR / ".venv":
        return f"TORCH_INDEX_URL={url} bash run.sh"
    version = torch_version.partition("+")[0]
    return f"python -m pip install --force-reinstall torch=={version} --index-url {url}"


def find_card() -> Card | None:
    """The first NVIDIA card of this machine, by the driver's files or by ``nvidia-smi``."""
    return _card_of_proc() or _card_of_smi()


def _card_of_proc() -> Card | None:
    for path in sorted(PROC.glob("gpus/*/information")):
        name = re.search(r"^Model:\s*(.+?)\s*$", _read(path), re.MULTILINE)
        driver = re.search(r"\s(\d{3,}\.\d+(\.\d+)?)\s", _read(PROC / "version"))
        return Card(name[1] if name else "NVIDIA GPU", driver[1] if driver else "")
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def _card_of_smi() -> Card | None:
    try:
        done = subprocess.run(
            _QUERY, capture_output=True, text=True, errors="replace", timeout=_QUERY_S, check=True
        )
    except (OSError, subprocess.SubprocessError):  # not installed, no driver, or it hangs
        return None
    name, _, driver = done.stdout.partition("\n")[0].rpartition(",")
    driver = driver.strip()
    return Card(name.strip(), driver) if re.fullmatch(r"\d+(\.\d+)+", driver) else None


def cuda_available() -> bool:
    """Whether torch can use CUDA, without torch's own warnings."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return torch.cuda.is_available() and _no_code_for() is None
        except RuntimeError:  # the card is in exclusive use, say
            return False


def _no_code_for() -> tuple[int, int] | None:
    import torch

    if torch.version.cuda is None:
        return None
    capability = torch.cuda.get_device_capability()
    return None if runs_on(torch.cuda.get_arch_list(), capability) else capability


def runs_on(architectures: Sequence[str], capability: tuple[int, int]) -> bool:
    """Whether a build with code for these architectures runs on a card.

    Machine code (``sm_86``) runs on the same major version from its own minor version on,
    intermediate code (``compute_90``) on all later versions. Source: NVIDIA, CUDA C++ Programming
    Guide, "Binary Compatibility" and "PTX Compatibility".

    Args:
        architectures: As ``torch.cuda.get_arch_list()`` gives them.
        capability: Major and minor compute capability of the card.
    """
    for architecture in architectures:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)[a-z]?", architecture)
        if found is not None:
            built_for = int(found[2]), int(found[3])
            same = found[1] == "compute" or built_for[0] == capability[0]
            if same and built_for <= capability:
                return True
    return not architectures


def _has_code(cuda: str, capability: tuple[int, int] | None) -> bool:
    lowest, highest = BUILDS[cuda]
    return capability is None or lowest <= capability <= highest


def _text(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"


def _installed_torch() -> Torch:
    import torch

    version, cuda = torch.__version__, torch.version.cuda
    if cuda is None or cuda_available():
        return Torch(version, cuda)
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]  # tells what is_available keeps to itself
    except (RuntimeError, AssertionError) as e:
        return Torch(version, cuda, str(e).partition("\n")[0] or type(e).__name__)
    no_code_for = _no_code_for()
    reason = "" if no_code_for else "no CUDA device is available"
    return Torch(version, cuda, reason, no_code_for)


def _major(version: str) -> int:
    return int(version.partition(".")[0])


if __name__ == "__main__":
    found = unused_gpu()
    if found is not None:
        sys.stderr.write(f"WARNING: {found}\n")
