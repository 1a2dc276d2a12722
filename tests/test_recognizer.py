from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.audio import Recording
from emotion.core.config import SAMPLE_RATE_HZ, AudioConfig
from emotion.core.errors import CancelledError, ConfigError
from emotion.core.labels import LABELS
from emotion.core.results import AudioInfo
from emotion.inference.engine import Engine
from emotion.recognition.recognizer import Hooks, Recognition, Recognizer, softmax, windows
from tests.conftest import tone
from tests.fakes import FakeEngine


def recording(samples: NDArray[np.float32]) -> Recording:
    info = AudioInfo("clip.wav", samples.size / SAMPLE_RATE_HZ, 16000, 1, "pcm_s16le", "wav", 1)
    return Recording(samples, info, (), 0.0)


@pytest.fixture(scope="module")
def tiny(tiny_checkpoint: Path) -> Recognizer:
    return Recognizer(Engine.load(tiny_checkpoint, device="cpu"), name="tiny", title="Tiny")


def from_curve(recognition: Recognition) -> NDArray[np.float64]:
    """The utterance's scores worked out from the curve in the result."""
    frames = recognition.result.frames
    assert frames is not None
    with np.errstate(divide="ignore"):
        logs = np.log([frames.scores[label] for label in LABELS])
    return softmax(np.average(logs, axis=1, weights=frames.weights))


@pytest.mark.parametrize("seconds", [0.03, 1.0, 7.31, 65.2])
def test_the_curve_averages_to_the_utterance_in_logit_space(
    tiny: Recognizer, seconds: float
) -> None:
    analysed = tiny.analyse(recording(tone(seconds)), granularity="frame")
    scores = list(analysed.result.scores.values())
    np.testing.assert_allclose(from_curve(analysed), scores, atol=1e-5)
    assert analysed.result.frames is not None
    assert len(analysed.result.frames.weights) == pytest.approx(seconds * 10, abs=1.5)


def test_granularity_does_not_change_the_utterance(tiny: Recognizer) -> None:
    clip = recording(tone(3))
    frame = tiny.analyse(clip, granularity="frame", embedding=True)
    utterance = tiny.analyse(clip, embedding=True)
    assert frame.result.scores == utterance.result.scores
    assert utterance.frame_embeddings is None and utterance.result.frames is None
    assert frame.embedding is not None and frame.frame_embeddings is not None
    np.testing.assert_allclose(frame.frame_embeddings.mean(0), frame.embedding, atol=1e-5)


def test_scores_sum_to_one_and_secondary_is_sorted(tiny: Recognizer) -> None:
    result = tiny.analyse(recording(tone(2))).result
    assert sum(result.scores.values()) == pytest.approx(1, abs=1e-6)
    assert result.emotion == max(result.scores, key=lambda label: result.scores[label])
    assert result.confidence == result.scores[result.emotion]
    secondary = list(result.secondary.values())
    assert secondary == sorted(secondary, reverse=True)
    expected = {k for k, v in result.scores.items() if v > 0.03} - {result.emotion}
    assert set(result.secondary) == expected


@pytest.mark.parametrize("samples", [400, 1600, 480_000, 480_001, 481_600, 1_000_003, 57_600_000])
def test_windows_cover_everything_once(samples: int) -> None:
    spans = windows(samples, 30.0)
    assert spans[0][0] == 0 and spans[-1][1] == samples
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    lengths = [stop - start for start, stop in spans]
    assert max(lengths) <= 480_000
    assert len(spans) == 1 or min(lengths) > 200_000
    assert all(start % 1600 == 0 for start, _ in spans)


def test_a_long_recording_is_never_cut_in_silence(
    fake_recognizer: Recognizer, fake_engine: FakeEngine
) -> None:
    analysed = fake_recognizer.analyse(recording(tone(95)), embedding=True)
    result = analysed.result
    assert sum(fake_engine.calls) == 95 * SAMPLE_RATE_HZ
    assert [notice.code for notice in result.warnings] == ["windowed"]
    assert "4 windows" in result.warnings[0].message
    assert result.segments[0].start_s == 0 and result.segments[-1].end_s == 95
    assert analysed.embedding is not None and analysed.embedding.dtype == np.float32


def test_progress_and_cancellation(fake_recognizer: Recognizer, fake_engine: FakeEngine) -> None:
    seen: list[tuple[int, int]] = []
    hooks = Hooks(progress=lambda done, total: seen.append((done, total)))
    fake_recognizer.analyse(recording(tone(65)), hooks=hooks)
    assert seen == [(0, 3), (1, 3), (2, 3), (3, 3)]
    fake_engine.calls.clear()
    hooks = Hooks(cancelled=lambda: len(fake_engine.calls) == 1)
    with pytest.raises(CancelledError):
        fake_recognizer.analyse(recording(tone(65)), hooks=hooks)
    assert len(fake_engine.calls) == 1


def test_an_unknown_granularity_is_refused_before_any_work(fake_recognizer: Recognizer) -> None:
    with pytest.raises(ConfigError, match="granularity"):
        fake_recognizer.recognize("missing.wav", granularity="word")


def test_limits_come_from_the_config(fake_engine: FakeEngine, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(b"x" * 11)
    small = Recognizer(
        fake_engine,  # type: ignore[arg-type]
        name="fake",
        title="Fake",
        audio=AudioConfig(max_upload_bytes=10),
    )
    with pytest.raises(Exception, match="at most 0 MB"):
        small.recognize(path)


def test_load_from_python(tiny_checkpoint: Path) -> None:
    recognizer = Recognizer.load(str(tiny_checkpoint), device="cpu", offline=True)
    assert recognizer.model.name == tiny_checkpoint.name
    assert recognizer.model.fallback_reason is None


def test_load_from_python_minds_the_environment(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTION_MODEL", str(tiny_checkpoint))
    monkeypatch.setenv("EMOTION_PRECISION", "bf16")
    model = Recognizer.load(device="cpu").model
    assert (model.name, model.precision) == (tiny_checkpoint.name, "bf16")
