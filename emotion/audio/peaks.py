"""The outline of a recording: what a waveform is drawn from, without reading all of it at once."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

_BLOCK_SAMPLES: Final = 1 << 20
_FULL_SCALE: Final = 32_768
_LEAST_PEAK: Final = 0.05  # quieter recordings are not drawn higher than this one


@dataclass(frozen=True)
class Peaks:
    """The lowest and the highest sample of each of many equally long stretches.

    Attributes:
        values: int8, (channels, stretches, 2): lowest and highest, 127 being the loudest sample.
        step_s: Length of a stretch; the last one may be shorter.
    """

    values: NDArray[np.int8]
    step_s: float


def peaks(path: Path, count: int) -> Peaks:
    """Reads a WAV file of 16-bit PCM by blocks.

    Args:
        path: The file.
        count: The most stretches.

    Returns:
        Its outline, scaled so that its loudest sample is 127 unless it is below 5 % of full scale.

    Raises:
        OSError: The file cannot be read, or is no WAV file of 16-bit PCM.
    """
    try:
        with wave.open(str(path), "rb") as file:
            if file.getsampwidth() != 2:
                raise OSError(f"{path.name}: {8 * file.getsampwidth()} bits a sample, not 16")
            step = max(1, -(-file.getnframes() // count))
            limits = _limits(file, step)
            step_s = step / file.getframerate()
    except (wave.Error, EOFError) as e:
        raise OSError(f"{path.name}: no WAV file: {e}") from e
    loudest = max(float(np.abs(limits).max(initial=0)), _LEAST_PEAK * _FULL_SCALE)
    return Peaks(np.rint(limits * (127 / loudest)).astype(np.int8), step_s)


def _limits(file: wave.Wave_read, step: int) -> NDArray[np.float32]:
    """float32, (channels, stretches, 2): lowest and highest sample of every ``step``."""
    channels = file.getnchannels()
    block = step * max(1, _BLOCK_SAMPLES // step)
    found: list[NDArray[np.int16]] = [np.empty((0, channels, 2), np.int16)]
    while data := file.readframes(block):
        whole = len(data) // (2 * channels)  # a truncated file may end within a sample
        samples = np.frombuffer(data, "<i2", whole * channels).reshape(whole, channels)
        starts = np.arange(0, len(samples), step)
        pair = [limit.reduceat(samples, starts, axis=0) for limit in (np.minimum, np.maximum)]
        found.append(np.stack(pair, axis=-1))
    return np.concatenate(found).transpose(1, 0, 2).astype(np.float32)
