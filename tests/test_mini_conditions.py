"""Recordings outside the studio: on samples, on bands, and the table of conditions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from tests.conftest import tone
from tools.mini import conditions
from tools.mini.bands import BANDS, analyse, band_filters, band_frequencies, power
from tools.mini.changes import any_change, narrow, noise, reverberate, silence, softer, speed
from tools.mini.conditions import CONDITIONS, Condition, heard, main
from tools.mini.data import RATE_HZ, Clip
from tools.mini.degrade import by_telephone, in_rooms, phone_gains, with_noise


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def level_db(samples: Any) -> float:
    return float(10 * np.log10(np.mean(np.square(samples.astype(np.float64)))))


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(2.0), RATE_HZ, subtype="PCM_16")
    return Clip(path, 3, "Ann", "corpus")


def test_noise_is_as_loud_as_asked() -> None:
    speech = tone(2.0)
    for ratio_db in (20.0, 10.0):
        added = noise(ratio_db)(speech, rng()) - speech
        assert level_db(speech) - level_db(added) == pytest.approx(ratio_db, abs=0.5)


def test_a_room_rings_on_and_keeps_the_peak() -> None:
    click = np.zeros(RATE_HZ, np.float32)
    click[100] = 0.5
    rung = reverberate(click, rng())
    assert np.abs(rung).max() == pytest.approx(0.5, rel=1e-5)
    early, late = rung[101:1701], rung[8000:9600]
    assert level_db(early) - level_db(late) > 30
    assert np.sum(np.square(rung[101:])) == pytest.approx(0.25, rel=0.1)  # as the direct sound


def test_level_silence_and_speed() -> None:
    speech = tone(2.0)
    assert level_db(speech) - level_db(softer(40.0)(speech, rng())) == pytest.approx(40)
    quiet = softer(20.0)(speech, rng())
    assert np.abs(softer(60.0)(quiet, rng())).max() == pytest.approx(1e-3, rel=1e-4)
    around = silence(1.0, 0.5)(speech, rng())
    assert len(around) == 3.5 * RATE_HZ
    assert np.array_equal(around[RATE_HZ : 3 * RATE_HZ], speech)
    assert level_db(around[:RATE_HZ]) == pytest.approx(-65, abs=0.5)
    assert len(speed(10, 11)(speech, rng())) == pytest.approx(2.0 * RATE_HZ / 1.1, abs=1)


def test_a_telephone_takes_away_what_lies_outside_its_band() -> None:
    t = np.arange(RATE_HZ) / RATE_HZ
    inside, outside = (np.float32(0.3 * np.sin(2 * np.pi * hz * t)) for hz in (1000, 5000))
    assert level_db(narrow(inside, rng())) == pytest.approx(level_db(inside), abs=0.1)
    assert level_db(narrow(outside, rng())) < level_db(outside) - 50


def test_any_change_is_a_recording_and_repeatable() -> None:
    audio = (tone(1.0) * 32767).astype(np.int16)
    made = [any_change(audio, np.random.default_rng(seed)) for seed in range(12)]
    again = [any_change(audio, np.random.default_rng(seed)) for seed in range(12)]
    for one, other in zip(made, again, strict=True):
        assert one.dtype == np.int16 and np.array_equal(one, other)
    assert len({len(one) for one in made}) > 2  # silence and rooms make it longer


@pytest.fixture
def bands() -> torch.Tensor:
    """A batch of two recordings, (2, T, 2 * BANDS)."""
    filters = band_filters()
    audio = [(tone(1.5, seed) * 32767).astype(np.int16) for seed in range(2)]
    return torch.stack([analyse(one, filters).float() for one in audio])


def test_bands_by_telephone(bands: torch.Tensor) -> None:
    gains, hz = phone_gains(), band_frequencies()
    assert torch.all(gains[(hz > 300) & (hz < 3400)] == 1)
    assert gains[0] < 0.01 and gains[-1] < 0.1
    changed = by_telephone(bands, 1.0, generator())
    assert torch.allclose(changed, bands * gains.repeat(2))
    assert torch.equal(by_telephone(bands, 0.0, generator()), bands)


def test_bands_in_rooms_last_longer(bands: torch.Tensor) -> None:
    click = torch.zeros(2, 200, 2 * BANDS)
    click[:, 10] = 1.0
    rung = in_rooms(click, 1.0, generator())
    assert torch.allclose(rung[:, :10], torch.zeros(()), atol=1e-4)
    assert torch.allclose(rung[:, 10], click[:, 10], atol=1e-4)
    assert rung[:, 11:30].square().sum() > 10 * rung[:, 80:99].square().sum() > 0
    assert torch.equal(in_rooms(bands, 0.0, generator()), bands)


def test_bands_with_noise(bands: torch.Tensor) -> None:
    unit = bands * (power(bands) + 1e-6).rsqrt()
    added = with_noise(bands, 1.0, generator()) - unit
    level = 10 * torch.log10(power(added)).flatten()
    assert torch.all((level > -25.5) & (level < -7.5))
    assert torch.equal(with_noise(bands, 0.0, generator()), unit)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda one: one.name)
def test_each_condition_is_heard_as_a_file(
    condition: Condition, clip: Clip, tmp_path: Path
) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    samples = heard(clip, 0, condition, folder)
    assert samples.dtype == np.float32 and 1.5 * RATE_HZ < len(samples) < 13 * RATE_HZ
    assert level_db(samples) > -45  # what is quiet has been amplified
    assert list(folder.iterdir()) == []


def test_the_table(
    clip: Clip,
    tmp_path: Path,
    mini_checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for k in range(4):
        soundfile.write(tmp_path / f"{k}.wav", tone(1.0, k), RATE_HZ, subtype="PCM_16")
    rows = "".join(f"{k}.wav,{('sad', 'happy')[k % 2]},s{k // 2},c\n" for k in range(4))
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,label,speaker,corpus\n" + rows)
    monkeypatch.setattr(conditions, "CONDITIONS", CONDITIONS[:1] + CONDITIONS[4:5])
    given = ["--manifest", str(manifest)]
    assert main([*given, "--model", str(mini_checkpoint)]) == 0
    head, _, clean, noisy = capsys.readouterr().out.splitlines()
    assert head == "| condition | labels as clean | c | mean | calibration error |"
    assert clean.startswith("| clean | 100.0% | ") and noisy.startswith("| noise, 20 dB | ")
    run = tmp_path / "run"
    for fold, speaker in enumerate(("s0", "s1")):
        made = run / f"fold{fold}"
        made.mkdir(parents=True)
        for name in ("config.yaml", "tokens.txt", "model.pt"):
            (made / name).write_bytes((mini_checkpoint / name).read_bytes())
        (made / "run.json").write_text(json.dumps({"held_out": [speaker]}))
    assert main([*given, "--run", str(run)]) == 0  # the same model twice, each with its speakers
    assert capsys.readouterr().out.splitlines()[2] == clean
    for wrong in ([], ["--run", str(run), "--model", "x"], ["--run", str(tmp_path / "none")]):
        with pytest.raises(SystemExit):
            main([*given, *wrong])
