"""The network's fixed first layer: bands of the waveform, kept once and changed as they are drawn.

A band is a windowed complex sinusoid. Its output's real part at three phases are three channels of
the first layer, so that training can keep the complex outputs of every recording and never compute
that layer again. Another microphone, noise and gaps are applied to the bands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tools.mini.data import RATE_HZ

HOP = 160  # samples: 100 frames a second
BANDS = 48
KERNEL = 400  # samples: 25 ms
PHASES = 3

_LOW_HZ, _HIGH_HZ = 60.0, 7600.0


def band_frequencies() -> Tensor:
    """Centres of the bands, evenly spaced on the mel scale: float32, (BANDS,), Hz."""
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (_LOW_HZ, _HIGH_HZ))
    return 700 * (torch.pow(10.0, torch.linspace(low, high, BANDS) / 2595) - 1)


def band_filters() -> Tensor:
    """Windowed cosines, then sines, of unit norm: float32, (2 * BANDS, KERNEL)."""
    time_s = (torch.arange(KERNEL) - KERNEL / 2) / RATE_HZ
    angle = 2 * math.pi * band_frequencies()[:, None] * time_s
    filters = torch.cat([torch.cos(angle), torch.sin(angle)]) * torch.hann_window(KERNEL)
    unit: Tensor = filters / filters.norm(dim=1, keepdim=True)
    return unit


def analyse(audio: NDArray[np.int16], filters: Tensor) -> Tensor:
    """Band outputs of a recording as the network hears it, with unit variance.

    Args:
        audio: int16, (samples,), 16 kHz, at least KERNEL samples.
        filters: From `band_filters`.

    Returns:
        float16, (frames, 2 * BANDS): real parts, then imaginary parts.
    """
    samples = torch.from_numpy(audio.astype(np.float32) / 32768)
    samples = torch.nn.functional.layer_norm(samples, samples.shape)
    return (samples.unfold(0, KERNEL, HOP) @ filters.T).half()


def to_phases(bands: Tensor) -> Tensor:
    """(…, 2 * BANDS) to the real part at 0, 120 and 240 degrees: (…, 3 * BANDS)."""
    real, imaginary = bands.chunk(2, dim=-1)
    turns = [2 * math.pi * k / PHASES for k in range(PHASES)]
    return torch.cat([math.cos(turn) * real - math.sin(turn) * imaginary for turn in turns], -1)


class BandPool:
    """Band outputs of many recordings in one flat array, and crops of them.

    Args:
        recordings: int16, (samples,) each, 16 kHz.
    """

    def __init__(self, recordings: Sequence[NDArray[np.int16]]) -> None:
        filters = band_filters()
        sizes = [(max(len(audio), KERNEL) - KERNEL) // HOP + 1 for audio in recordings]
        self.size = torch.tensor(sizes)
        self.offset = torch.cumsum(self.size, 0) - self.size
        self.flat = torch.empty(sum(sizes), 2 * BANDS, dtype=torch.float16)
        for audio, start, size in zip(recordings, self.offset.tolist(), sizes, strict=True):
            audio = np.pad(audio, (0, max(0, KERNEL - len(audio))))
            self.flat[start : start + size] = analyse(audio, filters)

    def loudness(self) -> Tensor:
        """Root mean square of every band over all frames: float32, (BANDS,)."""
        some = self.flat[:: max(1, len(self.flat) // 50_000)].float().square()
        return some.mean(0).reshape(2, BANDS).mean(0).sqrt()

    def crops(self, rows: Tensor, frames: int, generator: torch.Generator) -> Tensor:
        """A crop of each recording, anywhere in it; nothing around it where it is shorter.

        Args:
            rows: int64, (B,), which recordings.
            frames: T, at 100 a second.
            generator: Source of the positions.

        Returns:
            float32, (B, T, 2 * BANDS).
        """
        result = torch.zeros(len(rows), frames, 2 * BANDS)
        place = torch.rand(len(rows), generator=generator).tolist()
        for i, row in enumerate(rows.tolist()):
            size, offset = int(self.size[row]), int(self.offset[row])
            start = int(place[i] * (abs(size - frames) + 1))
            if size > frames:
                result[i] = self.flat[offset + start : offset + start + frames]
            else:
                result[i, start : start + size] = self.flat[offset : offset + size]
        return result


def _rand(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def random_gains(batch: int, generator: torch.Generator) -> Tensor:
    """Frequency responses of unknown microphones, tilt and bumps: (B, BANDS), amplitude factors."""
    points = 9
    mel = torch.linspace(0, points - 1.001, BANDS)
    bumps_db = torch.randn(batch, points, generator=generator) * 3.0
    bumps_db += _rand((batch, 1), -6.0, 6.0, generator) * torch.linspace(-1, 1, points)
    whole = mel.long()
    part = mel - whole
    gain_db = bumps_db[:, whole] * (1 - part) + bumps_db[:, whole + 1] * part
    gains: Tensor = torch.pow(10.0, gain_db / 20)
    return gains


def power(bands: Tensor) -> Tensor:
    """Mean power of each crop, every band weighing as its share of the spectrum: (B, 1, 1).

    It is close to the waveform's variance.
    """
    hz = band_frequencies()
    weight = torch.gradient(hz)[0].repeat(2)
    return (bands.square() * (weight / weight.sum())).sum(-1, keepdim=True).mean(1, keepdim=True)


def augment(bands: Tensor, generator: torch.Generator) -> Tensor:
    """Another microphone, noise and level; then a gap in time and one in frequency.

    Args:
        bands: float32, (B, T, 2 * BANDS).
        generator: Source of all randomness.

    Returns:
        (B, T, 2 * BANDS).
    """
    batch, frames = bands.shape[:2]
    bands = bands * random_gains(batch, generator).repeat(1, 2)[:, None]
    bands = bands * (power(bands) + 1e-6).rsqrt()
    noise_db = _rand((batch, 1), -50.0, -10.0, generator)
    colour = (band_frequencies() / 1000) ** _rand((batch, 1), -1.1, 0.1, generator)
    level = torch.pow(10.0, noise_db / 20) * colour
    bands = bands + torch.randn(bands.shape, generator=generator) * level.repeat(1, 2)[:, None]
    level_db = _rand((batch, 1, 1), -3.0, 3.0, generator)  # silence in a file makes speech louder
    bands = bands * power(bands).rsqrt() * torch.pow(10.0, level_db / 20)
    first = _rand((batch, 1), 0, frames, generator)
    last = first + _rand((batch, 1), 0, min(30.0, 0.2 * frames), generator)
    at = torch.arange(frames)
    heard = ((at < first) | (at > last))[..., None]
    first = _rand((batch, 1), -0.15 * BANDS, BANDS, generator)
    last = first + _rand((batch, 1), 0, 0.15 * BANDS, generator)
    at = torch.arange(BANDS).repeat(2)
    return bands * (heard & ((at < first) | (at > last))[:, None])
