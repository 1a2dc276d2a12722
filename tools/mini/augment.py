"""Other voices, rooms and microphones: what a batch of waveforms goes through before a step."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

RATE_HZ = 16_000
_WINDOW, _HOP = 512, 128  # samples, of the analysis in move_formants and change_tempo
_ROOM = 4000  # samples of a room's response


def move_formants(audio: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Stretches the spectral envelope along frequency and leaves pitch and tempo.

    The envelope is the cepstrum without its fine structure, frame by frame.

    Args:
        audio: (samples,), 16 kHz, in the scale of int16.
        factor: 1.1 moves a formant from 1000 Hz to 1100 Hz, as of a shorter vocal tract.

    Returns:
        (samples,).
    """
    window = np.hanning(_WINDOW + 1)[:-1]
    padded = np.pad(audio, (_WINDOW, 2 * _WINDOW))
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    spectrum = np.fft.rfft(frames * window)  # (frames, bins)
    bins = spectrum.shape[1]
    cepstrum = np.fft.irfft(np.log(np.abs(spectrum) + 1.0))
    cepstrum[:, 30:-29] = 0.0  # keeps quefrencies under 1.9 ms
    envelope = np.fft.rfft(cepstrum).real
    source = np.minimum(np.arange(bins) / factor, bins - 1.001)
    whole = source.astype(int)
    part = source - whole
    moved = envelope[:, whole] * (1 - part) + envelope[:, whole + 1] * part
    spectrum = spectrum * np.exp(np.clip(moved - envelope, -3.0, 3.0))
    out = np.fft.irfft(spectrum) * window
    result = np.zeros((len(out) + 3) * _HOP)
    for i in range(_WINDOW // _HOP):
        piece = out[:, i * _HOP : (i + 1) * _HOP].reshape(-1)
        result[i * _HOP : i * _HOP + len(piece)] += piece
    return result[_WINDOW : _WINDOW + len(audio)] / 1.5  # squared Hann windows sum to 1.5


def change_tempo(audio: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Makes speech faster or slower and leaves pitch and formants (WSOLA, Verhelst 1993).

    Args:
        audio: (samples,), 16 kHz.
        factor: 1.1 makes it a tenth shorter.

    Returns:
        (about samples / factor,).
    """
    hop, reach = _WINDOW // 2, 160  # samples; half a window, and how far a frame may be moved
    count = int(len(audio) / factor) // hop
    padded = np.pad(audio, (reach, 2 * reach + 3 * _WINDOW))
    window = np.hanning(_WINDOW + 1)[:-1]
    result = np.zeros((count + 1) * hop)
    at = reach
    for i in range(count):
        result[i * hop : i * hop + _WINDOW] += padded[at : at + _WINDOW] * window
        follow = padded[at + hop : at + 2 * hop]  # what would come next without a change
        aim = int((i + 1) * hop * factor)
        around = padded[aim : aim + hop + 2 * reach]
        energy = np.cumsum(np.square(around))
        energy = energy[hop - 1 :] - np.concatenate([[0.0], energy[:-hop]])
        match = np.correlate(around, follow, "valid") / np.sqrt(energy + 1e3)
        at = aim + int(np.argmax(match))
    return result


def change_voice(audio: NDArray[np.int16], formant: float, tempo: float) -> NDArray[np.int16]:
    """`move_formants`, then `change_tempo`: int16, (samples,), and about samples / tempo."""
    changed = change_tempo(move_formants(audio.astype(np.float64), formant), tempo)
    return np.clip(changed, -32767, 32767).astype(np.int16)


def _rand(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def random_gains(batch: int, bins: int, generator: torch.Generator) -> Tensor:
    """A random frequency response: tilt and bumps, sometimes a narrow band, sometimes a gap.

    Returns:
        float32, (batch, bins), amplitude factors for bins from 0 to 8 kHz.
    """
    mel = torch.log1p(torch.linspace(0, 8000, bins) / 700)
    mel = mel / mel[-1]  # 0 to 1
    points = 9
    bumps = torch.randn(batch, points, generator=generator) * 3.0  # dB
    tilt = _rand((batch, 1), -6.0, 6.0, generator) * torch.linspace(-1, 1, points)
    at = mel * (points - 1.001)
    whole = at.long()
    part = at - whole
    gain_db = (bumps + tilt)[:, whole] * (1 - part) + (bumps + tilt)[:, whole + 1] * part
    width = _rand((batch, 1), -0.12, 0.12, generator)  # of a gap, in half of the responses
    start = _rand((batch, 1), 0.0, 1.0, generator) - width / 2
    gain_db = gain_db - 40.0 * ((mel > start) & (mel < start + width))
    low = (mel < _rand((batch, 1), 0.0, 0.13, generator)) & (
        torch.rand(batch, 1, generator=generator) < 0.2
    )
    high = (mel > _rand((batch, 1), 0.72, 1.0, generator)) & (
        torch.rand(batch, 1, generator=generator) < 0.2
    )
    gain_db = gain_db - 30.0 * (low | high)
    gains: Tensor = torch.pow(10.0, gain_db / 20)
    return gains


def room(batch: int, samples: int, chance: float, generator: torch.Generator) -> Tensor:
    """Impulse responses of decaying noise after the direct sound; a plain impulse for the others.

    Returns:
        float32, (batch, samples), samples at 16 kHz.
    """
    decay_s = _rand((batch, 1), 0.1, 0.5, generator)  # to -60 dB
    time_s = torch.arange(samples) / RATE_HZ
    tail: Tensor = torch.randn(batch, samples, generator=generator) * torch.exp(
        -6.9 * time_s / decay_s
    )
    tail = tail / tail.norm(dim=1, keepdim=True) * _rand((batch, 1), 0.1, 0.7, generator)
    tail = tail * (torch.rand(batch, 1, generator=generator) < chance)
    tail[:, 0] += 1.0
    return tail


def augment(waveforms: Tensor, generator: torch.Generator) -> Tensor:
    """Random frequency response, room and noise; then every waveform has unit power.

    Args:
        waveforms: float32, (B, S), 16 kHz, any scale.
        generator: Source of all randomness.

    Returns:
        float32, (B, S).
    """
    batch, samples = waveforms.shape
    size = -(-(samples + _ROOM) // 4096) * 4096  # a fast length that holds the room's tail
    spectrum = torch.fft.rfft(waveforms, n=size)
    bins = spectrum.shape[1]
    spectrum = spectrum * torch.fft.rfft(room(batch, _ROOM, 0.3, generator), n=size)
    spectrum = spectrum * random_gains(batch, bins, generator)
    speech = torch.fft.irfft(spectrum, n=size)[:, :samples]
    speech = speech / (speech.square().mean(1, keepdim=True).sqrt() + 1e-5)
    colour = _rand((batch, 1), -1.2, 0.2, generator)
    shape = torch.linspace(1 / bins, 1, bins).clamp_min(50 / 8000) ** colour
    noise = torch.fft.rfft(torch.randn(batch, samples, generator=generator), n=size) * shape
    noise = torch.fft.irfft(noise, n=size)[:, :samples]
    noise = noise / noise.square().mean(1, keepdim=True).sqrt()
    level_db = _rand((batch, 1), -60.0, -25.0, generator)
    level_db = level_db + 12.0 * (torch.rand(batch, 1, generator=generator) < 0.2)
    mixed = speech + noise * torch.pow(10.0, level_db / 20)
    result: Tensor = mixed / mixed.square().mean(1, keepdim=True).sqrt()
    return result
