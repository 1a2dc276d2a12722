"""What the embedded model is worth outside the studio: by telephone, with noise, soft, in a room.

Each condition changes the clips, writes them as files and reads them as the product does, so what
the product does about level counts too. Models of folds hear their own unseen speakers only::

    python -m tools.mini.conditions --manifest manifest.csv --run runs/cv
    python -m tools.mini.conditions --manifest manifest.csv --model DIR --every 10

The second form is about one model; on speakers that it was trained on, its UAR says little, but how
many labels stay the same does.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from emotion.audio import decode, ffmpeg_path, write_wav
from emotion.core.config import AudioConfig
from emotion.inference.engine import Engine
from tools.mini.changes import Change, Floats, noise, reverberate, same, silence, softer, speed
from tools.mini.data import Clip, read_audio, read_manifest
from tools.mini.evaluate import Predictions, calibration_error, corpus_recalls


@dataclass(frozen=True)
class Condition:
    """One way in which recordings differ from those of the studio.

    Attributes:
        name: For the table.
        change: Changes the samples at 16 kHz.
        codec: FFmpeg's options for the file; none for a WAV at 16 kHz.
        suffix: Of that file.
    """

    name: str
    change: Change
    codec: tuple[str, ...] = ()
    suffix: str = ".wav"


_NARROW: Final = ("-ar", "8000", "-af", "highpass=300,lowpass=3400")
CONDITIONS: Final = (
    Condition("clean", same),
    Condition("telephone, µ-law", same, (*_NARROW, "-c:a", "pcm_mulaw")),
    Condition("AMR, 5.9 kbit/s", same, ("-ar", "8000", "-b:a", "5.9k"), ".amr"),
    Condition("Opus, 8 kbit/s", same, ("-b:a", "8k", "-c:a", "libopus"), ".ogg"),
    Condition("noise, 20 dB", noise(20.0)),
    Condition("noise, 10 dB", noise(10.0)),
    Condition("room, 0.6 s", reverberate),
    Condition("40 dB softer", softer(40.0)),
    Condition("2 s of silence on both sides", silence(2.0, 2.0)),
    Condition("10 s of silence before", silence(10.0, 0.0)),
    Condition("10 % faster", speed(10, 11)),
    Condition("10 % slower", speed(11, 10)),
)


def heard(clip: Clip, number: int, condition: Condition, folder: Path) -> Floats:
    """A clip under a condition, as the product reads its file: float32, (samples,), 16 kHz.

    Args:
        clip: The clip.
        number: Its place; the seed of what is random.
        condition: The condition.
        folder: For the files.
    """
    audio = (read_audio(clip.path) / 32768).astype(np.float32)
    changed = condition.change(audio, np.random.default_rng(number))
    plain, coded = folder / f"{number}.wav", folder / f"{number}-coded{condition.suffix}"
    write_wav(plain, changed)
    path = plain
    if condition.codec:
        command = [ffmpeg_path(), "-v", "error", "-nostdin", "-y", "-i", str(plain)]
        subprocess.run([*command, *condition.codec, str(coded)], check=True)
        path = coded
    recording = decode(path, AudioConfig())
    try:
        samples = recording.buffer.read(0, recording.buffer.size)
    finally:
        recording.close()
        plain.unlink()
        coded.unlink(missing_ok=True)
    return samples.astype(np.float32)


def measure(models: Sequence[tuple[Engine, Sequence[Clip]]], condition: Condition) -> Predictions:
    """What models say of their clips under a condition."""
    found = []
    for model, clips in models:
        with tempfile.TemporaryDirectory() as made, ThreadPoolExecutor() as pool:
            tasks = [(clip, k, condition, Path(made)) for k, clip in enumerate(clips)]
            recordings = list(pool.map(lambda task: heard(*task), tasks))
        outputs = dict(model.infer_many(recordings))
        logits = np.stack([outputs[k].logits.mean(0) for k in range(len(clips))])
        found.append(
            Predictions(
                logits.astype(np.float64),
                np.array([clip.label for clip in clips], np.int64),
                np.array([clip.speaker for clip in clips]),
                np.array([clip.corpus for clip in clips]),
            )
        )
    arrays = {name: [vars(one)[name] for one in found] for name in vars(found[0])}
    return Predictions(**{name: np.concatenate(parts) for name, parts in arrays.items()})


def report(models: Sequence[tuple[Engine, Sequence[Clip]]]) -> str:
    """All conditions as a Markdown table; prints progress to the log."""
    lines: list[str] = []
    clean: Predictions | None = None
    for condition in CONDITIONS:
        now = measure(models, condition)
        clean = clean or now
        recalls = corpus_recalls(now)
        kept = float(np.mean(now.logits.argmax(1) == clean.logits.argmax(1)))
        if not lines:
            names = " | ".join(recalls)
            lines.append(f"| condition | labels as clean | {names} | calibration error |")
            lines.append("|---" * (len(recalls) + 3) + "|")
        values = " | ".join(f"{value:.3f}" for value in recalls.values())
        row = f"| {condition.name} | {kept:.1%} | {values} | {calibration_error(now):.3f} |"
        logging.getLogger(__name__).info("%s", row)
        lines.append(row)
    return "\n".join(lines) + "\n"


def opened(folder: Path) -> Engine:
    """An exported model."""
    return Engine.load(folder, device="cpu", precision="fp32")


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--run", type=Path, help="folder with a folder for each fold")
    parser.add_argument("--model", type=Path, help="one exported model")
    parser.add_argument("--speakers", nargs="+", help="with --model: only these")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each N-th clip only")
    args = parser.parse_args(argv)
    if (args.run is None) == (args.model is None):
        parser.error("choose one of --run and --model")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    clips = read_manifest(args.manifest)[:: args.every]
    models = []
    if args.model is not None:
        own = [clip for clip in clips if not args.speakers or clip.speaker in args.speakers]
        models.append((opened(args.model), own))
    for facts in sorted(args.run.glob("*/run.json")) if args.run is not None else ():
        unseen = set(json.loads(facts.read_text(encoding="utf-8"))["held_out"])
        models.append((opened(facts.parent), [clip for clip in clips if clip.speaker in unseen]))
    if not models or not all(own for _, own in models):
        parser.error("no models, or no clips for them")
    sys.stdout.write(report(models))
    return 0


if __name__ == "__main__":
    sys.exit(main())
