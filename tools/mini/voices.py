"""Every recording in other voices: other formants, tempo and pitch, made once and kept on disk."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.mini.data import Clip, read_audio, speech_span

logger = logging.getLogger(__name__)

_WINDOW, _HOP = 512, 128  # samples, of the analysis in move_formants and change_tempo
_MARGIN = 4800  # samples kept before and after the speech

NARROW = 5  # voices near the recording's own, which is the first; those after them are wide
# Largest changes of natural logarithms. From a man's pitch to a woman's is 0.6, from his vocal
# tract to hers 0.15: in a wide voice it follows a part of what pitch does and goes its own way.
_FORMANT, _TEMPO, _SPEED = 0.13, 0.15, 0.18  # of a narrow voice
_PITCH, _FOLLOW, _TRACT, _RATE = 0.35, 0.3, 0.1, 0.2  # of a wide one


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


def change_voice(
    audio: NDArray[np.int16], formant: float, tempo: float, speed: float
) -> NDArray[np.int16]:
    """`move_formants`, `change_tempo`, then plays it faster, which raises pitch and formants.

    Returns:
        int16, (about samples / tempo / speed,).
    """
    changed = change_tempo(move_formants(audio.astype(np.float64), formant), tempo)
    changed = np.clip(changed, -32767, 32767).astype(np.int16)
    at = np.arange(int((len(changed) - 1) / speed)) * speed
    result: NDArray[np.int16] = np.interp(at, np.arange(len(changed)), changed).astype(np.int16)
    return result


def one_voice(path: Path, number: int, voice: int) -> NDArray[np.int16]:
    """One recording's speech, and 0.3 s around it, in one of its voices; voice 0 is its own.

    Args:
        path: Audio file, 16 kHz mono.
        number: Of the clip in its manifest; with ``voice``, the seed of the change.
        voice: 0 and up.
    """
    audio = read_audio(path)
    first, last = speech_span(audio)
    audio = audio[max(0, first - _MARGIN) : last + _MARGIN]
    if voice == 0:
        return audio
    return change_voice(audio, *draw(number, voice))


def draw(number: int, voice: int) -> tuple[float, float, float]:
    """Formant, tempo and speed of a clip's voice, see `change_voice`; voice 1 and up."""
    if voice < NARROW:
        rng = np.random.default_rng(voice * 100_003 + number)
        limit = np.array([_FORMANT, _TEMPO, _SPEED])
        formant, tempo, speed = np.exp(rng.uniform(-limit, limit)).tolist()
    else:
        rng = np.random.default_rng((voice - NARROW + 1) * 100_003 + number)
        limit = np.array([_PITCH, _TRACT, _RATE])
        pitch, tract, rate = rng.uniform(-limit, limit)
        logs = [tract + (_FOLLOW - 1) * pitch, rate - pitch, pitch]
        formant, tempo, speed = np.exp(logs).tolist()
    return formant, tempo, speed


def all_voices(
    clips: Sequence[Clip], voices: int, folder: Path, processes: int
) -> list[list[NDArray[np.int16]]]:
    """Every clip in every voice; each voice is kept in ``folder`` for later runs.

    Returns:
        For each voice, a list of int16, (samples,), one a clip.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = voices_key(clips)
    result = []
    for voice in range(voices):
        kept = folder / f"voice{voice}.npz"
        if not was_made(kept, key):
            logger.info("making voice %d of %d", voice + 1, voices)
            tasks = [(clip.path, number, voice) for number, clip in enumerate(clips)]
            with multiprocessing.Pool(processes) as pool:
                made = pool.starmap(one_voice, tasks, chunksize=32)
            sizes = np.array([len(audio) for audio in made])
            partial = kept.with_suffix(".partial.npz")
            np.savez(partial, key=key, sizes=sizes, audio=np.concatenate(made))
            partial.replace(kept)
        with np.load(kept) as file:
            ends = np.cumsum(file["sizes"])
            result.append(np.split(file["audio"], ends[:-1]))
    return result


def voices_key(clips: Sequence[Clip]) -> str:
    """Differs where the voices of these clips would."""
    limits = (_MARGIN, NARROW, _FORMANT, _TEMPO, _SPEED, _PITCH, _FOLLOW, _TRACT, _RATE)
    made_from = [*(str(clip.path) for clip in clips), str(limits)]
    return hashlib.sha256("\n".join(made_from).encode()).hexdigest()


def was_made(kept: Path, key: str) -> bool:
    """Whether the file is there and was made for this key."""
    if not kept.exists():
        return False
    with np.load(kept) as file:
        return "key" in file and str(file["key"]) == key
