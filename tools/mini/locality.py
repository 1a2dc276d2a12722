"""How local the frame scores are: where they place the joint of two joined clips.

An angry and a sad clip of one speaker are joined, in either order, and the change point is read
from the frame logits of the whole, and from sliding windows of 1 s, each heard alone. Recordings
begin and end with silence, up to two seconds where two meet, and silence has no emotion: so only
speech is evidence, and a change between two stretches of speech lies in the middle of the pause.
Beside that stands the figure with silence as evidence like any other. Name the speakers that the
model has not heard::

    python -m tools.mini.locality --manifest manifest.csv --model models/emotion2vec_mini \\
        --speakers rav03 nemoEB0
"""

from __future__ import annotations

import argparse
import functools
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.core.labels import LABELS
from emotion.inference.engine import Engine
from tools.mini.data import RATE_HZ, Clip, loud_frames, read_audio, read_manifest

Samples = NDArray[np.float32]
Floats = NDArray[np.float64]
Pair = tuple[Clip, Clip]
ANGRY, SAD = LABELS.index("angry"), LABELS.index("sad")
FRAME_S = 0.02
STEP_S = 0.1
WINDOW_S = 1.0
NEAR_S = 0.5
SPEECH_DB = 40.0


def change_point(values: Floats, weights: Floats) -> float:
    """The split into two parts of constant value that leaves the smallest squares.

    Args:
        values: (steps,), at least two.
        weights: (steps,), at least two above 0. Where the best split lies among steps of weight
            0, it is the middle of them.

    Returns:
        Steps before the split, more than 0 and less than ``steps``.
    """
    total, before = weights.sum(), np.cumsum(weights)[:-1]
    sums, whole = np.cumsum(values * weights)[:-1], (values * weights).sum()
    inside = (before > 0) & (before < total)
    means = np.zeros(len(before))
    means[inside] = sums[inside] / before[inside]
    means[inside] -= (whole - sums[inside]) / (total - before[inside])
    explained = before * (total - before) * means**2
    last = int(np.argmax(explained))  # before the split
    following = last + 1 + int(np.argmax(weights[last + 1 :] > 0))
    return (last + 1 + following) / 2


def speech(samples: Samples, step_s: float, window_s: float) -> Floats:
    """Which windows are speech: at least half of their 20 ms are within 40 dB of the loudest.

    Returns:
        (windows,), 0 or 1; a window every ``step_s`` seconds, as many as fit.
    """
    loud = loud_frames(samples, SPEECH_DB)
    step, width = round(step_s / FRAME_S), round(window_s / FRAME_S)
    share = np.lib.stride_tricks.sliding_window_view(loud, width)[::step].mean(1)
    result: Floats = (share >= 0.5).astype(np.float64)
    return result


def from_frames(engine: Engine, samples: Samples, silence: bool = False) -> float:
    """The change point in seconds, from the frame logits of the whole recording.

    Args:
        engine: With the model.
        samples: float32, (samples,), 16 kHz.
        silence: Whether frames of silence are evidence, too.
    """
    values = _evidence(engine.infer(samples).logits)
    return _split(values, speech(samples, FRAME_S, FRAME_S), silence) * FRAME_S


def from_windows(engine: Engine, samples: Samples, silence: bool = False) -> float:
    """The change point in seconds, from windows of 1 s, every 0.1 s; otherwise as `from_frames`."""
    width, hop = int(WINDOW_S * RATE_HZ), int(STEP_S * RATE_HZ)
    starts = range(0, samples.size - width + 1, hop)
    outputs = dict(engine.infer_many([samples[start : start + width] for start in starts]))
    values = _evidence(np.stack([outputs[i].logits.mean(0) for i in range(len(outputs))]))
    split = _split(values, speech(samples, STEP_S, WINDOW_S), silence)
    return split * STEP_S + (WINDOW_S - STEP_S) / 2


def _split(values: Floats, weights: Floats, silence: bool) -> float:
    count = min(len(values), len(weights))
    weights = np.ones(count) if silence else weights[:count]
    return change_point(values[:count], weights)


def _evidence(logits: NDArray[np.float32]) -> Floats:
    return np.asarray(logits[:, ANGRY] - logits[:, SAD], np.float64)


def joined_pairs(clips: Sequence[Clip], per_speaker: int, seed: int = 0) -> list[Pair]:
    """An angry and a sad clip of one speaker, in turn in either order; each speaker alike often."""
    rng = random.Random(seed)
    pairs: list[Pair] = []
    for speaker in sorted({clip.speaker for clip in clips}):
        own = [clip for clip in clips if clip.speaker == speaker]
        angry = [clip for clip in own if clip.label == ANGRY]
        sad = [clip for clip in own if clip.label == SAD]
        for number in range(per_speaker if angry and sad else 0):
            one, other = rng.choice(angry), rng.choice(sad)
            pairs.append((one, other) if number % 2 else (other, one))
    return pairs


def share_near(
    engine: Engine, pairs: Sequence[Pair], locate: Callable[[Engine, Samples], float]
) -> float:
    """Share of the pairs whose change point is found within 0.5 s of the joint."""
    near = 0
    for pair in pairs:
        parts = [read_audio(clip.path).astype(np.float32) / 32768 for clip in pair]
        found_s = locate(engine, np.concatenate(parts))
        near += abs(found_s - parts[0].size / RATE_HZ) <= NEAR_S
    return near / len(pairs)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint's folder")
    parser.add_argument("--speakers", nargs="+", help="only these; all by default")
    parser.add_argument("--pairs", type=int, default=20, help="of each speaker")
    args = parser.parse_args(argv)
    clips = read_manifest(args.manifest)
    if args.speakers:
        clips = [clip for clip in clips if clip.speaker in args.speakers]
    pairs = joined_pairs(clips, args.pairs)
    if not pairs:
        parser.error("none of these speakers has angry and sad clips")
    engine = Engine.load(args.model, device="cpu", precision="fp32")
    for name, locate in (("frame logits", from_frames), ("1 s windows", from_windows)):
        share = share_near(engine, pairs, locate)
        raw = share_near(engine, pairs, functools.partial(locate, silence=True))
        sys.stdout.write(
            f"{name}: {share:.1%} of {len(pairs)} pairs within {NEAR_S} s, "
            f"{raw:.1%} with silence as evidence\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
