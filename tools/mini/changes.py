"""What the world does to a recording, on its samples: noise, rooms, level, silence, speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, lfilter, resample_poly

from tools.mini.data import RATE_HZ, speech_span

Floats = NDArray[np.float32]
Change = Callable[[Floats, np.random.Generator], Floats]

_REVERBERATION_S: Final = 0.6  # until the echo is 60 dB down
_DIRECT: Final = 0.5  # share of the direct sound in the power
_FLOOR_DB: Final = -65.0  # of the noise in a silence, below full scale
_SOFTEST: Final = 1e-3
_PHONE_HZ: Final = 300.0, 3400.0


def _floats(samples: NDArray[Any]) -> Floats:
    return samples.astype(np.float32)


def same(audio: Floats, _: np.random.Generator) -> Floats:
    """As it is."""
    return audio


def noise(ratio_db: float) -> Change:
    """Noise with the spectrum of speech (falling by 6 dB an octave), so far below the speech."""

    def add(audio: Floats, rng: np.random.Generator) -> Floats:
        sound = lfilter([1.0], [1.0, -0.9], rng.standard_normal(len(audio)))
        first, last = speech_span((np.clip(audio, -1, 1) * 32767).astype(np.int16))
        wanted = np.sqrt(np.mean(np.square(audio[first:last])) * 10 ** (-ratio_db / 10))
        return _floats(audio + sound * wanted / np.sqrt(np.mean(np.square(sound))))

    return add


def reverberate(audio: Floats, rng: np.random.Generator) -> Floats:
    """A room: noise that dies away, half of the power being the direct sound."""
    count = round(_REVERBERATION_S * RATE_HZ)
    echo = rng.standard_normal(count) * 10 ** (-3 * np.arange(count) / count)
    echo *= np.sqrt((1 - _DIRECT) / _DIRECT / np.sum(np.square(echo)))
    echo[0] = 1.0
    heard = fftconvolve(audio, echo)
    return _floats(heard * np.abs(audio).max() / max(np.abs(heard).max(), 1e-9))


def softer(by_db: float) -> Change:
    """A lower level, but no peak below -60 dBFS: softer ones are refused as silence."""

    def soften(audio: Floats, _: np.random.Generator) -> Floats:
        peak = max(float(np.abs(audio).max()), 1e-9)
        return _floats(audio * max(10 ** (-by_db / 20), min(1.0, _SOFTEST / peak)))

    return soften


def silence(before_s: float, behind_s: float) -> Change:
    """The noise of a quiet room before and behind."""

    def add(audio: Floats, rng: np.random.Generator) -> Floats:
        parts = [rng.standard_normal(round(s * RATE_HZ)) for s in (before_s, behind_s)]
        before, behind = (_floats(part * 10 ** (_FLOOR_DB / 20)) for part in parts)
        return np.concatenate([before, audio, behind])

    return add


def speed(up: int, down: int) -> Change:
    """Played slower by ``up`` to ``down``, pitch and all."""
    return lambda audio, _: _floats(resample_poly(audio, up, down))


def narrow(audio: Floats, _: np.random.Generator) -> Floats:
    """The band of a telephone."""
    spectrum = np.fft.rfft(audio)
    hz = np.fft.rfftfreq(len(audio), 1 / RATE_HZ)
    spectrum[(hz < _PHONE_HZ[0]) | (hz > _PHONE_HZ[1])] *= 1e-3
    return _floats(np.fft.irfft(spectrum, len(audio)))


def any_change(audio: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """One of these at random, at a random strength: int16, shorter or longer if it is speed."""
    samples = _floats(audio / 32768)
    before_s, behind_s = rng.uniform(0, 6, 2)
    changes: tuple[Change, ...] = (
        narrow,
        noise(float(rng.uniform(8, 25))),
        reverberate,
        softer(float(rng.uniform(20, 50))),
        silence(float(before_s), float(behind_s)),
        speed(int(rng.integers(18, 23)), 20),
    )
    changed = changes[int(rng.integers(len(changes)))](samples, rng)
    peak = max(float(np.abs(changed).max()), 1.0)  # noise may go past full scale
    return (changed / peak * 32767).astype(np.int16)
