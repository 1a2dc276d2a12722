"""Recordings made of real clips and pauses, and where speech begins and ends in them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from emotion.core.config import SAMPLE_RATE_HZ

_ENVELOPE_SAMPLES = 160  # 10 ms
_BELOW_PEAK = 10 ** (-35 / 20)
_PAUSE_S = 0.3


@dataclass(frozen=True)
class Spoken:
    """A recording and what is known of it.

    Attributes:
        samples: float32, (samples,), 16 kHz.
        edges_s: Where speech begins and ends, pauses below 0.3 s left out.
        clips: (start_s, stop_s, label) of each clip.
    """

    samples: NDArray[np.float32]
    edges_s: NDArray[np.float64]
    clips: list[tuple[float, float, str]]


def choose(folder: Path, count: int, seed: int = 0) -> list[tuple[Path, str]]:
    """So many clips of all corpora in turn, with their labels."""
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    np.random.default_rng(seed).shuffle(rows)  # type: ignore[arg-type]
    corpora = sorted({row["corpus"] for row in rows})
    by_corpus = [[row for row in rows if row["corpus"] == corpus] for corpus in corpora]
    turns = [row for group in zip(*by_corpus, strict=False) for row in group]
    return [(folder / row["path"], row["label"]) for row in turns[:count]]


def read(path: Path) -> NDArray[np.float32]:
    """A clip's samples, float32, (samples,), 16 kHz; starts no FFmpeg, so many clips go fast."""
    clip, rate_hz = soundfile.read(path, dtype="float32")
    assert rate_hz == SAMPLE_RATE_HZ and clip.ndim == 1
    return np.asarray(clip, np.float32)


def spoken(folder: Path, seconds: float, seed: int = 0) -> Spoken:
    """A recording of about so many seconds: clips with pauses of 0.6 to 3 s between."""
    rng = np.random.default_rng(seed)
    parts: list[NDArray[np.float32]] = []
    edges: list[float] = []
    clips: list[tuple[float, float, str]] = []
    length = 0
    for path, label in choose(folder, round(seconds), seed):
        if length >= seconds * SAMPLE_RATE_HZ:
            break
        pause = round(rng.uniform(0.6, 3) * SAMPLE_RATE_HZ)
        clip = read(path)
        start_s = (length + pause) / SAMPLE_RATE_HZ
        parts += [np.zeros(pause, np.float32), 0.1 * clip / np.sqrt(np.square(clip).mean())]
        edges += [start_s + at for at in speech_edges(clip)]
        clips.append((start_s, start_s + clip.size / SAMPLE_RATE_HZ, label))
        length += pause + clip.size
    samples = np.concatenate(parts)
    samples += 1e-4 * rng.standard_normal(samples.size).astype(np.float32)
    return Spoken(samples, np.array(edges), clips)


def speech_edges(clip: NDArray[np.float32]) -> list[float]:
    """Onsets and ends by loudness, in seconds: within 35 dB of the loudest 10 ms."""
    count = clip.size // _ENVELOPE_SAMPLES
    blocks = clip[: count * _ENVELOPE_SAMPLES].reshape(count, -1)
    loudness = np.sqrt(np.square(blocks).mean(1))
    active = np.flatnonzero(loudness > _BELOW_PEAK * loudness.max()) / 100  # in seconds
    gaps = np.flatnonzero(np.diff(active) > _PAUSE_S)
    inner = np.stack([active[gaps] + 0.01, active[gaps + 1]], 1).ravel()
    return [float(active[0]), *inner.tolist(), float(active[-1] + 0.01)]


def share_near(times_s: NDArray[np.float64], edges_s: NDArray[np.float64]) -> float:
    """Share of the times that lie within 0.3 s of an edge."""
    distances = np.abs(times_s[:, None] - edges_s[None]).min(1)
    return float((distances <= _PAUSE_S).mean())
