"""The network's fixed first layer: bands of the waveform, kept once and changed as they are drawn.

A band is a windowed complex sinusoid. Its output's real part at three phases are three channels of
the first layer, so that training can keep the complex outputs of every recording and never compute
that layer again. Another microphone and noise are applied to the bands.
"""

from __future__ import annotations

import math

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


def frame_count(samples: int) -> int:
    """Frames of `analyse`, at least one."""
    return (max(samples, KERNEL) - KERNEL) // HOP + 1


def analyse(audio: NDArray[np.int16], filters: Tensor) -> Tensor:
    """Band outputs of a recording as the network hears it, with unit variance.

    Args:
        audio: int16, (samples,), 16 kHz; silence follows one of less than KERNEL samples.
        filters: From `band_filters`.

    Returns:
        float16, (frames, 2 * BANDS): real parts, then imaginary parts.
    """
    audio = np.pad(audio, (0, max(0, KERNEL - len(audio))))
    samples = torch.from_numpy(audio.astype(np.float32) / 32768)
    samples = torch.nn.functional.layer_norm(samples, samples.shape)
    return (samples.unfold(0, KERNEL, HOP) @ filters.T).half()


def to_phases(bands: Tensor) -> Tensor:
    """(…, 2 * BANDS) to the real part at 0, 120 and 240 degrees: (…, 3 * BANDS)."""
    real, imaginary = bands.chunk(2, dim=-1)
    turns = [2 * math.pi * k / PHASES for k in range(PHASES)]
    return torch.cat([math.cos(turn) * real - math.sin(turn) * imaginary for turn in turns], -1)


def _rand(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def random_gains(batch: int, generator: torch.Generator) -> Tensor:
    """Frequency responses of unknown microphones, tilt and bumps: (B, BANDS), amplitude factors."""
    points = 9
    mel = torch.linspace(0, points - 1.001, BANDS)
    bumps_db = torch.randn(batch, points, generator=generator) * 1.5
    bumps_db += _rand((batch, 1), -3.0, 3.0, generator) * torch.linspace(-1, 1, points)
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


def change_microphone(bands: Tensor, generator: torch.Generator) -> Tensor:
    """Another frequency response, and unit power: (B, T, 2 * BANDS) to the same."""
    bands = bands * random_gains(len(bands), generator).repeat(1, 2)[:, None]
    return bands * (power(bands) + 1e-6).rsqrt()


def add_noise(bands: Tensor, generator: torch.Generator) -> Tensor:
    """White noise, 25 to 50 dB below a crop of unit power; more costs accuracy."""
    noise_db = _rand((len(bands), 1, 1), -50.0, -25.0, generator)
    bands = bands + torch.randn(bands.shape, generator=generator) * 10 ** (noise_db / 20)
    return bands * power(bands).rsqrt()
