"""The pipeline and the Python interface: one recording to one result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.core.config import SAMPLE_RATE_HZ, AudioConfig
from emotion.core.errors import AudioTooLargeError, CancelledError, ConfigError
from emotion.core.labels import LABELS
from emotion.core.progress import ProgressCallbacks
from emotion.inference.engine import Engine
from emotion.recognition.aggregation import softmax
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.recognizer import Recognition, Recognizer
from tests.fakes import FakeEngine

Wav = Callable[..., Path]


@pytest.fixture(scope="module")
def tiny(tiny_checkpoint: Path) -> Recognizer:
    engine = Engine.load(tiny_checkpoint, device="cpu", precision="fp32")
    return Recognizer(LoadedModel(engine, name="tiny", title="Tiny"))


@pytest.fixture
def fake(fake_model: LoadedModel) -> Recognizer:
    return Recognizer(fake_model)


def from_curve(recognition: Recognition) -> NDArray[np.float64]:
    """The utterance's scores worked out from the curve in the result."""
    frames = recognition.result.frames
    assert frames is not None
    with np.errstate(divide="ignore"):
        logs = np.log([frames.scores[label] for label in LABELS])
    return softmax(np.average(logs, axis=1, weights=frames.weights))


@pytest.mark.parametrize("seconds", [0.03, 1.0, 7.31, 65.2])
def test_the_curve_averages_to_the_utterance_in_logit_space(
    tiny: Recognizer, wav: Wav, seconds: float
) -> None:
    found = tiny.recognize(wav(seconds), granularity="frame")
    scores = list(found.result.scores.values())
    np.testing.assert_allclose(from_curve(found), scores, atol=1e-5)
    assert found.result.frames is not None
    assert len(found.result.frames.weights) == pytest.approx(seconds * 10, abs=1.5)


def test_granularity_does_not_change_the_utterance(tiny: Recognizer, wav: Wav) -> None:
    clip = wav(3)
    frame = tiny.recognize(clip, granularity="frame", embedding=True)
    utterance = tiny.recognize(clip, embedding=True)
    assert frame.result.scores == utterance.result.scores
    assert utterance.frame_embeddings is None and utterance.result.frames is None
    assert frame.embedding is not None and frame.frame_embeddings is not None
    np.testing.assert_allclose(frame.frame_embeddings.mean(0), frame.embedding, atol=1e-5)


def test_windows_are_combined_as_the_engine_gives_them(tiny: Recognizer, wav: Wav) -> None:
    found = tiny.recognize(wav(65.2), granularity="frame", embedding=True)
    engine, samples = tiny.model.engine, found.samples
    spans = [(s.start_s, s.end_s) for s in found.result.segments]
    outputs = [engine.infer(samples[round(a * 16000) : round(b * 16000)]) for a, b in spans]
    assert len(outputs) == 3 and found.frame_embeddings is not None
    features = np.concatenate([output.features for output in outputs])
    np.testing.assert_allclose(found.frame_embeddings, features, atol=1e-4)
    logits = np.concatenate([output.logits for output in outputs])
    expected = softmax(logits.mean(0, dtype=np.float64))
    np.testing.assert_allclose(list(found.result.scores.values()), expected, atol=1e-5)


def test_scores_sum_to_one_and_secondary_is_sorted(tiny: Recognizer, wav: Wav) -> None:
    result = tiny.recognize(wav(2)).result
    assert sum(result.scores.values()) == pytest.approx(1, abs=1e-6)
    assert result.emotion == max(result.scores, key=lambda label: result.scores[label])
    assert result.confidence == result.scores[result.emotion]
    secondary = list(result.secondary.values())
    assert secondary == sorted(secondary, reverse=True)


def test_a_long_recording_is_never_truncated(
    fake: Recognizer, fake_engine: FakeEngine, wav: Wav
) -> None:
    found = fake.recognize(wav(95), embedding=True)
    result = found.result
    assert sum(fake_engine.calls) == 95 * SAMPLE_RATE_HZ
    assert [warning.code for warning in result.warnings] == ["windowed"]
    assert "4 windows" in result.warnings[0].message
    assert result.segments[0].start_s == 0 and result.segments[-1].end_s == 95
    assert found.embedding is not None and found.embedding.dtype == np.float32


def test_times_add_up(fake: Recognizer, wav: Wav) -> None:
    timing = fake.recognize(wav(65)).result.timing
    assert min(timing.decode_s, timing.inference_s, timing.queue_s) >= 0
    assert timing.decode_s + timing.inference_s + timing.queue_s <= timing.total_s + 1e-3


def test_stages_windows_and_log(fake: Recognizer, wav: Wav) -> None:
    stages: list[str] = []
    windows: list[tuple[int, int]] = []
    log: list[str] = []
    callbacks = ProgressCallbacks(
        stage=stages.append,
        windows=lambda done, total: windows.append((done, total)),
        log=log.append,
    )
    fake.recognize(wav(65), callbacks=callbacks)
    assert stages == ["decoding", "analysing", "saving"]
    assert windows == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert log[0] == "[INFO] Audio validated: 65.0s, 16kHz, mono"
    assert any(line.startswith("[WARNING] The recording of 65.0 s was analysed") for line in log)
    assert log[-1].startswith("[INFO] Inference time: ")


def test_cancellation_stops_within_the_recording(
    fake: Recognizer, fake_engine: FakeEngine, wav: Wav
) -> None:
    callbacks = ProgressCallbacks(cancelled=lambda: len(fake_engine.calls) > 0)
    with pytest.raises(CancelledError):
        fake.recognize(wav(400), callbacks=callbacks)
    assert len(fake_engine.calls) < 14  # of as many windows


def test_an_unknown_granularity_is_refused_before_any_work(fake: Recognizer) -> None:
    with pytest.raises(ConfigError, match="granularity"):
        fake.recognize("missing.wav", granularity="word")  # type: ignore[arg-type]


def test_limits_come_from_the_config(fake_engine: FakeEngine, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(b"x" * 11)
    limits = AudioConfig(max_upload_bytes=10)
    small = Recognizer(LoadedModel(fake_engine, name="fake", title="Fake", audio=limits))
    with pytest.raises(AudioTooLargeError):
        small.recognize(path)


def test_load_from_python(tiny_checkpoint: Path) -> None:
    recognizer = Recognizer.load(str(tiny_checkpoint), device="cpu", offline=True)
    assert recognizer.model.info.name == tiny_checkpoint.name
    assert recognizer.model.info.fallback_reason is None


def test_load_from_python_minds_the_environment(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOTION_MODEL", str(tiny_checkpoint))
    monkeypatch.setenv("EMOTION_PRECISION", "bf16")
    info = Recognizer.load(device="cpu").model.info
    assert (info.name, info.precision) == (tiny_checkpoint.name, "bf16")
