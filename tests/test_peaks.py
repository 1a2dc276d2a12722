"""The outline of a recording, against NumPy on all of its samples at once."""

from __future__ import annotations

import tracemalloc
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from emotion.audio import peaks as module
from emotion.audio.peaks import peaks

RATE_HZ = 16_000


def written(path: Path, samples: NDArray[np.int16], subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, RATE_HZ, subtype=subtype, format="WAV")
    return path


def noise(size: int, channels: int = 1, seed: int = 0, scale: float = 6000) -> NDArray[np.int16]:
    values = np.random.default_rng(seed).normal(0, scale, (size, channels))
    return values.clip(-32768, 32767).astype(np.int16)


def oracle(samples: NDArray[np.int16], step: int) -> NDArray[np.float64]:
    """Lowest and highest of every ``step`` samples: (channels, stretches, 2)."""
    rows = [samples[at : at + step] for at in range(0, len(samples), step)]
    pairs = [np.stack([row.min(0), row.max(0)], -1) for row in rows]
    return np.array(pairs, np.float64).transpose(1, 0, 2)


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize(("size", "count"), [(1, 10), (10, 10), (1000, 7), (4001, 100), (64, 1)])
def test_lowest_and_highest_of_every_stretch(
    tmp_path: Path, size: int, count: int, channels: int
) -> None:
    samples = noise(size, channels, seed=size)
    found = peaks(written(tmp_path / "a.wav", samples), count)
    step = -(-size // count)
    wanted = oracle(samples, step)
    assert found.values.dtype == np.int8
    assert found.values.shape == wanted.shape == (channels, -(-size // step), 2)
    assert len(wanted[0]) <= count
    assert found.step_s == step / RATE_HZ
    scale = 127 / max(np.abs(wanted).max(), 0.05 * 32768)
    assert np.abs(found.values - wanted * scale).max() <= 0.5


def test_blocks_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a.wav", noise(50_000, 2))
    whole = peaks(path, 300)
    monkeypatch.setattr(module, "_BLOCK_SAMPLES", 500)
    assert np.array_equal(peaks(path, 300).values, whole.values)


def test_the_loudest_sample_fills_the_range(tmp_path: Path) -> None:
    samples = np.array([0, 3000, -6000, 100], np.int16)
    found = peaks(written(tmp_path / "a.wav", samples), 4).values
    assert found[0, :, 0].tolist() == [0, 64, -127, 2] == found[0, :, 1].tolist()
    loudest = peaks(written(tmp_path / "b.wav", np.array([-32768, 32767], np.int16)), 2).values
    assert loudest[0].tolist() == [[-127, -127], [127, 127]]


def test_what_is_almost_silent_is_not_blown_up(tmp_path: Path) -> None:
    found = peaks(written(tmp_path / "a.wav", noise(4000, scale=3)), 50)
    assert np.abs(found.values).max() <= 2


def test_nothing_at_all(tmp_path: Path) -> None:
    found = peaks(written(tmp_path / "a.wav", np.empty(0, np.int16)), 50)
    assert found.values.shape == (1, 0, 2)


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    second = noise(RATE_HZ).tobytes()
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE_HZ, 0, "NONE", ""))
        for _ in range(600):
            file.writeframes(second)
    tracemalloc.start()
    found = peaks(path, 24_000)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.values[0]) == 24_000
    assert most < 8_000_000 < path.stat().st_size


def test_a_truncated_file_gives_what_is_there(tmp_path: Path) -> None:
    samples = noise(4000, 2)
    path = written(tmp_path / "a.wav", samples)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - 8001])
    found = peaks(path, 400).values
    assert found.shape == (2, 200, 2)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"ID3 is no WAV file", b"\0" * 100])
def test_what_is_no_wav_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(OSError, match=r"a\.wav: no WAV file"):
        peaks(path, 10)


def test_other_codings_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.wav", noise(100), "PCM_24")
    with pytest.raises(OSError, match="24 bits a sample, not 16"):
        peaks(path, 10)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        peaks(tmp_path / "none.wav", 10)
