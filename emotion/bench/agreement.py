"""Whether the engines give real speech the same labels, each in a process of its own.

The process is ``python -m emotion.bench.agreement SPEC``; it prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emotion.audio import decode
from emotion.bench.child import Spec
from emotion.bench.engines import Samples, open_backend
from emotion.bench.runner import OURS, Plan, run_process, specs
from emotion.core.config import AudioConfig
from emotion.core.errors import ConfigError

SUFFIXES = frozenset({".aac", ".flac", ".m4a", ".mp3", ".ogg", ".opus", ".wav", ".webm"})
REFERENCE = f"{OURS} fp32"
_FULL_SCALE = 32768


@dataclass(frozen=True)
class Job:
    """What a process computes: an engine's scores of every clip of a file."""

    spec: Spec
    clips: str


def recordings(folder: Path) -> list[Path]:
    """The recordings under a folder, of any depth.

    Raises:
        ConfigError: There are none.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise ConfigError(option="speech", value=str(folder), expected="a folder with recordings")
    return files


def compare(plan: Plan, files: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Compares every engine, and this package in bf16, with this package in fp32.

    Args:
        plan: The engines.
        files: Recordings.

    Returns:
        By engine: ``clips``, ``labels`` (share of equal ones) and ``scores`` (largest difference);
        the last two None where the engine has other labels.

    Raises:
        AudioError: One of them cannot be read.
        ModelError: An engine's process failed.
    """
    precisions = tuple(dict.fromkeys(("fp32", *plan.precisions, "bf16")))
    others = {name: spec for name, spec in specs(plan).items() if name in plan.against}
    engines = specs(replace(plan, precisions=precisions)) | others
    with tempfile.TemporaryDirectory() as scratch:
        clips = Path(scratch, "clips.npz")
        write_clips(clips, files)
        answers = {
            name: run_process("agreement", asdict(Job(spec, str(clips))), name)["answers"]
            for name, spec in engines.items()
        }
    reference = answers.pop(REFERENCE)
    return {name: agreement(found, reference) for name, found in answers.items()}


def write_clips(target: Path, files: Sequence[Path]) -> None:
    """Decodes recordings into one file: int16, (samples,), end to end, and their lengths."""

    def read(path: Path) -> np.ndarray:
        samples = decode(path, AudioConfig()).samples
        return np.clip(np.rint(samples * _FULL_SCALE), -32768, 32767).astype(np.int16)

    with ThreadPoolExecutor(2) as pool:
        clips = list(pool.map(read, files))
    np.savez(target, samples=np.concatenate(clips), sizes=[clip.size for clip in clips])


def read_clips(source: Path) -> list[Samples]:
    """What `write_clips` wrote: float32, (samples,) each."""
    with np.load(source) as file:
        samples, ends = file["samples"], np.cumsum(file["sizes"])
    return [
        np.asarray(clip, np.float32) / np.float32(_FULL_SCALE)
        for clip in np.split(samples, ends[:-1])
    ]


def agreement(
    found: Sequence[dict[str, float]], reference: Sequence[dict[str, float]]
) -> dict[str, Any]:
    """Share of equal labels and largest difference of a score, over clips."""
    clips = len(reference)
    if found[0].keys() != reference[0].keys():
        return {"clips": clips, "labels": None, "scores": None}
    pairs = list(zip(found, reference, strict=True))
    same = sum(max(a, key=a.__getitem__) == max(b, key=b.__getitem__) for a, b in pairs)
    apart = max(abs(a[label] - b[label]) for a, b in pairs for label in b)
    return {"clips": clips, "labels": same / clips, "scores": apart}


def main(text: str) -> None:
    """The process: prints each clip's scores."""
    told = json.loads(text)
    spec = Spec(**told["spec"])
    backend = open_backend(spec.engine, Path(spec.model), spec.device, spec.precision)
    answers = [backend.infer(clip).scores for clip in read_clips(Path(told["clips"]))]
    sys.stdout.write("\n" + json.dumps({"answers": answers}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
