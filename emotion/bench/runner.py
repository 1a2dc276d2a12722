"""Runs the engines in turn, each in fresh subprocesses, and takes medians and ratios."""

from __future__ import annotations

import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotion.bench.child import Spec
from emotion.core.config import Precision
from emotion.core.errors import ConfigError, ModelError
from emotion.core.paths import PROJECT_DIR

logger = logging.getLogger(__name__)

OURS = "emotion"
TREE = "tree"
_FIGURES = (
    "ready_s", "first_s", "throughput", "peak_bytes", "vram_bytes", "gemm_flops", "gemm_operations"
)  # fmt: skip
EXPECTED = "funasr, hf:DIR (a classifier) or tree:DIR (this project in another version)"


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Attributes:
        model: A checkpoint's folder in FunASR's layout.
        against: Other engines: ``funasr``, ``hf:DIR``, or ``tree:DIR`` for another version of this
            package, by the root of its repository.
        device: Where all run.
        precisions: Number formats in which this package runs; another version in the first.
        clips_s: Lengths for the warm latency.
        rounds: Fresh processes of each engine.
        many: Clips of 2 to 6 s for the throughput.
        cold: Whether each process finds the checkpoint on the disk, and not in memory.
    """

    model: Path
    against: tuple[str, ...] = ("funasr",)
    device: str = "cpu"
    precisions: tuple[Precision, ...] = ("fp32", "auto")
    clips_s: tuple[float, ...] = (3.0, 10.0, 30.0)
    rounds: int = 5
    many: int = 64
    cold: bool = False


def specs(plan: Plan) -> dict[str, Spec]:
    """The engines by the name that the report gives them."""

    def spec(engine: str, model: Path, precision: Precision) -> Spec:
        folder = str(model.resolve())
        return Spec(engine, folder, plan.device, precision, plan.clips_s, 3, plan.many)

    found = {f"{OURS} {p}": spec("emotion", plan.model, p) for p in plan.precisions}
    for name in plan.against:
        kind, _, folder = name.partition(":")
        if kind == TREE:
            found[name] = spec("emotion", plan.model, plan.precisions[0])
        else:
            found[name] = spec(kind, Path(folder) if folder else plan.model, "fp32")
    return found


def check(plan: Plan) -> None:
    """Refuses, before the first round, engines that cannot run.

    Raises:
        ConfigError: One is unknown or lacks its folder.
    """
    for name in plan.against:
        kind, _, folder = name.partition(":")
        missing = kind == "hf" and not (folder and Path(folder).is_dir())
        if missing or kind not in ("funasr", "hf", TREE):
            raise ConfigError(option="against", value=name, expected=EXPECTED)
        source_tree(name)


def source_tree(name: str) -> Path:
    """The root of the repository whose code an engine runs, by its name in `specs`.

    Raises:
        ConfigError: Not a folder with this package.
    """
    kind, _, folder = name.partition(":")
    if kind != TREE:
        return PROJECT_DIR
    if not folder or not (Path(folder) / "emotion" / "bench" / "child.py").is_file():
        raise ConfigError(option="against", value=name, expected=EXPECTED)
    return Path(folder).resolve()


def run(plan: Plan) -> dict[str, Any]:
    """Measures everything in the plan.

    Returns:
        ``machine``, ``plan``, ``engines`` (medians by engine), ``ratios`` (of this package to
        each other engine; above 1 is better) and ``parity``.

    Raises:
        ConfigError: See `check`.
        ModelError: An engine's process failed; its last words are in the message.
    """
    check(plan)
    records: dict[str, list[dict[str, Any]]] = {name: [] for name in specs(plan)}
    for number in range(plan.rounds):
        for name, spec in specs(plan).items():
            logger.info("round %d of %d: %s", number + 1, plan.rounds, name)
            if plan.cold:
                drop_cached(Path(spec.model))
            records[name].append(_child(name, spec))
    engines = {name: _summary(found) for name, found in records.items()}
    reference = next((name for name in engines if not name.startswith(OURS)), None)
    ours = [name for name in engines if name.startswith(OURS)]
    return {
        "machine": machine(),
        "plan": {**asdict(plan), "model": plan.model.name},
        "engines": engines,
        "reference": reference,
        "ratios": {name: ratios(engines[name], engines[reference]) for name in ours if reference},
        "parity": {
            name: parity(records[name][0]["answer"], records[reference][0]["answer"])
            for name in ours
            if reference
        },
    }


def run_process(module: str, told: dict[str, Any], name: str) -> dict[str, Any]:
    """Runs ``emotion.bench.MODULE`` in a fresh process and reads the JSON on its last line.

    Args:
        module: Which.
        told: Its argument.
        name: The engine's in `specs`.

    Raises:
        ConfigError: The engine's code is not there.
        ModelError: It failed; its last words are in the message.
    """
    tree = source_tree(name)
    command = [sys.executable, "-m", f"emotion.bench.{module}", json.dumps(told)]
    env = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=tree)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ModelError(reason=f"the process of {name} failed: {reason}")
    record: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return record


def drop_cached(folder: Path) -> None:
    """Takes a folder's files out of the system's memory, as after a restart of the machine.

    Raises:
        ConfigError: This system cannot be asked for it.
    """
    if not hasattr(os, "posix_fadvise"):
        raise ConfigError(option="cold", value=platform.system(), expected="Linux")
    os.sync()  # what is not on the disk yet would stay
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _child(name: str, spec: Spec) -> dict[str, Any]:
    began = time.monotonic()
    record = run_process("child", asdict(spec), name)
    record["ready_s"] = record.pop("ready_at") - began
    record["first_s"] = record.pop("first_at") - began
    return record


def _summary(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Medians over the rounds."""

    def median(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return statistics.median(known) if known else None

    summary: dict[str, Any] = {
        key: median([record.get(key) for record in records])  # another version may lack some
        for key in _FIGURES
    }
    summary["latency_s"] = {
        clip: median([record["latency_s"][clip] for record in records])
        for clip in records[0]["latency_s"]
    }
    summary["precision"] = records[0]["precision"]
    return summary


def ratios(ours: dict[str, Any], other: dict[str, Any]) -> dict[str, float]:
    """How many times better this package is, row by row; rows that either lacks are left out."""
    rows: dict[str, tuple[Any, Any]] = {
        key: (other[key], ours[key]) for key in ("ready_s", "first_s", "peak_bytes", "vram_bytes")
    }
    rows["throughput"] = (ours["throughput"], other["throughput"])
    for clip, seconds in ours["latency_s"].items():
        rows[f"latency_{clip}s"] = (other["latency_s"].get(clip), seconds)
    return {key: above / below for key, (above, below) in rows.items() if above and below}


def parity(ours: dict[str, Any], other: dict[str, Any]) -> dict[str, float | None]:
    """Largest difference of a score, and relative distance of the embeddings.

    None where the engines have different labels or no embedding.
    """
    mine, theirs = ours["scores"], other["scores"]
    same = mine.keys() == theirs.keys()
    score = max(abs(mine[label] - theirs[label]) for label in mine) if same else None
    a, b = np.array(ours["embedding"]), np.array(other["embedding"])
    if a.shape != b.shape or not b.size:
        return {"scores": score, "embedding": None}
    return {"scores": score, "embedding": float(np.linalg.norm(a - b) / np.linalg.norm(b))}


def machine() -> dict[str, Any]:
    """The machine and the versions that the figures are true of."""
    import torch

    found = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "isa": torch.backends.cpu.get_cpu_capability(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found


def operations(config: Any, samples: int) -> float:
    """Operations (two a multiply-add) of one pass over a clip, matrix products only.

    Args:
        config: A `emotion.models.network.ModelConfig`.
        samples: Length of the clip at 16 kHz.
    """
    total: float = 0.0
    channels, length = 1, samples
    for width, kernel, stride in config.feature_encoder:
        length = (length - kernel) // stride + 1
        total += length * width * channels * kernel
        channels = width
    dim = config.embed_dim
    total += length * channels * dim
    total += config.pos_depth * length * dim * dim / config.pos_groups * config.pos_kernel
    n = length + config.num_extra_tokens
    block = n * dim * (4 * dim + 2 * config.mlp_dim) + 2 * n * n * dim
    return float(2 * (total + config.num_blocks * block))
