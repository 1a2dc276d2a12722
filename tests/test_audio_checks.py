from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.audio import SampleBuffer
from emotion.audio.checks import (
    BLOCK_SAMPLES,
    MESSAGES,
    Levelled,
    Meter,
    length_warning,
    level,
    warning,
)
from emotion.core.config import AudioConfig
from tests.conftest import tone

CONFIG = AudioConfig()


def measured(samples: NDArray[np.float32], channel: int | None = None) -> Meter:
    """A meter that has seen samples, (frames, channels), in pieces."""
    meter = Meter(samples.shape[1])
    for start in range(0, len(samples), 10 * BLOCK_SAMPLES):
        piece = samples[start : start + 10 * BLOCK_SAMPLES]
        meter.add(piece, piece.mean(1) if channel is None else piece[:, channel])
    return meter


def test_the_measure_is_that_of_the_whole() -> None:
    samples = np.stack([tone(2.03, 1) + 0.1, tone(2.03, 2) * 0.3], 1).astype(np.float32)
    meter, mix = measured(samples), samples.mean(1)
    assert meter.frames == len(samples) and meter.bad == 0
    for channel, sound in ((None, mix), *enumerate(samples.T, 1)):
        measure = meter.measure(channel)
        assert (measure.low, measure.high) == (sound.min(), sound.max())
        assert measure.mean == pytest.approx(sound.mean(), abs=1e-6)
        assert measure.level == pytest.approx(sound.std(), rel=1e-4)
    assert meter.swing == pytest.approx(np.ptp(samples, axis=0).max() / 2)


def test_silence_in_the_middle_does_not_lower_the_level() -> None:
    voice = tone(2.0)[:, None]
    gap = np.concatenate([voice, np.zeros((160_000, 1), np.float32), voice])
    assert measured(gap).measure().level == pytest.approx(measured(voice).measure().level, rel=0.01)


def test_samples_that_are_no_numbers_are_counted() -> None:
    samples = np.stack([tone(1.0), tone(1.0)], 1)
    samples[10:13, 0] = np.nan
    samples[20, 1] = np.inf
    meter = measured(samples)
    assert meter.bad == 4 and np.isfinite(meter.swing)
    assert meter.loudest_if_cancelled() is None and not meter.differ()
    assert measured(samples, channel=1).bad == 1


@pytest.mark.parametrize("residue", [0.0, 0.02, 0.2])
def test_cancelling(residue: float) -> None:
    voice = tone(2.0)
    pair = np.stack([(residue - 1) * voice, voice], 1).astype(np.float32)
    assert measured(pair).loudest_if_cancelled() == (0 if residue == 0 else 1)
    noise = np.random.default_rng(0).normal(0, 0.01, (32000, 2)).astype(np.float32)
    assert measured(np.hstack([pair, noise])).loudest_if_cancelled() is not None


def test_what_does_not_cancel() -> None:
    voice, other = tone(2.0, 1), tone(2.0, 2)
    zero = np.zeros_like(voice)
    for channels in ([voice, voice], [voice, other], [voice, zero], [zero] * 15 + [voice], [voice]):
        assert measured(np.stack(channels, 1)).loudest_if_cancelled() is None


def test_differing_channels() -> None:
    one, two = tone(4.0, 1), tone(4.0, 2)
    one[:24000] *= 0.01
    two[32000:] *= 0.01
    zero = np.zeros_like(one)
    late = np.roll(one, 50)
    quiet = two * 0.02
    differ = {
        "talkers": [one, two],
        "talkers and silence": [one, two, zero],
        "one voice": [one, one * 0.5],
        "one voice later": [one, late],
        "crosstalk": [one, one * 0.5 + quiet],
        "hiss": [one, quiet],
        "one": [one],
    }
    found = {name for name, channels in differ.items() if measured(np.stack(channels, 1)).differ()}
    assert found == {"talkers", "talkers and silence"}
    assert not measured(np.stack([one, two], 1)[:8000]).differ()  # too short to tell


