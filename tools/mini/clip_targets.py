"""Figures of a whole recording: pitch, rhythm, their course, the spectrum; made once and kept.

They tell no label. A linear classifier on them does as well on unseen speakers as a network that
learns labels from the waveform; the network learns to tell them instead.
"""

from __future__ import annotations

import itertools
import logging
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from tools.mini.bands import BANDS, analyse, band_filters, frame_count
from tools.mini.frame_targets import modulation_taps
from tools.mini.pitch import SEMITONES, UNVOICED, Track, pitch_track, semitones, voiced
from tools.mini.voices import was_made

logger = logging.getLogger(__name__)

FRAME_HZ = 100
COARSE = 12  # bands
_SHORTEST = 3200  # samples; silence follows a recording of less

_Power = NDArray[np.float32]
_Figures = NDArray[np.float64]


@dataclass(frozen=True)
class Described:
    """What is known of N recordings without their labels.

    Attributes:
        figures: float32, (N, figures), of each recording, of very different units.
        pitch: uint8, (frames,) each, semitones of each recording, see `tools.mini.pitch`.
    """

    figures: NDArray[np.float32]
    pitch: list[NDArray[np.uint8]]


def describe(audio: NDArray[np.int16]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Figures and semitones of one recording.

    Args:
        audio: int16, (samples,), 16 kHz.

    Returns:
        float32, (figures,), and uint8, (frames,).
    """
    count = frame_count(len(audio))
    audio = np.pad(audio, (0, max(0, _SHORTEST - len(audio))))
    track = pitch_track(audio)
    bands = analyse(audio, band_filters()).float().numpy()
    power = np.square(bands[:, :BANDS]) + np.square(bands[:, BANDS:])
    spoken = voiced(track)
    if spoken.sum() < 5:
        spoken = track[:, 2] >= np.sort(track[:, 2])[-5:][0]
    figures = [
        _pitch(track, spoken),
        _steps(semitones(track)),
        _voice(track, spoken),
        _course(track, spoken),
        _rhythm(power),
        _modulation(power),
        _cepstrum(power),
        _spectrum(power, spoken),
    ]
    return np.nan_to_num(np.concatenate(figures)).astype(np.float32), semitones(track)[:count]


def describe_all(
    voices: Sequence[Sequence[NDArray[np.int16]]], folder: Path, key: str, processes: int
) -> list[Described]:
    """`describe` of every recording in every voice; each voice's is kept in ``folder``.

    Args:
        voices: For each voice, int16, (samples,) each, 16 kHz.
        folder: Of the voices.
        key: See `tools.mini.voices.voices_key`.
        processes: How many work at once.
    """
    result = []
    for voice, recordings in enumerate(voices):
        kept = folder / f"described{voice}.npz"
        if not was_made(kept, key):
            logger.info("describing voice %d of %d", voice + 1, len(voices))
            # Not forked: a child would wait forever for the threads that torch had in its parent.
            with multiprocessing.get_context("spawn").Pool(processes) as pool:
                made = pool.map(describe, recordings, chunksize=32)
            sizes = np.array([len(pitch) for _, pitch in made])
            partial = kept.with_suffix(".partial.npz")
            figures, pitch = (np.stack([f for f, _ in made]), np.concatenate([p for _, p in made]))
            np.savez(partial, key=key, figures=figures, sizes=sizes, pitch=pitch)
            partial.replace(kept)
        with np.load(kept) as file:
            ends = np.cumsum(file["sizes"])
            result.append(Described(file["figures"], np.split(file["pitch"], ends[:-1])))
    return result


def _pitch(track: Track, spoken: NDArray[np.bool_]) -> _Figures:
    # Where pitch lies, how far and how fast it moves.
    pitch = track[spoken, 0]
    percentiles = np.percentile(pitch, [5, 25, 50, 75, 95])
    steps = np.diff(track[:, 0])[spoken[1:] & spoken[:-1]]
    steps = steps[np.abs(steps) < 4]
    if not len(steps):
        steps = np.zeros(1, np.float32)
    at = np.flatnonzero(spoken) / FRAME_HZ
    third = max(1, len(pitch) // 3)
    slope = np.polyfit(at, pitch, 1)[0] if len(pitch) > 5 else 0.0
    bend = np.abs(np.diff(pitch, 2))
    bend = bend[bend < 2]
    moved = np.clip(pitch - percentiles[2], -9, 9)
    return np.array(
        [
            *percentiles,
            percentiles[4] - percentiles[0],
            pitch.mean(),
            pitch.std(),
            steps.std(),
            np.abs(steps).mean(),
            steps.mean() * FRAME_HZ,
            (steps > 0.3).mean(),
            (steps < -0.3).mean(),
            slope,
            pitch[-third:].mean() - pitch[:third].mean(),
            bend.mean() if len(bend) else 0.0,
            *np.histogram(moved, np.arange(-9, 9.1, 1.5))[0] / len(pitch),
            *np.histogram(pitch, np.arange(3, 40, 3))[0] / len(pitch),
        ]
    )


def _steps(pitch: NDArray[np.uint8]) -> _Figures:
    # Shares of frames at each semitone, and of steps between frames 40 to 300 ms apart.
    spoken, semitone = pitch < UNVOICED, pitch.astype(int)
    result = [np.histogram(semitone[spoken], np.arange(SEMITONES + 1))[0] / len(pitch)]
    for lag in (4, 12, 30):
        both = spoken[lag:] & spoken[:-lag]
        step = np.clip(semitone[lag:] - semitone[:-lag], -7, 7)[both]
        result.append(np.histogram(step, np.arange(-7.5, 8))[0] / len(pitch))
    return np.concatenate(result)


def _voice(track: Track, spoken: NDArray[np.bool_]) -> _Figures:
    # How clear the voice is, how long it sounds, how its level changes.
    periodic, level = track[spoken, 1], track[spoken, 2]
    edges = np.diff(np.concatenate([[0], spoken.astype(int), [0]]))
    length_s = (np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)) / FRAME_HZ
    pitch = track[spoken, 0]
    together = np.corrcoef(pitch, level)[0, 1] if min(pitch.std(), level.std()) > 1e-3 else 0.0
    low, middle, high = np.percentile(track[:, 2], [10, 50, 90])
    return np.array(
        [
            spoken.mean(),
            periodic.mean(),
            periodic.std(),
            *np.percentile(periodic, [10, 50, 90]),
            length_s.mean(),
            length_s.std(),
            len(length_s) / len(track) * FRAME_HZ,
            level.std(),
            level.mean(),
            high - middle,
            high - low,
            np.abs(np.diff(track[:, 2])).mean(),
            track[:, 2].std(),
            together,
        ]
    )


def _course(track: Track, spoken: NDArray[np.bool_]) -> _Figures:
    # Pitch and level from the first voiced frame to the last, as cosine coefficients.
    at = np.flatnonzero(spoken)
    grid = np.linspace(at[0], at[-1], 32)
    pitch = np.interp(grid, at, track[at, 0] - np.median(track[at, 0]))
    level = np.interp(grid, np.arange(len(track)), track[:, 2])
    return np.concatenate(
        [dct(np.clip(pitch, -12, 12), norm="ortho")[:8], dct(level, norm="ortho")[1:6]]
    )


def _rhythm(power: _Power) -> _Figures:
    # Modulation spectrum of four parts of the spectrum, 0.5 to 25 Hz.
    hz = np.arange(257) * FRAME_HZ / 512
    limits = (0.5, 2, 4, 6, 9, 14, 25)
    result = []
    for part in np.split(power, 4, axis=1):
        level = np.log(part.mean(1) + 1e-3)
        level = (level - level.mean()) * np.hanning(len(level))
        modulation = np.abs(np.fft.rfft(level, 512)) ** 2 / len(level)
        for low, high in itertools.pairwise(limits):
            result.append(np.log(modulation[(hz >= low) & (hz < high)].mean() + 1e-2))
    return np.array(result)


def _modulation(power: _Power) -> _Figures:
    # How much the level moves at each rate, in four parts of the spectrum; where the level lies.
    result = []
    for part in np.split(power, 4, axis=1):
        level = np.log(part.mean(1) + 1e-3)
        for taps in modulation_taps():
            wave = np.convolve(np.pad(level, len(taps) // 2, mode="edge"), taps, "valid")
            result += [np.abs(wave).mean(), np.maximum(wave, 0).mean() ** 2]
    level = np.log(power.mean(1) + 1e-3)
    return np.array(result + [np.maximum(level - floor, 0).mean() for floor in range(-5, 3)])


def _cepstrum(power: _Power) -> _Figures:
    # How far and how fast the cepstrum moves.
    cepstrum = dct(np.log(power + 1e-3), norm="ortho", axis=1)[:, :13]
    moved = cepstrum[3:] - cepstrum[:-3] if len(cepstrum) > 3 else np.zeros((1, 13))
    return np.concatenate([cepstrum.std(0), moved.std(0), np.abs(moved).mean(0)])


def _spectrum(power: _Power, spoken: NDArray[np.bool_]) -> _Figures:
    # Shape of the spectrum where it is loud, voiced or neither, and how far and fast bands move.
    log = np.log(power + 1e-3)
    level = np.log(power.mean(1) + 1e-4)
    loud = level >= np.percentile(level, 30)
    shape = log - log.mean(1, keepdims=True)
    noise = ~spoken & (level > np.percentile(level, 40))
    low, high = np.percentile(log[loud], [10, 90], axis=0)
    moved = np.diff(log, axis=0)
    padded = np.cumsum(np.pad(log, ((26, 25), (0, 0)), mode="edge"), axis=0)
    around = (padded[51:] - padded[:-51]) / 51  # mean over half a second
    result = [
        log[loud].mean(0),
        log[loud].std(0),
        high - low,
        shape[spoken].mean(0),
        shape[spoken].std(0),
        shape[noise].mean(0) if noise.any() else np.zeros(BANDS),
        moved.std(0) if len(moved) else np.zeros(BANDS),
        np.abs(log - around).mean(0),
    ]
    for lag in (2, 6):
        far = np.abs(log[lag:] - log[:-lag])
        result.append(far.mean(0) if len(far) else np.zeros(BANDS))
    coarse: _Figures = np.stack(result).reshape(len(result) * COARSE, -1).mean(1)
    return coarse
