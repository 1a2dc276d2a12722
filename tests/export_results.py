"""Results for the tests of exports: odd names, gaps, milliseconds, channels."""

from __future__ import annotations

from dataclasses import replace

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

ODD = '录音 "a" <b>&amp;\n=1+1 \x01\u202e.wav'
ODD_CLEAN = '录音 "a" <b>&amp; =1+1   .wav'
SPANS_MS = ((0, 1234), (1234, 2001), (2503, 5678))
EMOTIONS = ("happy", "neutral", "sad")
SENTENCE = {"zh": "以快乐为主", "en": "mostly happy"}
NAMES_ZH = ("快乐", "中性", "悲伤")


def scores(emotion: str, value: float = 0.84) -> dict[str, float]:
    """Nine scores that sum to 1, with one in front."""
    return {label: value if label == emotion else (1 - value) / 8 for label in LABELS}


def result(name: str = ODD, *, segments: bool = True, channel: int | None = None) -> Result:
    """A recording of 5.678 s whose segments leave a gap."""
    parts = [
        Segment(start / 1000, end / 1000, emotion, 0.84, scores(emotion))
        for (start, end), emotion in zip(SPANS_MS, EMOTIONS, strict=True)
    ]
    return Result(
        emotion="sad",
        confidence=0.84,
        scores=scores("sad"),
        granularity="utterance",
        timestamp="2026-01-02 03:04:05",
        secondary={},
        audio=AudioInfo(name, 5.678, 16000, 2, "pcm_s16le", "wav", 1, channel=channel),
        model=ModelInfo("emotion2vec_mini", "Mini <&>", "cpu", "fp32", "no <route>"),
        timing=Timing(0.1, 0.1, 0.2),
        warnings=(ResultWarning("short_audio", "Only <0.5> s", {"duration_s": 0.5}),),
        segments=tuple(parts) if segments else (),
    )


def with_frames(source: Result) -> Result:
    """The result with a curve: happy in the first half, sad in the second."""
    steps = 57
    curve: dict[str, list[float]] = {label: [] for label in LABELS}
    for k in range(steps):
        for label, score in scores("happy" if k < 28 else "sad").items():
            curve[label].append(score)
    return replace(source, granularity="frame", frames=FrameCurve(0.1, [5] * steps, curve))


def with_local(source: Result) -> Result:
    """The result with a local curve: silence between 1.5 and 4 s, fearful before, sad after."""
    times_s = [0.5, 1.0, 1.5, 4.0, 4.5, 5.0]
    curve: dict[str, list[float]] = {label: [] for label in LABELS}
    for time_s in times_s:
        for label, score in scores("fearful" if time_s < 2 else "sad").items():
            curve[label].append(score)
    return replace(source, local=LocalCurve(1.0, 0.5, times_s, curve))


def split_call() -> Result:
    """A call: the agent speaks twice, the customer, named by markup, once and at the same time."""
    parts = (
        Segment(0.0, 1.234, "neutral", 0.84, scores("neutral"), channel=1),
        Segment(1.0, 3.5, "angry", 0.45, scores("angry", 0.45), uncertain=True, channel=2),
        Segment(3.0, 5.678, "happy", 0.84, scores("happy"), channel=1),
    )
    quarters = [Quarter(k * 1.4195, (k + 1) * 1.4195, 1.0, "happy", 0.84) for k in range(4)]
    quarters[2] = Quarter(2.839, 4.2585, 0.0)
    summary = Summary(5.6, 0.1, {"happy": 0.5, "neutral": 0.3, "uncertain": 0.2}, SENTENCE)
    channels = tuple(
        ChannelResult(
            number, name, 3.9, 0.6, tuple(quarters), summary, "happy", 0.84, scores("happy")
        )
        for number, name in ((1, "坐席"), (2, "<b>客户"))
    )
    made = result()
    return replace(
        made,
        granularity="segment",
        segments=parts,
        channels=channels,
        overlap_s=0.734,
        summary=summary,
        uncertain=True,
    )
