"""Pitch of a recording, a track of it and its semitones, on the frames of the bands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tools.mini.bands import HOP, KERNEL, frame_count
from tools.mini.data import RATE_HZ

SEMITONES = 48  # above LOWEST_HZ
UNVOICED = SEMITONES
LOWEST_HZ = 55.0

_WINDOW = 800  # samples: 50 ms
_SHORTEST, _LONGEST = 32, 270  # samples of a pitch period: 500 to 59 Hz
_PERIODIC = 0.55  # least autocorrelation of a voiced frame
_RANGE_DB = 30.0  # under the loudest frame, where speech ends

Track = NDArray[np.float32]


def pitch_track(audio: NDArray[np.int16]) -> Track:
    """Pitch by normalised autocorrelation (Boersma 1993), centred on the frames of the bands.

    Args:
        audio: int16, (samples,), 16 kHz.

    Returns:
        float32, (frames, 3): semitones above 55 Hz, autocorrelation there (0 to 1), level in dB.
    """
    frames = frame_count(len(audio))
    samples = audio.astype(np.float32)
    if len(samples):
        samples = (samples - samples.mean()) / (samples.std() + 1e-3)
    padded = np.pad(samples, ((_WINDOW - KERNEL) // 2, _WINDOW))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::HOP][:frames]
    window = np.hanning(_WINDOW).astype(np.float32)
    pieces = pieces * window
    own = np.fft.irfft(np.abs(np.fft.rfft(window, 2048)) ** 2)
    correlation = np.fft.irfft(np.abs(np.fft.rfft(pieces, 2048)) ** 2)[:, :_LONGEST]
    correlation /= correlation[:, :1] + 1e-9
    correlation /= own[:_LONGEST] / own[0]
    lags = np.arange(_SHORTEST, _LONGEST)
    found = correlation[:, _SHORTEST:]
    best = (found - 0.05 * np.log2(lags / _SHORTEST)).argmax(1)  # rather not an octave too low
    semitones = 12 * np.log2(RATE_HZ / lags[best] / LOWEST_HZ)
    level_db = 10 * np.log10(np.square(pieces).mean(1) + 1e-6)
    periodic = np.clip(found[np.arange(frames), best], 0, 1)
    return np.stack([semitones, periodic, level_db], 1).astype(np.float32)


def voiced(track: Track) -> NDArray[np.bool_]:
    """Which frames of a `pitch_track` have a pitch: (frames,)."""
    loud = track[:, 2] > track[:, 2].max() - _RANGE_DB
    return np.asarray(loud & (track[:, 1] > _PERIODIC), np.bool_)


def semitones(track: Track) -> NDArray[np.uint8]:
    """The nearest semitone, 0 to 47, of each frame of a `pitch_track`, or `UNVOICED`: (frames,)."""
    nearest = np.clip(np.round(track[:, 0]), 0, SEMITONES - 1)
    return np.where(voiced(track), nearest, UNVOICED).astype(np.uint8)
