"""Hand-made results for the tests of the timeline: a clip, a call of two channels, four hours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from emotion.core.labels import LABELS
from emotion.core.results import (
    AudioInfo,
    ChannelResult,
    FrameCurve,
    LocalCurve,
    ModelInfo,
    Quarter,
    Result,
    ResultWarning,
    Segment,
    Summary,
    Timing,
)

STEP_S = 0.1
NO_SPEECH = ResultWarning("no_speech", "No speech was found in the recording.")


def scores(emotion: str, value: float = 0.7, second: str = "neutral") -> dict[str, float]:
    """Nine scores that sum to 1, with one in front and most of the rest behind it."""
    rest = 1 - value
    others = [label for label in LABELS if label not in (emotion, second)]
    found = dict.fromkeys(others, 0.4 * rest / len(others))
    return {**found, second: found.get(second, 0.0) + 0.6 * rest, emotion: value}


def segment(
    start_s: float,
    end_s: float,
    emotion: str,
    confidence: float = 0.7,
    channel: int | None = None,
    least: float = 0.5,
) -> Segment:
    """A segment that is uncertain below a confidence."""
    second = "sad" if emotion == "neutral" else "neutral"
    values = scores(emotion, confidence, second)
    return Segment(start_s, end_s, emotion, confidence, values, confidence < least, channel)


def result(duration_s: float = 2.0, **changes: Any) -> Result:
    """A happy recording; fields can be changed."""
    values: dict[str, Any] = {
        "emotion": "happy",
        "confidence": 0.64,
        "scores": dict.fromkeys(LABELS, 0.02) | {"happy": 0.64, "sad": 0.22},
        "granularity": "utterance",
        "timestamp": "2026-01-02 03:04:05",
        "secondary": {"sad": 0.22},
        "audio": AudioInfo("a.wav", duration_s, 16_000, 1, "pcm_s16le", "wav", 64_000),
        "model": ModelInfo("fake", "Fake", "cpu", "fp32"),
        "timing": Timing(0.1, 0.2, 0.3),
    }
    return Result(**(values | changes))


def walk(count: int, seed: int) -> dict[str, list[float]]:
    """Scores that wander slowly: for each label one a step."""
    rng = np.random.default_rng(seed)
    knots = rng.normal(0, 2.2, (max(2, count // 25 + 2), len(LABELS)))
    places = np.linspace(0, len(knots) - 1.001, count)
    low = places.astype(int)
    part = (places - low)[:, None]
    logits = knots[low] * (1 - part) + knots[low + 1] * part
    values = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return {label: values[:, i].tolist() for i, label in enumerate(LABELS)}


def frame_curve(duration_s: float, seed: int = 0) -> FrameCurve:
    """A curve with a step every 0.1 s."""
    count = max(1, round(duration_s / STEP_S))
    return FrameCurve(STEP_S, [5] * count, walk(count, seed))


def local_curve(
    duration_s: float, seed: int = 1, gap_s: tuple[float, float] = (0, 0)
) -> LocalCurve:
    """A curve of windows of 1 s every 0.5 s, but for a gap."""
    times_s = [round(0.5 * k, 3) for k in range(1, max(2, int(duration_s / 0.5)))]
    times_s = [time_s for time_s in times_s if not gap_s[0] <= time_s < gap_s[1]]
    return LocalCurve(1.0, 0.5, times_s, walk(len(times_s), seed))


def summary(segments: Sequence[Segment], duration_s: float) -> Summary:
    """Shares by length."""
    times: dict[str, float] = {}
    for one in segments:
        label = "uncertain" if one.uncertain else one.emotion
        times[label] = times.get(label, 0) + one.end_s - one.start_s
    total_s = sum(times.values())
    ordered = sorted(times.items(), key=lambda item: -item[1])
    sentence = {
        "zh": "前 9 分 30 秒以中性为主，随后转为愤怒",
        "en": "mostly neutral for 9 min 30 s, then angry until 20:00",
    }
    shares = {label: time_s / total_s for label, time_s in ordered}
    return Summary(total_s, max(0.0, duration_s - total_s), shares, sentence)


def talk(
    duration_s: float,
    count: int,
    seed: int = 0,
    channels: Sequence[int] = (),
    emotions: Sequence[str] = ("angry", "happy", "neutral", "sad", "surprised"),
) -> list[Segment]:
    """Segments with pauses between, on all channels in turn."""
    rng = np.random.default_rng(seed)
    slot_s = duration_s / count
    found = []
    for k in range(count):
        start_s = (k + 0.1 * rng.random()) * slot_s
        end_s = start_s + slot_s * rng.uniform(0.4, 0.85)
        emotion = emotions[min(int(rng.exponential(1.2)), len(emotions) - 1)]
        channel = channels[k % len(channels)] if channels else None
        found.append(
            segment(round(start_s, 3), round(end_s, 3), emotion, rng.uniform(0.35, 0.98), channel)
        )
    return found


def clip(duration_s: float = 30.0) -> Result:
    """Speech segments of a short recording, one of them uncertain."""
    parts = (
        segment(0.42, 3.9, "neutral", 0.81),
        segment(4.6, 8.15, "happy", 0.72),
        segment(9.0, 12.4, "happy", 0.41),
        segment(13.2, 19.9, "angry", 0.93),
        segment(21.0, 24.8, "sad", 0.66),
        segment(25.7, 29.3, "neutral", 0.58),
    )
    return result(
        duration_s, granularity="segment", segments=parts, summary=summary(parts, duration_s)
    )


def frames(duration_s: float = 30.0) -> Result:
    """Both curves; the local one has a gap."""
    return result(
        duration_s,
        granularity="frame",
        frames=frame_curve(duration_s),
        local=local_curve(duration_s, gap_s=(12.0, 15.0)),
    )


def call(duration_s: float = 1200.0, count: int = 220) -> Result:
    """A call whose channels were split: one has a name, that of a stranger."""
    parts = talk(duration_s, count, seed=3, channels=(1, 2))
    return result(
        duration_s,
        granularity="segment",
        segments=tuple(parts),
        summary=summary(parts, duration_s),
        channels=tuple(
            channel(number, name, parts, duration_s) for number, name in ((1, "客服 <b>&"), (2, ""))
        ),
        overlap_s=37.2,
        min_confidence=0.5,
    )


def channel(number: int, name: str, parts: Sequence[Segment], duration_s: float) -> ChannelResult:
    """One channel of a call."""
    own = [part for part in parts if part.channel == number]
    quarters = []
    for k in range(4):
        begin_s, end_s = k * duration_s / 4, (k + 1) * duration_s / 4
        inside = [part for part in own if begin_s <= part.start_s < end_s]
        talk_s = sum(part.end_s - part.start_s for part in inside)
        if inside and not (number == 2 and k == 3):
            one = max(inside, key=lambda part: part.end_s - part.start_s)
            quarters.append(
                Quarter(begin_s, end_s, talk_s, one.emotion, one.confidence, one.uncertain)
            )
        else:
            quarters.append(Quarter(begin_s, end_s, 0.0))
    talk_s = sum(part.end_s - part.start_s for part in own)
    whole_s = sum(part.end_s - part.start_s for part in parts)
    return ChannelResult(
        number, name, talk_s, talk_s / whole_s, tuple(quarters), summary(own, duration_s),
        "angry" if number == 1 else "neutral", 0.61, scores("angry"), number == 2,
    )  # fmt: skip


def hours(duration_s: float = 4 * 3600.0, count: int = 5000) -> Result:
    """Four hours of two channels with thousands of segments and both curves."""
    parts = talk(duration_s, count, seed=5, channels=(1, 2))
    return result(
        duration_s,
        granularity="segment",
        segments=tuple(parts),
        summary=summary(parts, duration_s),
        channels=tuple(channel(number, "", parts, duration_s) for number in (1, 2)),
        overlap_s=12.0,
        frames=frame_curve(duration_s, 7),
        local=local_curve(duration_s, 8),
    )
