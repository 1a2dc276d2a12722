"""What the network hears: speech segments or windows; segment granularity end to end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from emotion.audio import SampleBuffer, decode
from emotion.core.config import AudioConfig
from emotion.core.errors import CancelledError
from emotion.core.labels import LABELS
from emotion.core.options import Granularity, RecognitionOptions
from emotion.core.progress import ProgressCallbacks
from emotion.core.results import Result
from emotion.recognition.aggregation import softmax
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.plan import Plan, make_plan
from emotion.recognition.recognizer import Recognizer
from tests.conftest import tone
from tests.fakes import FakeDetector, FakeEngine
from tests.spoken import spoken

Write = Callable[..., Path]


@pytest.fixture
def fake(fake_model: LoadedModel) -> Recognizer:
    return Recognizer(fake_model)


@pytest.fixture(scope="module")
def mini(mini_checkpoint: Path) -> Recognizer:
    return Recognizer.load(str(mini_checkpoint), device="cpu", precision="fp32")


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes samples, or silence for a number of seconds, after one another."""

    def run(*parts: NDArray[np.float32] | float, name: str = "talk.wav") -> Path:
        sounds = [np.zeros(round(p * 16_000)) if isinstance(p, float) else p for p in parts]
        soundfile.write(tmp_path / name, np.concatenate(sounds), 16_000, subtype="PCM_16")
        return tmp_path / name

    return run


