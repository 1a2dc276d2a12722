from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotion.core.labels import LABELS
from emotion.inference.engine import FrameOutput
from tools.mini import locality
from tools.mini.data import Clip

ANGRY, SAD, HAPPY = (LABELS.index(name) for name in ("angry", "sad", "happy"))


class Loud:
    """An engine to which loud is angry and quiet is sad, frame by frame."""

    def infer(self, samples: np.ndarray) -> FrameOutput:
        frames = (samples.size - 400) // 320 + 1
        rows = np.lib.stride_tricks.sliding_window_view(samples, 400)[::320][:frames]
        logits = np.zeros((frames, 9), np.float32)
        logits[:, ANGRY] = 10 * np.abs(rows).mean(1)
        return FrameOutput(np.zeros((frames, 4), np.float32), logits)

    def infer_many(self, clips: list[np.ndarray]) -> Iterator[tuple[int, FrameOutput]]:
        for i in reversed(range(len(clips))):
            yield i, self.infer(clips[i])


def clip(folder: Path, label: int, speaker: str, seconds: float, level: float) -> Clip:
    path = folder / f"{speaker}-{label}-{seconds}.wav"
    noise = np.random.default_rng(0).uniform(-level, level, int(seconds * 16000))
    soundfile.write(path, noise, 16000)
    return Clip(path, label, speaker, "c")


@pytest.mark.parametrize(("split", "bias"), [(1, 0.0), (7, 5.0), (19, -5.0)])
def test_the_change_point_does_not_mind_a_bias(split: int, bias: float) -> None:
    values = np.where(np.arange(20) < split, 1.0, -1.0) + bias
    for signed in (values, -values):
        assert locality.change_point(signed, np.ones(20)) == split


def test_a_change_in_a_pause_is_in_its_middle() -> None:
    values = np.array([3.0, 3.0, 3.0, 9.0, 0.0, 0.0, -9.0, 1.0, 1.0, 1.0, 1.0])
    weights = np.array([0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0])
    assert locality.change_point(values, weights) == 5.0  # between the 3s and the 1s
    assert locality.change_point(values, np.ones(11)) != 5.0


def test_speech_is_what_is_near_the_loudest() -> None:
    samples = np.concatenate([np.full(16000, level) for level in (0.5, 0.001, 0.01)])
    frames = locality.speech(samples.astype(np.float32), 0.02, 0.02)
    assert frames.tolist() == [1.0] * 50 + [0.0] * 50 + [1.0] * 50
    windows = locality.speech(samples.astype(np.float32), 0.1, 1.0)
    assert len(windows) == 21
    assert windows.tolist() == [1.0] * 6 + [0.0] * 9 + [1.0] * 6


def test_silence_around_recordings_moves_no_joint(tmp_path: Path) -> None:
    pair = []
    for label, level in ((ANGRY, 0.9), (SAD, 0.1)):
        spoken = clip(tmp_path, label, "a", 2.0, level)
        samples, rate_hz = soundfile.read(spoken.path)
        soundfile.write(spoken.path, np.pad(samples, 16000), rate_hz)
        pair.append(spoken)
    for pair_ in (tuple(pair), tuple(pair[::-1])):
        for locate in (locality.from_frames, locality.from_windows):
            assert locality.share_near(Loud(), [pair_], locate) == 1.0  # type: ignore[arg-type]
        raw = functools.partial(locality.from_frames, silence=True)
        assert locality.share_near(Loud(), [pair_], raw) == 0.0  # type: ignore[arg-type]


def test_joints_are_found_by_a_local_engine(tmp_path: Path) -> None:
    loud = clip(tmp_path, ANGRY, "a", 2.0, 0.9)
    quiet = clip(tmp_path, SAD, "a", 3.1, 0.1)
    for pair in ((loud, quiet), (quiet, loud)):
        for locate in (locality.from_frames, locality.from_windows):
            assert locality.share_near(Loud(), [pair], locate) == 1.0  # type: ignore[arg-type]
    assert locality.share_near(Loud(), [(loud, loud)], lambda engine, samples: 9.0) == 0.0  # type: ignore[arg-type]


def test_pairs_are_of_one_speaker_in_either_order(tmp_path: Path) -> None:
    clips = [
        clip(tmp_path, ANGRY, "a", 1.0, 0.5),
        clip(tmp_path, SAD, "a", 1.0, 0.5),
        clip(tmp_path, ANGRY, "b", 1.0, 0.5),
        clip(tmp_path, HAPPY, "b", 1.0, 0.5),
    ]
    pairs = locality.joined_pairs(clips, 4)
    assert [[c.label for c in pair] for pair in pairs] == [[SAD, ANGRY], [ANGRY, SAD]] * 2
    assert {c.speaker for pair in pairs for c in pair} == {"a"}
