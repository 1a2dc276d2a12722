"""Talk time, overlap and quarters, and split channels end to end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from emotion.core.errors import AudioSilentError, ConfigError
from emotion.core.i18n import warning_pair
from emotion.core.labels import LABELS
from emotion.core.results import Result
from emotion.recognition.aggregation import Aggregator, Span
from emotion.recognition.channels import channel_results, talk_time
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.recognizer import Recognizer
from tests.conftest import tone
from tests.test_plan import Deaf

S = 16_000
Stereo = Callable[..., Path]
ANGRY, SAD = LABELS.index("angry"), LABELS.index("sad")


@pytest.fixture
def fake(fake_model: LoadedModel) -> Recognizer:
    return Recognizer(fake_model)


@pytest.fixture
def stereo(tmp_path: Path) -> Stereo:
    """Writes a recording whose channels are lists of sounds, or of seconds of silence."""

    def write(*channels: list[NDArray[np.float32] | float], name: str = "call.wav") -> Path:
        tracks = [
            np.concatenate([np.zeros(round(p * S)) if isinstance(p, float) else p for p in parts])
            for parts in channels
        ]
        longest = max(track.size for track in tracks)
        padded = [np.pad(track, (0, longest - track.size)) for track in tracks]
        soundfile.write(tmp_path / name, np.stack(padded, 1), S, subtype="PCM_16")
        return tmp_path / name

    return write


def test_talk_time_against_counting_samples() -> None:
    rng = np.random.default_rng(0)
    masks = []
    speech: dict[int, list[Span]] = {}
    for channel in (1, 2, 3):
        edges = np.sort(rng.choice(50_000, 10, replace=False)).reshape(-1, 2)
        speech[channel] = [(int(a), int(b)) for a, b in edges]
        mask = np.zeros(50_000, bool)
        for a, b in edges:
            mask[a:b] = True
        masks.append(mask)
    speakers = np.sum(masks, 0)
    found = talk_time(speech)
    assert found.speech_s == pytest.approx((speakers > 0).sum() / S)
    assert found.overlap_s == pytest.approx((speakers > 1).sum() / S)
    assert talk_time({1: [], 2: []}).speech_s == 0
    assert talk_time({1: [(0, 10)], 2: [(10, 20)]}).overlap_s == 0  # they meet


def of(label: int, frames: int) -> NDArray[np.float32]:
    rows = np.zeros((frames, len(LABELS)), np.float32)
    rows[:, label] = 5
    return rows


def test_quarters_and_verdicts_weigh_frames() -> None:
    aggregator = Aggregator()
    features = np.zeros((1, 2), np.float32)
    spans = [(0, 2 * S), (0, 1 * S), (2 * S, 6 * S)]
    for span, label, channel in zip(spans, (ANGRY, SAD, SAD), (1, 2, 1), strict=True):
        aggregator.add(span, features, of(label, (span[1] - span[0]) // 320), channel)
    speech = {1: [(0, 2 * S), (2 * S, 6 * S)], 2: [(0, 1 * S)], 3: []}
    first, second, third = channel_results(aggregator, speech, [2, 1, 4], ["agent"], 8.0)
    assert (first.name, first.talk_s, first.emotion) == ("agent", 6.0, "sad")
    assert [q.emotion for q in first.quarters] == ["angry", "sad", "sad", None]
    assert [q.talk_s for q in first.quarters] == [2, 2, 2, 0]
    assert first.summary.shares == {"sad": 0.6667, "angry": 0.3333}
    assert (second.name, second.emotion, second.talk_share) == (
        "",
        "sad",
        pytest.approx(1 / 7, abs=1e-4),
    )
    assert (third.talk_s, third.emotion, third.confidence, third.scores) == (0.0, None, None, {})
    assert third.summary.shares == {} and all(q.emotion is None for q in third.quarters)


def test_a_segment_across_a_border_counts_in_both_quarters() -> None:
    aggregator = Aggregator()
    aggregator.add((0, 3 * S), np.zeros((1, 2), np.float32), of(ANGRY, 150), 1)
    aggregator.add((3 * S, 4 * S), np.zeros((1, 2), np.float32), of(SAD, 50), 1)
    (only,) = channel_results(aggregator, {1: [(0, 4 * S)]}, [3, 1], [], 8.0)
    assert [q.emotion for q in only.quarters] == ["angry", only.quarters[1].emotion, None, None]
    angry_and_sad = only.quarters[1]  # 1 s of each
    assert angry_and_sad.confidence is not None and angry_and_sad.confidence < 0.5
    assert only.quarters[0].confidence == pytest.approx(aggregator.segments[0].confidence)


def test_a_call_gives_segments_for_each_channel(fake: Recognizer, stereo: Stereo) -> None:
    path = stereo([1.0, tone(2, 1), 3.0, tone(2, 2), 1.0], [3.5, tone(2, 3), 1.0, tone(1.5, 4)])
    found = fake.recognize(
        path, granularity="segment", channels="split", channel_names=["agent", "customer"]
    )
    result = found.result
    spans = [(s.channel, round(s.start_s, 1), round(s.end_s, 1)) for s in result.segments]
    assert spans == [(1, 1.0, 3.1), (2, 3.5, 5.6), (1, 5.9, 8.1), (2, 6.4, 8.1)]
    assert [(c.channel, c.name) for c in result.channels] == [(1, "agent"), (2, "customer")]
    assert [c.talk_s for c in result.channels] == [pytest.approx(t, abs=0.15) for t in (4, 3.5)]
    assert result.overlap_s == pytest.approx(1.5, abs=0.1) and result.summary is not None
    assert result.summary.speech_s == pytest.approx(6.0, abs=0.1)
    assert result.summary.speech_s + result.summary.silence_s == pytest.approx(9.0)
    assert result.warnings == ()  # nothing was mixed
    assert result.audio.channel is None and found.samples.size == 9 * S
    assert Result.from_dict(result.to_dict()) == result


def test_each_segment_is_heard_on_its_own_channel(fake: Recognizer, stereo: Stereo) -> None:
    loud, soft = tone(2, 1), 0.2 * tone(2, 2)
    result = fake.recognize(stereo([loud], [soft]), granularity="segment", channels="split").result
    first, second = result.segments
    assert (first.channel, second.channel) == (1, 2)
    assert first.scores["happy"] > second.scores["happy"] + 0.1  # the fake hears loudness
    assert result.overlap_s == pytest.approx(2, abs=0.1)


def test_a_silent_channel_is_told_and_has_no_emotion(fake: Recognizer, stereo: Stereo) -> None:
    path = stereo([2.0], [tone(2)])
    result = fake.recognize(path, granularity="segment", channels="split").result
    assert [(w.code, w.params) for w in result.warnings] == [("channel_silent", {"channel": 1})]
    silent, heard = result.channels
    assert (silent.emotion, silent.talk_s) == (None, 0.0) and heard.emotion is not None
    with pytest.raises(AudioSilentError):
        fake.recognize(stereo([2.0], [2.0]), granularity="segment", channels="split")


def test_what_was_done_to_one_channel_is_said_of_it(fake: Recognizer, stereo: Stereo) -> None:
    path = stereo([tone(2)], [1e-3 * tone(2)])
    result = fake.recognize(path, granularity="segment", channels="split").result
    (warning,) = [w for w in result.warnings if w.code == "quiet_audio"]
    zh, en = warning_pair(warning)
    assert zh.startswith("第 2 个声道：录音很轻") and en.startswith("Channel 2: The recording is")


def test_no_speech_on_any_channel_analyses_the_mix(fake: Recognizer, stereo: Stereo) -> None:
    fake.model.detector = Deaf()
    path = stereo([tone(3)], [tone(3, 1)])
    result = fake.recognize(path, granularity="segment", channels="split").result
    assert "no_speech" in [w.code for w in result.warnings] and result.segments == ()
    assert [c.emotion for c in result.channels] == [None, None] and result.overlap_s == 0


def test_one_channel_may_be_split_too(fake: Recognizer, stereo: Stereo) -> None:
    result = fake.recognize(
        stereo([tone(2)]), granularity="segment", channels="split", channel_names=["only"]
    ).result
    assert [c.name for c in result.channels] == ["only"] and result.overlap_s == 0


def test_more_names_than_channels_are_refused(fake: Recognizer, stereo: Stereo) -> None:
    with pytest.raises(ConfigError, match="at most 2, one for each channel"):
        fake.recognize(
            stereo([tone(1)], [tone(1, 1)]),
            granularity="segment",
            channels="split",
            channel_names=["a", "b", "c"],
        )
