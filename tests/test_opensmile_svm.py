from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotion.core.corpus_errors import CorpusError
from emotion.core.errors import AudioError, ModelError
from emotion.core.labels import LABELS
from emotion.evaluation.opensmile_svm import OpenSmileSvm

Wav = Callable[..., Path]


def voice(path: Path, pitch_hz: float, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    t = np.arange(16_000) / 16_000
    pitch_hz *= 1 + 0.05 * rng.standard_normal()
    sound = sum(np.sin(2 * np.pi * k * pitch_hz * t) / k for k in range(1, 8))
    sound = sound * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * t)) + 0.01 * rng.standard_normal(t.size)
    soundfile.write(path, 0.2 * sound, 16_000)
    return path


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[str], list[str]]:
    """Low sad voices and high angry ones of four speakers."""
    pytest.importorskip("opensmile")
    folder = tmp_path_factory.mktemp("voices")
    paths = [voice(folder / f"{k}.wav", (110, 260)[k % 2], k) for k in range(16)]
    return paths, [("sad", "angry")[k % 2] for k in range(16)], [f"s{k // 4}" for k in range(16)]


def test_two_kinds_of_voices_are_told_apart(
    voices: tuple[list[Path], list[str], list[str]], tmp_path: Path
) -> None:
    fitted = OpenSmileSvm().fit(*voices)
    for pitch_hz, emotion in ((115, "sad"), (250, "angry")):
        scores = fitted.score_of(voice(tmp_path / "new.wav", pitch_hz, 99))
        assert LABELS[int(scores.argmax())] == emotion
        assert scores.sum() == pytest.approx(1)
        assert set(np.flatnonzero(scores)) == {LABELS.index("sad"), LABELS.index("angry")}


def test_it_is_the_same_each_time(voices: tuple[list[Path], list[str], list[str]]) -> None:
    first, second = (OpenSmileSvm().fit(*voices).score_of(voices[0][0]) for _ in range(2))
    assert (first == second).all()


def test_broken_recordings_are_left_out_of_learning_and_told_later(
    voices: tuple[list[Path], list[str], list[str]], tmp_path: Path
) -> None:
    paths, emotions, speakers = voices
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"x" * 99)
    fitted = OpenSmileSvm().fit([*paths, broken], [*emotions, "happy"], [*speakers, "z"])
    assert fitted.score_of(paths[0])[LABELS.index("happy")] == 0
    with pytest.raises(AudioError, match=r"broken\.wav"):
        fitted.score_of(broken)


def test_one_emotion_is_not_enough(voices: tuple[list[Path], list[str], list[str]]) -> None:
    with pytest.raises(CorpusError, match="two emotions or more"):
        OpenSmileSvm().fit(voices[0][:2], ["sad", "sad"])


def test_three_emotions_without_enough_speakers_for_a_choice(
    voices: tuple[list[Path], list[str], list[str]],
) -> None:
    fitted = OpenSmileSvm().fit(voices[0][:3], ["sad", "angry", "happy"], ["a", "a", "a"])
    assert fitted.score_of(voices[0][1]).argmax() == LABELS.index("angry")


def test_a_missing_package_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(ModelError, match=r"requirements-compare\.txt"):
        OpenSmileSvm()
