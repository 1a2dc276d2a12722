"""Whether the model answers alike in float32, in bfloat16, and in FunASR, on real speech.

All clips in both precisions, and every clip of the named speakers with FunASR's ``AutoModel``::

    python -m tools.mini.agreement --manifest manifest.csv --model models/emotion2vec_mini \\
        --funasr-speakers rav03
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emotion.config import Precision
from emotion.engine import Engine
from tools.mini.data import Clip, read_audio, read_manifest
from tools.mini.evaluate import softmax

CHUNK = 64  # clips computed at once
Scores = NDArray[np.float64]


def our_scores(model: Path, clips: Sequence[Clip], precision: Precision) -> Scores:
    """Scores of whole clips with the product's engine: (clips, labels)."""
    engine = Engine.load(model, device="cpu", precision=precision)
    logits = []
    for start in range(0, len(clips), CHUNK):
        chunk = clips[start : start + CHUNK]
        samples = [read_audio(clip.path).astype(np.float32) / np.float32(32768) for clip in chunk]
        logits += [output.logits.mean(0) for output in engine.infer_many(samples)]
    return softmax(np.array(logits, np.float64))


def funasr_scores(model: Path, clips: Sequence[Clip]) -> Scores:
    """Scores of whole clips with FunASR: (clips, labels)."""
    from funasr import AutoModel

    auto = AutoModel(model=str(model), device="cpu", disable_update=True, disable_pbar=True)
    rows: list[Any] = []
    for clip in clips:
        samples = torch.from_numpy(read_audio(clip.path) / np.float32(32768))
        rows += auto.generate(samples, granularity="utterance", extract_embedding=False)
    return np.array([row["scores"] for row in rows], np.float64)


def agreement(a: Scores, b: Scores) -> str:
    """Share of equal labels, and the largest difference of a score, in words."""
    same = a.argmax(1) == b.argmax(1)
    return (
        f"{same.mean():.2%} of {len(a)} labels agree ({(~same).sum()} do not), "
        f"scores within {np.abs(a - b).max():.1e}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint's folder")
    parser.add_argument("--funasr-speakers", nargs="*", default=[], help="compared with FunASR")
    args = parser.parse_args(argv)
    clips = read_manifest(args.manifest)
    full = our_scores(args.model, clips, "fp32")
    sys.stdout.write(f"bf16: {agreement(full, our_scores(args.model, clips, 'bf16'))}\n")
    own = [k for k, clip in enumerate(clips) if clip.speaker in args.funasr_speakers]
    if own:
        theirs = funasr_scores(args.model, [clips[k] for k in own])
        sys.stdout.write(f"FunASR: {agreement(full[own], theirs)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