def levelled(sound: NDArray[np.float32]) -> tuple[Levelled, NDArray[np.float32]]:
    """What was done to the samples, and how they are read then."""
    buffer = SampleBuffer.of(sound)
    return level(buffer, measured(sound[:, None]).measure(), CONFIG), buffer.read()


@pytest.mark.parametrize("offset", [0.0, 0.2])
def test_quiet_samples_are_amplified(offset: float) -> None:
    told, sound = levelled((tone(2.0) * 0.005 + offset).astype(np.float32))
    assert [warning.code for warning in told.warnings] == ["quiet_audio"]
    assert sound.std() == pytest.approx(0.1, rel=0.05) and abs(sound.mean()) < 1e-3
    assert abs(sound).max() <= 1


def test_a_little_too_quiet_needs_no_warning() -> None:
    told, sound = levelled(tone(2.0) * 0.036)  # -42 dBFS
    assert told.warnings == () and sound.std() == pytest.approx(0.1, rel=0.05)


def test_a_usual_level_is_left_alone() -> None:
    for before in (tone(2.0), tone(2.0) * 0.1):
        told, sound = levelled(before)
        assert told.warnings == () and told.peak == abs(before).max()
        np.testing.assert_array_equal(sound, before)


def test_silence_is_not_amplified() -> None:
    told, _ = levelled(tone(1.0) * 1e-5)
    assert told.warnings == () and told.peak < CONFIG.silence_peak


def test_a_click_limits_the_gain() -> None:
    before = tone(2.0) * 0.005
    before[100] = 0.5
    told, sound = levelled(before)
    assert [warning.code for warning in told.warnings] == ["quiet_audio"]
    np.testing.assert_allclose(sound, (before - before.mean()) * 0.9 / 0.5, rtol=0.01, atol=1e-4)


@pytest.mark.parametrize(
    ("peak", "divisor"), [(100, 2**7), (20_000, 2**15), (33_000, 2**15), (5e6, 2**23), (1e30, 1e30)]
)
def test_integers_are_scaled(peak: float, divisor: float) -> None:
    told, sound = levelled((tone(2.0) / 0.5 * peak).astype(np.float32))
    assert told.warnings[0].code == "scaled_audio"
    assert told.warnings[0].params["divisor"] == pytest.approx(divisor)
    assert 0.2 < abs(sound).max() <= 1 + 1e-6 and told.peak <= 1 + 1e-6


def test_peaks_over_full_scale_are_scaled_without_a_word() -> None:
    told, sound = levelled(tone(2.0) * 3)
    assert told.warnings == () and abs(sound).max() == pytest.approx(1)


@pytest.mark.parametrize(
    ("declared_s", "exact", "cut", "code", "values"),
    [
        (4.0, True, False, None, {}),
        (4.1, True, False, None, {}),
        (None, True, False, None, {}),
        (8.0, False, False, "truncated_audio", {"declared_s": 8.0, "decoded_s": 4.0}),
        (4.0, False, True, "truncated_audio", {"decoded_s": 4.0}),
        (None, False, True, "truncated_audio", {"decoded_s": 4.0}),
        (1.0, True, False, "header_mismatch", {"declared_s": 1.0, "decoded_s": 4.0}),
        (1.0, False, False, None, {}),
    ],
)
def test_lengths(
    declared_s: float | None, exact: bool, cut: bool, code: str | None, values: dict[str, float]
) -> None:
    told = length_warning(declared_s, 4.0, exact=exact, cut=cut)
    assert (told.code, told.params) == (code, values) if told else code is None


def test_a_warning_has_its_message_filled_in() -> None:
    told = warning("raw_audio", format="G.722")
    assert told.message == (
        "The file has no header. Its format (G.722) was taken from the suffix of its name."
    )
    assert all(message.endswith((".", "s.")) for message in MESSAGES.values())
