"""How good the speech segments of a long recording are: borders, labels, memory and speed.

Whole clips of known emotion, drawn from all corpora alike, are put after one another with pauses
of 0.6 to 3 s. All speech has one level, -26 dBFS, and pink noise at -65 dBFS lies under everything,
as in a quiet room. Where speech begins and ends is known without a speech detector: speech is what
lies within 40 dB of a clip's loudest 20 ms, and a pause inside a clip counts from 0.5 s on. So an
edge is the first or last such 20 ms of a clip, or either side of such a pause. Many clips rumble
below the lowest voice, at times loud enough to count, so the edges of the sound above 80 Hz stand
beside those of all sound.

The command line recognises the recording and its first 30 s, each in a process of its own. A border
is the start or end of a segment, its padding included. It is near where an edge lies within 0.3 s.
Two segments that touch are one long stretch that was split, and their common border is counted
apart. A segment belongs to the clip that it overlaps most. Its label is compared with that of the
whole clip, recognised on its own, where that is right::

    python -m tools.segment_accuracy --manifest manifest.csv --model models/emotion2vec_mini
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from emotion.audio import write_wav
from emotion.core.labels import LABELS
from emotion.core.paths import PROJECT_DIR
from emotion.core.results import Result
from emotion.recognition.recognizer import Recognizer
from tools.mini.data import RATE_HZ, Clip, loud_frames, read_audio, read_manifest

FRAME_S = 0.02
SPEECH_DB = 40.0
RUMBLE_HZ = 80.0
PAUSE_S = 0.5
NEAR_S = 0.3
PAUSES_S = (0.6, 3.0)
LEVEL_DBFS = -26.0
NOISE_DBFS = -65.0
NOISE_SAMPLES = 30 * RATE_HZ
SHORT_S = 30.0

Floats = NDArray[np.float64]
Samples = NDArray[np.float32]
Stretch = tuple[float, float]
Read = Callable[[Path], NDArray[np.int16]]


@dataclass(frozen=True)
class Placed:
    """A clip in the recording.

    Attributes:
        clip: Which.
        start_s: Where it begins.
        stop_s: Where it ends.
        edges_s: Where speech begins and ends, in turn.
        edges_above_rumble_s: The same, of the sound above 80 Hz.
    """

    clip: Clip
    start_s: float
    stop_s: float
    edges_s: tuple[float, ...]
    edges_above_rumble_s: tuple[float, ...]

    @classmethod
    def at(cls, clip: Clip, audio: NDArray[np.int16], start_s: float) -> Placed:
        """A clip that begins there; its audio is int16, (samples,), 16 kHz."""
        edges = [
            tuple(start_s + edge for stretch in speech_stretches(sound) for edge in stretch)
            for sound in (audio, above_rumble(audio))
        ]
        return cls(clip, start_s, start_s + audio.size / RATE_HZ, *edges)


@dataclass(frozen=True)
class Measured:
    """One run of the command line.

    Attributes:
        result: What it printed.
        peak_bytes: Highest resident memory of its process.
    """

    result: Result
    peak_bytes: int


def speech_stretches(audio: NDArray[Any]) -> list[Stretch]:
    """Where speech is by loudness alone: (start, stop) in seconds, pauses from 0.5 s on between.

    Args:
        audio: (samples,), 16 kHz.
    """
    loud = np.flatnonzero(loud_frames(audio, SPEECH_DB))
    pauses = np.flatnonzero(np.diff(loud) - 1 >= round(PAUSE_S / FRAME_S))
    firsts = loud[np.append(0, pauses + 1)]
    lasts = loud[np.append(pauses, loud.size - 1)]
    return [(a * FRAME_S, (b + 1) * FRAME_S) for a, b in zip(firsts, lasts, strict=True)]


def above_rumble(audio: NDArray[Any]) -> Floats:
    """A clip without what lies below 80 Hz, nothing moved in time: (samples,), 16 kHz."""
    sections = butter(4, RUMBLE_HZ, "highpass", fs=RATE_HZ, output="sos")
    return np.asarray(sosfiltfilt(sections, audio.astype(np.float64)))


def draw(clips: Sequence[Clip], rng: random.Random) -> Iterator[Clip]:
    """All clips once, each of a corpus that is drawn first, until one corpus has no more."""
    corpora = sorted({clip.corpus for clip in clips})
    left = {name: [clip for clip in clips if clip.corpus == name] for name in corpora}
    for own in left.values():
        rng.shuffle(own)
    while own := left[rng.choice(corpora)]:
        yield own.pop()


def build(
    clips: Sequence[Clip], seconds: float, seed: int, read: Read = read_audio
) -> tuple[Samples, list[Placed]]:
    """A recording of at least so many seconds, less where a corpus has no more clips.

    Args:
        clips: To draw from.
        seconds: Wanted length.
        seed: Of the order, the pauses and the noise.
        read: Decodes a clip: int16, (samples,), 16 kHz.

    Returns:
        float32, (samples,), 16 kHz; and the clips in it, in order.
    """
    rng, parts, placed, length = random.Random(seed), [], [], 0
    for clip in draw(clips, rng):
        if length >= seconds * RATE_HZ:
            break
        pause = np.zeros(round(rng.uniform(*PAUSES_S) * RATE_HZ), np.float32)
        audio = read(clip.path)
        placed.append(Placed.at(clip, audio, (length + pause.size) / RATE_HZ))
        parts += [pause, at_level(audio)]
        length += pause.size + audio.size
    samples = np.concatenate([*parts, np.zeros(round(PAUSES_S[0] * RATE_HZ), np.float32)])
    samples += np.resize(pink_noise(seed), samples.size)
    return samples, placed


def at_level(audio: NDArray[np.int16]) -> Samples:
    """A clip whose speech has -26 dBFS: float32, (samples,)."""
    hop = round(FRAME_S * RATE_HZ)
    speech = audio[: audio.size // hop * hop].reshape(-1, hop)[loud_frames(audio, SPEECH_DB)]
    rms = np.sqrt(np.square(speech.astype(np.float64)).mean())
    return np.asarray(audio * (10 ** (LEVEL_DBFS / 20) / rms), np.float32)


def pink_noise(seed: int) -> Samples:
    """30 s of noise at -65 dBFS whose end fits its beginning: float32, (samples,)."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(NOISE_SAMPLES))
    spectrum[0] = 0
    spectrum[1:] /= np.sqrt(np.arange(1, spectrum.size))
    noise = np.fft.irfft(spectrum, NOISE_SAMPLES)
    return np.asarray(10 ** (NOISE_DBFS / 20) * noise / noise.std(), np.float32)


