"""Made-up corpora for the tests of the mini model's trainer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.mini.data import Clip

RATE_HZ = 16_000


def tone(hz: float, seconds: float = 1.0, level: float = 8000.0) -> NDArray[np.int16]:
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (level * np.sin(2 * np.pi * hz * time_s)).astype(np.int16)


def make_clips(speakers: int = 2) -> list[Clip]:
    return [
        Clip(Path(f"{corpus}{k}_{label}.wav"), label, f"{corpus}{k}", corpus)
        for corpus, count in (("aa", speakers), ("bb", speakers + 1), ("cc", speakers + 4))
        for k in range(count)
        for label in (0, 3, 6)
    ]


def recordings_of(clips: list[Clip]) -> list[NDArray[np.int16]]:
    rng = np.random.default_rng(0)
    return [
        (tone(150 + 60 * clip.label) + rng.normal(0, 300, RATE_HZ)).astype(np.int16)
        for clip in clips
    ]
