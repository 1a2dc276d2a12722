"""The outline of a recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotion.audio import peaks as module
from emotion.audio.peaks import peaks


def write(path: Path, samples: np.ndarray) -> Path:  # type: ignore[type-arg]
    soundfile.write(path, samples, 16_000, subtype="PCM_16")
    return path


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("size", "count"), [(1, 5), (7, 100), (1000, 10), (1003, 10), (5000, 7)])
def test_lowest_and_highest_of_each_stretch(
    tmp_path: Path, channels: int, size: int, count: int
) -> None:
    rng = np.random.default_rng(size)
    samples = rng.integers(-30_000, 30_000, (size, channels)).astype(np.int16)
    found = peaks(write(tmp_path / "a.wav", samples), count)
    step = -(-size // count)
    assert found.step_s == step / 16_000
    assert found.values.shape == (channels, -(-size // step), 2) and found.values.dtype == np.int8
    scale = 127 / max(np.abs(samples.astype(np.float64)).max(), 0.05 * 32_768)
    for channel in range(channels):
        for place in range(found.values.shape[1]):
            part = samples[place * step : (place + 1) * step, channel].astype(np.float64)
            expected = np.rint([part.min() * scale, part.max() * scale])
            np.testing.assert_allclose(found.values[channel, place], expected, atol=1)


def test_blocks_do_not_change_the_outline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(0).normal(0, 3000, 50_000).astype(np.int16)
    path = write(tmp_path / "a.wav", samples)
    whole = peaks(path, 300)
    monkeypatch.setattr(module, "_BLOCK_SAMPLES", 1000)
    np.testing.assert_array_equal(peaks(path, 300).values, whole.values)


def test_near_silence_is_not_drawn_as_loud(tmp_path: Path) -> None:
    samples = np.full(1000, 100, np.int16)
    assert peaks(write(tmp_path / "a.wav", samples), 10).values.max() < 10
    assert peaks(write(tmp_path / "b.wav", np.zeros(10, np.int16)), 10).values.max() == 0


def test_other_files_are_refused_and_a_truncated_one_is_read(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"none\.wav"):
        peaks(tmp_path / "none.wav", 10)
    (tmp_path / "text.wav").write_text("not a WAV file")
    with pytest.raises(OSError, match="no WAV file"):
        peaks(tmp_path / "text.wav", 10)
    soundfile.write(tmp_path / "wide.wav", np.zeros(100), 16_000, subtype="PCM_24")
    with pytest.raises(OSError, match="24 bits a sample"):
        peaks(tmp_path / "wide.wav", 10)
    path = write(tmp_path / "cut.wav", np.full(1000, 20_000, np.int16))
    path.write_bytes(path.read_bytes()[:-501])
    assert peaks(path, 10).values.shape[1] == 8
