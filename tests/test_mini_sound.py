"""What the mini model's training hears and is told: bands, crops, voices, pitch, targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from tests.mini_clips import RATE_HZ, tone
from tools.mini.bands import (
    BANDS,
    add_noise,
    analyse,
    band_filters,
    band_frequencies,
    change_microphone,
    frame_count,
    power,
    random_gains,
    to_phases,
)
from tools.mini.clip_targets import describe, describe_all
from tools.mini.data import Clip, read_audio
from tools.mini.frame_targets import frame_targets
from tools.mini.pitch import UNVOICED, pitch_track, semitones, voiced
from tools.mini.pool import BandPool
from tools.mini.voices import (
    NARROW,
    all_voices,
    change_tempo,
    change_voice,
    draw,
    move_formants,
    voices_key,
    was_made,
)


def voice(hz: float, seconds: float = 1.5, rate_hz: float = 0.0) -> NDArray[np.int16]:
    """Harmonics of a pitch, whose level moves up and down at some rate."""
    time_s = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    wave = sum(np.sin(2 * np.pi * hz * k * time_s) / k for k in range(1, 8))
    level = 1.0 + 0.9 * np.sin(2 * np.pi * rate_hz * time_s)
    noise = np.random.default_rng(0).normal(0, 0.01, len(time_s))
    return (4000 * (wave * level + noise)).astype(np.int16)


# -- bands --------------------------------------------------------------------------------------


def test_crops_are_within_a_recording_or_around_it() -> None:
    recordings = [tone(300, 2.0), tone(300, 0.5)]
    pitch = [np.arange(198, dtype=np.uint8) % 40, np.arange(48, dtype=np.uint8)]
    pool = BandPool(recordings, pitch)
    bands, semitone = pool.crops(torch.tensor([0, 1] * 10), 100, torch.Generator().manual_seed(0))
    filled = bands.square().sum(-1) > 1.0  # (B, T)
    assert bool(filled[0::2].all())
    assert set(filled[1::2].sum(1).tolist()) == {48}
    assert len({int(row.nonzero()[0]) for row in filled[1::2]}) > 3  # in various places
    assert bool((semitone[1::2][~filled[1::2]] == UNVOICED).all())
    for row, there in zip(semitone[1::2], filled[1::2], strict=True):
        assert row[there].tolist() == list(range(48))
    whole = pool.crops(torch.tensor([0]), 198, torch.Generator())[0][0]
    torch.testing.assert_close(whole, analyse(recordings[0], band_filters()).float())


def test_a_recording_shorter_than_a_frame_is_padded() -> None:
    assert len(analyse(tone(300, 0.01), band_filters())) == frame_count(160) == 1


def test_bands_respond_to_their_frequency() -> None:
    filters, hz = band_filters(), band_frequencies()
    torch.testing.assert_close(filters.norm(dim=1), torch.ones(2 * BANDS))
    for band in (10, 25, 40):
        found = analyse(tone(float(hz[band])), filters).float().square().sum(0)
        assert abs(int(found.reshape(2, BANDS).sum(0).argmax()) - band) <= 1


def test_three_phases_cancel_and_keep_the_power() -> None:
    bands = torch.randn(50, 2 * BANDS)
    phases = to_phases(bands).reshape(50, 3, BANDS)
    torch.testing.assert_close(phases.sum(1), torch.zeros(50, BANDS), atol=1e-5, rtol=0.0)
    expected = 1.5 * bands.square().reshape(50, 2, BANDS).sum(1)
    torch.testing.assert_close(phases.square().sum(1), expected)


def test_power_of_white_noise_is_its_variance() -> None:
    noise = (np.random.default_rng(0).normal(0, 3000, 5 * RATE_HZ)).astype(np.int16)
    found = power(analyse(noise, band_filters()).float()[None])
    assert float(found) == pytest.approx(1.0, rel=0.05)


# -- augmentation -------------------------------------------------------------------------------


def test_microphone_and_noise_change_every_crop_a_little_and_leave_unit_power() -> None:
    bands = torch.randn(40, 120, 2 * BANDS)
    bands[0] = 0.0
    for change in (change_microphone, add_noise):
        out = change(bands, torch.Generator().manual_seed(1))
        assert torch.equal(out, change(bands, torch.Generator().manual_seed(1)))
        assert out.shape == bands.shape
        assert torch.isfinite(out).all()
        torch.testing.assert_close(power(out[1:]), torch.ones(39, 1, 1))
        error = (out - bands * power(bands).rsqrt())[1:].square().mean((1, 2))
        assert 1e-6 < float(error.min()) < float(error.max()) < 1.0


def test_gains_are_positive_and_differ() -> None:
    gains = random_gains(50, torch.Generator().manual_seed(0))
    assert gains.shape == (50, BANDS)
    assert bool((gains > 0).all())
    assert float(gains.log().std(0).min()) > 0.1


def test_tempo_changes_length_not_pitch() -> None:
    audio = tone(250.0, 2.0).astype(float)
    slow = change_tempo(audio, 0.8)
    assert len(slow) / len(audio) == pytest.approx(1.25, abs=0.02)
    peak = np.abs(np.fft.rfft(slow)).argmax() * RATE_HZ / len(slow)
    assert peak == pytest.approx(250, abs=2)


def test_formants_move_and_pitch_stays() -> None:
    pulses = np.zeros(2 * RATE_HZ)
    pulses[::128] = 20_000.0  # 125 Hz
    time_s = np.arange(400) / RATE_HZ
    voice = np.convolve(pulses, np.sin(2 * np.pi * 1000 * time_s) * np.exp(-time_s * 400))
    voice = voice[: len(pulses)]
    moved = move_formants(voice, 1.25)
    assert len(moved) == len(voice)
    spectrum = np.abs(np.fft.rfft(moved[4000:20000])) ** 2  # bins of 1 Hz
    before = np.abs(np.fft.rfft(voice[4000:20000])) ** 2
    assert spectrum[1100:].sum() / spectrum.sum() > 2 * before[1100:].sum() / before.sum()
    at = np.arange(len(spectrum))
    near = np.minimum(at % 125, 125 - at % 125) <= 5  # bins near a harmonic
    assert spectrum[near].sum() > 0.9 * spectrum.sum()
    np.testing.assert_allclose(move_formants(voice, 1.0), voice, atol=2.0)


def test_faster_voice_is_higher_and_shorter() -> None:
    changed = change_voice(tone(200.0, 2.0), 1.0, 1.1, 1.2)
    assert changed.dtype == np.int16
    assert len(changed) / RATE_HZ == pytest.approx(2 / 1.1 / 1.2, abs=0.03)
    peak = np.abs(np.fft.rfft(changed)).argmax() * RATE_HZ / len(changed)
    assert peak == pytest.approx(240, abs=2)


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    for number in range(3):
        soundfile.write(tmp_path / f"{number}.wav", voice(100.0 + 50 * number), RATE_HZ)
    return [Clip(tmp_path / f"{number}.wav", 0, "s", "aa") for number in range(3)]


def test_voices_are_made_once_and_again_for_other_clips(clips: list[Clip], tmp_path: Path) -> None:
    made = all_voices(clips, 2, tmp_path, processes=1)
    assert np.array_equal(made[0][1], read_audio(clips[1].path))  # loud from end to end
    assert len(made[1][1]) != len(made[0][1])
    written = (tmp_path / "voice1.npz").stat().st_mtime_ns
    kept = all_voices(clips, 2, tmp_path, processes=1)
    assert (tmp_path / "voice1.npz").stat().st_mtime_ns == written
    for a, b in zip(made[1], kept[1], strict=True):
        assert np.array_equal(a, b)
    assert len(all_voices(clips[:2], 2, tmp_path, processes=1)[1]) == 2


def test_wide_voices_go_further_than_narrow_ones() -> None:
    narrow = np.log([draw(number, 1 + number % (NARROW - 1)) for number in range(300)])
    wide = np.log([draw(number, NARROW + number % 7) for number in range(300)])
    assert len(np.unique(np.concatenate([narrow, wide]), axis=0)) == 600
    one, other = np.ptp(narrow[:, 2]), np.ptp(wide[:, 2])  # of speed: what pitch does
    assert other > 1.5 * one
    tract, other_tract = narrow[:, 0] + narrow[:, 2], wide[:, 0] + wide[:, 2]
    assert np.corrcoef(wide[:, 2], other_tract)[0, 1] > 0.5  # it follows pitch
    assert np.ptp(other_tract) < np.ptp(tract) + 0.05  # but no further than the narrow ones' goes
    rate = wide[:, 1] + wide[:, 2]
    assert np.ptp(rate) < 0.41
    assert abs(np.corrcoef(rate, wide[:, 2])[0, 1]) < 0.2


def test_files_of_another_kind_are_made_again(clips: list[Clip], tmp_path: Path) -> None:
    path = tmp_path / "voice0.npz"
    assert not was_made(path, voices_key(clips))
    np.savez(path, sizes=np.zeros(1))
    assert not was_made(path, voices_key(clips))


# -- pitch --------------------------------------------------------------------------------------


@pytest.mark.parametrize("hz", [85.0, 120.0, 217.0, 390.0])
def test_pitch_is_found(hz: float) -> None:
    track = pitch_track(voice(hz))
    assert voiced(track)[5:-5].all()
    expected = 12 * np.log2(hz / 55)
    assert np.abs(track[5:-5, 0] - expected).max() < 0.5
    assert set(semitones(track)[5:-5].tolist()) <= {int(expected), int(expected) + 1}


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(0).normal(0, 3000, RATE_HZ).astype(np.int16)
    assert voiced(pitch_track(noise)).mean() < 0.1
    silent = np.concatenate([voice(150.0), np.zeros(RATE_HZ, np.int16)])
    assert not voiced(pitch_track(silent))[160:].any()
    assert set(semitones(pitch_track(silent))[160:].tolist()) == {UNVOICED}


# -- targets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("samples", [0, 1, 399, 401, 1000, 3000, 40_000])
def test_any_recording_can_be_described(samples: int) -> None:
    rng = np.random.default_rng(samples)
    for audio in (rng.normal(0, 500, samples), np.zeros(samples)):
        figures, pitch = describe(audio.astype(np.int16))
        assert figures.shape == describe(voice(200.0))[0].shape
        assert np.isfinite(figures).all()
        assert len(pitch) == frame_count(samples)


def test_figures_do_not_depend_on_the_level() -> None:
    loud = voice(180.0, rate_hz=4.0)
    np.testing.assert_allclose(
        describe(loud)[0], describe((loud / 2).astype(np.int16))[0], rtol=0.02, atol=0.1
    )


def test_figures_tell_pitch_and_rhythm_apart() -> None:
    low, high, fast = (
        describe(voice(hz, rate_hz=r))[0] for hz, r in ((100, 2), (200, 2), (100, 8))
    )
    assert high[2] - low[2] == pytest.approx(12.0, abs=0.3)  # median of pitch: an octave
    assert fast[2] == pytest.approx(low[2], abs=0.3)
    assert np.abs(fast - low).max() > 0.5


def test_descriptions_are_kept(tmp_path: Path) -> None:
    voices = [[voice(100.0), voice(200.0, 1.0)], [voice(110.0), voice(210.0)]]
    made = describe_all(voices, tmp_path, "a", 1)
    assert [len(d.figures) for d in made] == [2, 2]
    assert [len(pitch) for pitch in made[0].pitch] == [148, 98]
    written = (tmp_path / "described1.npz").stat().st_mtime_ns
    kept = describe_all([[], []], tmp_path, "a", 1)
    assert np.array_equal(kept[1].figures, made[1].figures)
    assert np.array_equal(kept[0].pitch[1], made[0].pitch[1])
    assert (tmp_path / "described1.npz").stat().st_mtime_ns == written
    describe_all(voices, tmp_path, "b", 1)
    assert (tmp_path / "described1.npz").stat().st_mtime_ns > written


def frames_of(audio: NDArray[np.int16]) -> NDArray[np.float32]:
    bands = analyse(audio, band_filters()).float()[None]
    pitch = torch.from_numpy(semitones(pitch_track(audio)).astype(np.int64))[None]
    found: NDArray[np.float32] = frame_targets(bands, pitch)[0].numpy()
    return found


def test_frame_targets_tell_pitch_and_its_steps() -> None:
    joined = np.concatenate([voice(110.0, 1.0), voice(138.6, 1.0)])  # four semitones apart
    found = frames_of(joined)
    assert found.shape[0] == frame_count(len(joined))
    classes = found[:, :25].argmax(1)
    assert set(classes[20:80].tolist()) == {6}
    assert set(classes[120:180].tolist()) == {8}
    steps = found[:, 25 + 2 * 11 : 25 + 3 * 11]  # after 300 ms
    assert set(steps[20:60].argmax(1).tolist()) == {5}  # none
    assert steps[80].argmax() == 9
    assert not steps[-20:].any()  # nothing known of what follows
    assert not found[:, :25][:, -1].any()


def test_frame_targets_tell_rates_of_modulation() -> None:
    for band, rate_hz in enumerate((1.7, 3.2, 5.2, 8.0, 12.5, 22.0)):
        noise = np.random.default_rng(0).normal(0, 1, 4 * RATE_HZ)
        time_s = np.arange(len(noise)) / RATE_HZ
        moved = noise * np.exp(2.0 * np.sin(2 * np.pi * rate_hz * time_s))
        waves = frames_of((1000 * moved).astype(np.int16))[100:-100, -24:].mean(0).reshape(4, 6)
        assert (waves.argmax(1) == band).all()