class Deaf:
    """Hears no speech in anything."""

    def blocks(self, samples: SampleBuffer, start: int) -> Iterator[NDArray[np.float32]]:
        yield np.zeros((samples.size - start) // 512, np.float32)


def plan(path: Path, granularity: Granularity = "segment", **options: float) -> Plan:
    asked = RecognitionOptions(granularity, **options)  # type: ignore[arg-type]
    return make_plan(decode(path, AudioConfig()), asked, FakeDetector(), 30.0)


def test_each_stretch_of_speech_has_its_own_result(
    fake: Recognizer, fake_engine: FakeEngine, write: Write
) -> None:
    path = write(1.0, tone(2), 1.5, 0.3 * tone(3), 1.0)
    result = fake.recognize(path, granularity="segment").result
    assert result.granularity == "segment" and result.warnings == ()
    spans = [(s.start_s, s.end_s) for s in result.segments]
    assert spans == [pytest.approx((1.0, 3.1), abs=0.05), pytest.approx((4.4, 7.6), abs=0.05)]
    assert fake_engine.calls == [round((b - a) * 16_000) for a, b in spans]
    louder, quieter = result.segments
    assert louder.scores["happy"] > quieter.scores["happy"]
    assert all(sum(s.scores.values()) == pytest.approx(1, abs=1e-6) for s in result.segments)
    assert result.summary is not None
    assert result.summary.speech_s == pytest.approx(5, abs=0.1)
    assert result.summary.speech_s + result.summary.silence_s == pytest.approx(8.5, abs=0.01)


def test_the_utterance_is_the_mean_over_speech(
    fake: Recognizer, fake_engine: FakeEngine, write: Write
) -> None:
    found = fake.recognize(write(1.0, tone(2), 5.0, 0.3 * tone(3)), granularity="segment")
    spans = [(round(s.start_s * 16e3), round(s.end_s * 16e3)) for s in found.result.segments]
    logits = [fake_engine.infer(found.samples[a:b]).logits for a, b in spans]
    expected = softmax(np.concatenate(logits).mean(0, dtype=np.float64))
    np.testing.assert_allclose([found.result.scores[n] for n in LABELS], expected, atol=1e-6)


def test_the_lengths_asked_for(write: Write) -> None:
    path = write(0.5, tone(40), 0.5)
    lengths = [stop - start for start, stop in plan(path, segment_max_s=6.0).spans]
    assert 7 <= len(lengths) <= 9 and max(lengths) <= 6 * 16_000
    assert max(stop - start for start, stop in plan(path).spans) <= 15 * 16_000
    for pad_s in (0.0, 0.4):  # after the speech; nothing before the first sound
        spans = plan(path, segment_pad_s=pad_s).spans
        assert spans[0][0] == pytest.approx(0.5 * 16_000, abs=16)
        assert spans[-1][1] / 16_000 == pytest.approx(40.5 + pad_s, abs=0.04)


@pytest.mark.parametrize("granularity", ["utterance", "frame", "segment"])
def test_without_speech_everyone_is_warned_and_scores_stay(
    fake: Recognizer, write: Write, granularity: Granularity
) -> None:
    fake.model.detector = Deaf()
    result = fake.recognize(write(tone(40)), granularity=granularity).result
    assert [warning.code for warning in result.warnings] == ["no_speech", "windowed"]
    assert sum(result.scores.values()) == pytest.approx(1, abs=1e-6)
    assert bool(result.segments) == (granularity != "segment")
    assert (result.summary is not None) == (granularity == "segment")


def test_a_summary_survives_json_and_may_be_absent(fake: Recognizer, write: Write) -> None:
    data = fake.recognize(write(tone(2), 1.0), granularity="segment").result.to_dict()
    assert Result.from_dict(data).to_dict() == data and data["summary"]["shares"]
    assert Result.from_dict({**data, "summary": {**data["summary"], "later": 1}}).to_dict() == data
    del data["summary"]
    assert Result.from_dict(data).summary is None


def test_looking_for_speech_can_be_cancelled(fake: Recognizer, write: Write) -> None:
    stages: list[str] = []
    callbacks = ProgressCallbacks(stage=stages.append, cancelled=lambda: "analysing" in stages)
    with pytest.raises(CancelledError):
        fake.recognize(write(tone(2)), granularity="segment", callbacks=callbacks)


def test_leading_silence_changes_nothing(mini: Recognizer, speech: Path, write: Write) -> None:
    made = spoken(speech, 20, seed=3).samples
    silence = (1e-4 * np.random.default_rng(0).standard_normal(160_000)).astype(np.float32)
    plain = mini.recognize(write(made), granularity="segment").result
    late = mini.recognize(write(silence, made, name="late.wav"), granularity="segment").result
    assert len(plain.segments) == len(late.segments) >= 3
    for a, b in zip(plain.segments, late.segments, strict=True):
        assert (b.start_s - 10, b.end_s - 10) == pytest.approx((a.start_s, a.end_s), abs=1e-6)
        assert [a.scores[n] for n in LABELS] == pytest.approx([b.scores[n] for n in LABELS])
    assert plain.scores == pytest.approx(late.scores) and plain.summary is not None
    assert late.summary is not None and plain.summary.shares == late.summary.shares


@pytest.mark.slow
def test_an_hour(mini: Recognizer, speech: Path, tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil")
    made = spoken(speech, 3600, seed=1)
    path = tmp_path / "hour.flac"
    soundfile.write(path, made.samples, 16_000)
    options = RecognitionOptions("segment")
    peaks: list[int] = []
    callbacks = ProgressCallbacks(
        windows=lambda *_: peaks.append(psutil.Process().memory_info().rss)
    )
    from emotion.recognition.pipeline import recognize

    short = tmp_path / "short.flac"
    soundfile.write(short, made.samples[: 30 * 16_000], 16_000)
    recognize(mini.model, short, options, callbacks=callbacks)
    before = max(peaks)
    result = recognize(mini.model, path, options, callbacks=callbacks)
    assert max(peaks) - before < 150 * 2**20
    right = agreed = 0
    for start_s, stop_s, label in made.clips[::4]:
        clip = made.samples[round(start_s * 16_000) : round(stop_s * 16_000)]
        soundfile.write(tmp_path / "clip.wav", clip, 16_000)
        if mini.recognize(tmp_path / "clip.wav").result.emotion != label:
            continue
        inside = [s for s in result.segments if s.start_s < stop_s and s.end_s > start_s]
        inside.sort(key=lambda s: min(s.end_s, stop_s) - max(s.start_s, start_s))
        right, agreed = right + 1, agreed + (bool(inside) and inside[-1].emotion == label)
    assert right > 50 and agreed >= 0.9 * right