def borders(segments: Sequence[Stretch]) -> tuple[list[float], list[float]]:
    """Starts and ends of segments; and the common borders of those that touch."""
    splits = [a[1] for a, b in pairwise(segments) if a[1] == b[0]]
    return [x for segment in segments for x in segment if x not in set(splits)], splits


def near(times_s: Sequence[float], edges_s: Sequence[float]) -> NDArray[np.bool_]:
    """Which times lie within 0.3 s of an edge, to the microsecond: (times,)."""
    if not edges_s:
        return np.zeros(len(times_s), np.bool_)
    times, edges = np.array(times_s), np.sort(edges_s)
    after = np.searchsorted(edges, times)
    neighbours = edges[np.clip([after - 1, after], 0, edges.size - 1)]  # (2, times)
    return np.asarray(np.abs(times - neighbours).min(0) <= NEAR_S + 1e-6, np.bool_)


def owners(segments: Sequence[Stretch], placed: Sequence[Placed]) -> list[int | None]:
    """The clip that each segment overlaps most; None where it overlaps none."""
    starts, stops = np.array([(p.start_s, p.stop_s) for p in placed]).T
    found: list[int | None] = []
    for start_s, stop_s in segments:
        shared = np.minimum(stops, stop_s) - np.maximum(starts, start_s)
        best = int(np.argmax(shared))
        found.append(best if shared[best] > 0 else None)
    return found


def border_figures(
    segments: Sequence[Stretch], edges_s: Sequence[float], duration_s: float
) -> dict[str, float | None]:
    """Shares of borders near an edge and of edges near a border; None where there are none.

    Args:
        segments: (start, stop) in seconds, in order.
        edges_s: Where speech begins and ends.
        duration_s: Length of the recording.
    """
    found, splits = borders(segments)
    anywhere = np.arange(0.005, duration_s, 0.01).tolist()
    return {
        "borders_near": _share(near(found, edges_s)),
        "anywhere_near": _share(near(anywhere, edges_s)),
        "split_borders_near": _share(near(splits, edges_s)),
        "edges": len(edges_s),
        "edges_with_border": _share(near(edges_s, found)),
    }


