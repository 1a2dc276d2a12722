"""What the world does to a recording, on the bands: telephone, rooms, noise.

The targets of training are taken before, so the network learns to hear the same speech through it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from tools.mini.bands import BANDS, HOP, band_frequencies, power
from tools.mini.data import RATE_HZ

_PHONE_HZ = 300.0, 3400.0
_SLOPE_DB = 24.0  # an octave beyond these
_FLOOR_DB = -70.0
_ROOM_S = 0.2, 0.9  # until an echo is 60 dB down
_ECHO_DB = -8.0, 3.0  # power of the echoes beside the direct sound
_LOUD_DB = -25.0, -8.0  # of noise, beside a crop of unit power


def _uniform(shape: tuple[int, ...], limits: tuple[float, float], g: torch.Generator) -> Tensor:
    return limits[0] + (limits[1] - limits[0]) * torch.rand(shape, generator=g)


def _some(bands: Tensor, share: float, g: torch.Generator) -> Tensor:
    return torch.rand((len(bands), 1, 1), generator=g) < share


def phone_gains() -> Tensor:
    """What a telephone passes on of each band: (BANDS,), amplitude factors."""
    hz = band_frequencies()
    octaves = torch.log2(_PHONE_HZ[0] / hz).clamp_min(0) + torch.log2(hz / _PHONE_HZ[1]).clamp_min(
        0
    )
    return torch.pow(10.0, (-_SLOPE_DB * octaves).clamp_min(_FLOOR_DB) / 20)


def by_telephone(bands: Tensor, share: float, g: torch.Generator) -> Tensor:
    """Some recordings of a batch by telephone: (B, T, 2 * BANDS) to the same."""
    return torch.where(_some(bands, share, g), bands * phone_gains().repeat(2), bands)


def in_rooms(bands: Tensor, share: float, g: torch.Generator) -> Tensor:
    """Some recordings of a batch in rooms: each band's echoes are noise that dies away."""
    frames = round(_ROOM_S[1] * RATE_HZ / HOP)
    batch = len(bands)
    lasts = _uniform((batch, 1, 1), _ROOM_S, g) * RATE_HZ / HOP  # frames
    fall = torch.pow(10.0, -3 * torch.arange(frames) / lasts)  # (B, 1, frames)
    tail = torch.complex(
        torch.randn((batch, BANDS, frames), generator=g),
        torch.randn((batch, BANDS, frames), generator=g),
    )
    tail = tail * fall
    tail[..., 0] = 0
    wanted = torch.pow(10.0, _uniform((batch, 1, 1), _ECHO_DB, g) / 20)
    tail = tail * wanted / tail.abs().square().sum(-1, keepdim=True).mean(1, keepdim=True).sqrt()
    tail[..., 0] = 1  # the direct sound
    sound = torch.complex(bands[..., :BANDS], bands[..., BANDS:]).transpose(1, 2)  # (B, BANDS, T)
    size = sound.shape[-1] + frames
    heard = torch.fft.ifft(torch.fft.fft(sound, size) * torch.fft.fft(tail, size))
    heard = heard[..., : sound.shape[-1]].transpose(1, 2)
    return torch.where(_some(bands, share, g), torch.cat([heard.real, heard.imag], -1), bands)


def with_noise(bands: Tensor, share: float, g: torch.Generator) -> Tensor:
    """Loud noise in some recordings of a batch, white or falling by up to 6 dB an octave."""
    bands = bands * (power(bands) + 1e-6).rsqrt()
    tilt = _uniform((len(bands), 1, 1), (0.0, 1.0), g)
    gain = (band_frequencies() / 1000).pow(-tilt).repeat(1, 1, 2)  # (B, 1, 2 * BANDS)
    noise = torch.randn(bands.shape, generator=g) * gain
    level = torch.pow(10.0, _uniform((len(bands), 1, 1), _LOUD_DB, g) / 20)
    noisy = bands + noise * level * power(noise).rsqrt()
    return torch.where(_some(bands, share, g), noisy, bands)
