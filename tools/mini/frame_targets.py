"""Figures of each frame that the network learns to tell from sound: pitch, spectrum, modulation.

They tell no label. Their means over a recording are much of what an unseen speaker's emotion is
told by.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.signal import firwin
from torch import Tensor

from tools.mini.bands import BANDS
from tools.mini.pitch import UNVOICED

_MODULATIONS = (  # Hz, Hz, taps
    (1.0, 2.5, 101),
    (2.5, 4.0, 101),
    (4.0, 6.5, 61),
    (6.5, 10.0, 61),
    (10.0, 16.0, 31),
    (16.0, 30.0, 31),
)
_LAGS = (4, 12, 30)  # frames, of steps of pitch
_LARGEST = 5  # semitones, of such a step
_FLOOR = 1e-3  # power, where speech is about 1


@functools.cache
def modulation_taps() -> list[NDArray[np.float64]]:
    """Band-pass filters of a level, 100 a second: (taps,) each."""
    return [firwin(taps, [low, high], pass_zero=False, fs=100) for low, high, taps in _MODULATIONS]


@functools.cache
def _filters() -> Tensor:
    # The same, with zeros around: (filters, 1, longest).
    longest = max(len(taps) for taps in modulation_taps())
    padded = [np.pad(taps, (longest - len(taps)) // 2) for taps in modulation_taps()]
    return torch.from_numpy(np.stack(padded)[:, None]).float()


def frame_targets(bands: Tensor, pitch: Tensor) -> Tensor:
    """Figures of each frame.

    Args:
        bands: float32, (B, T, 2 * BANDS), 100 frames a second.
        pitch: int64, (B, T), semitone, `UNVOICED` where there is none.

    Returns:
        float32, (B, T, figures).
    """
    batch, frames = bands.shape[:2]
    power = bands.reshape(batch, frames, 2, BANDS).square().sum(2)  # (B, T, BANDS)
    level = _level(power, 12)
    around = F.avg_pool1d(F.pad(level, (25, 25), mode="replicate"), 51, 1)  # half a second
    parts = [_pitch(pitch), (level - around).abs(), level - level.mean(1, keepdim=True)]
    for lag in (2, 6):
        moved = (level[..., lag:] - level[..., :-lag]).abs()
        parts.append(F.pad(moved, (lag // 2, lag - lag // 2)))
    half = _filters().shape[2] // 2
    four = F.pad(_level(power, 4), (half, half), mode="replicate").flatten(0, 1)[:, None]
    waves = F.conv1d(four, _filters()).abs()  # (4 B, filters, T)
    parts.append(waves.reshape(batch, -1, frames))
    return torch.cat(parts, 1).transpose(1, 2)


def _level(power: Tensor, parts: int) -> Tensor:
    # Level of parts of the spectrum: (B, T, BANDS) to (B, parts, T).
    return (power.reshape(*power.shape[:2], parts, -1).mean(3) + _FLOOR).log().transpose(1, 2)


def _pitch(pitch: Tensor) -> Tensor:
    # Where pitch is, in steps of two semitones, and where it goes from there: (B, classes, T).
    voiced = pitch < UNVOICED
    parts = [F.one_hot(pitch // 2, UNVOICED // 2 + 1)]
    for lag in _LAGS:
        later = F.pad(pitch, (0, lag), value=UNVOICED)[:, lag:]
        step = (later - pitch).clamp(-_LARGEST, _LARGEST) + _LARGEST
        both = voiced & (later < UNVOICED)
        parts.append(F.one_hot(step, 2 * _LARGEST + 1) * both[..., None])
    return torch.cat(parts, 2).float().transpose(1, 2)