def figures(result: Result, placed: Sequence[Placed], alone: Mapping[Path, str]) -> dict[str, Any]:
    """All but memory and speed.

    Args:
        result: Of the recording.
        placed: Its clips.
        alone: The label of each clip by its path, recognised on its own.
    """
    segments = [(s.start_s, s.end_s) for s in result.segments]
    duration_s = result.audio.duration_s
    right = [alone[p.clip.path] == LABELS[p.clip.label] for p in placed]
    heard = owners(segments, placed)
    agreed = [
        segment.emotion == LABELS[placed[i].clip.label]
        for segment, i in zip(result.segments, heard, strict=True)
        if i is not None and right[i]
    ]
    found, splits = borders(segments)
    loud = [edge for p in placed for edge in p.edges_s]
    above = [edge for p in placed for edge in p.edges_above_rumble_s]
    return {
        "minutes": round(duration_s / 60, 2),
        "clips": len(placed),
        "clips_without_segment": len(set(range(len(placed))) - set(heard)),
        "segments": len(segments),
        "segments_without_clip": heard.count(None),
        "borders": len(found),
        "split_borders": len(splits),
        "all_sound": border_figures(segments, loud, duration_s),
        "above_80_hz": border_figures(segments, above, duration_s),
        "clips_right_alone": _share(right),
        "segments_of_right_clips": len(agreed),
        "segments_agree": _share(agreed),
    }


def _share(marks: Sequence[bool] | NDArray[np.bool_]) -> float | None:
    return round(float(np.mean(marks)), 4) if len(marks) else None


def run_command(model: Path, recording: Path, folder: Path) -> Measured:
    """Recognises a recording with segment granularity, as a user would, in a fresh process.

    Args:
        model: A checkpoint's folder.
        recording: WAV file.
        folder: Takes the run's folder.

    Raises:
        RuntimeError: It failed; its last words are in the message.
    """
    code = (
        "import sys; from emotion.cli import main; code = main(sys.argv[1:])\n"
        "from emotion.inference.device import peak_resident_bytes\n"
        "print(peak_resident_bytes()); sys.exit(code)"
    )
    options = ["--model", str(model), "--granularity", "segment", "--json"]
    options += ["--output-dir", str(folder), str(recording)]
    command = [sys.executable, "-c", code, "recognize", *options]
    env = {**os.environ, "PYTHONPATH": str(PROJECT_DIR)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise RuntimeError(f"{recording.name} failed: {(done.stderr + done.stdout)[-300:]}")
    text, peak_bytes = done.stdout.strip().splitlines()[-2:]
    return Measured(Result.from_dict(json.loads(text)), int(peak_bytes))


def measure(
    model: Path, samples: Samples, placed: Sequence[Placed], folder: Path
) -> dict[str, Any]:
    """All figures of a recording.

    Args:
        model: A checkpoint's folder.
        samples: float32, (samples,), 16 kHz.
        placed: The clips in it.
        folder: Takes the recordings and the runs.
    """
    runs = []
    for name, part in (("long.wav", samples), ("short.wav", samples[: int(SHORT_S * RATE_HZ)])):
        write_wav(folder / name, part)
        runs.append(run_command(model, folder / name, folder / "outputs"))
    long, short = runs
    recognizer = Recognizer.load(str(model))
    alone = {p.clip.path: recognizer.recognize(p.clip.path).result.emotion for p in placed}
    return {
        **figures(long.result, placed, alone),
        "peak_mb": round(long.peak_bytes / 1e6, 1),
        "peak_mb_above_30_s": round((long.peak_bytes - short.peak_bytes) / 1e6, 1),
        "times_real_time": round(samples.size / RATE_HZ / long.result.timing.total_s, 1),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint's folder")
    parser.add_argument("--minutes", type=float, default=60.0, help="length of the recording")
    parser.add_argument("--seed", type=int, default=0, help="of the order, the pauses and noise")
    parser.add_argument("--keep", type=Path, metavar="WAV", help="keep the recording")
    args = parser.parse_args(argv)
    samples, placed = build(read_manifest(args.manifest), 60 * args.minutes, args.seed)
    if args.keep is not None:
        write_wav(args.keep, samples)
    with tempfile.TemporaryDirectory() as folder:
        found = measure(args.model, samples, placed, Path(folder))
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
