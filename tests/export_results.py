"""Results for the tests of exports: odd names, gaps, milliseconds, channels."""

from __future__ import annotations

from dataclasses import replace

from emotion.core.labels import LABELS
from emotion.core.results import (
    AudioInfo,
    FrameCurve,
    ModelInfo,
    Result,
    ResultWarning,
    Segment,
    Timing,
)

ODD = '录音 "a" <b>&amp;\n=1+1 \x01\u202e.wav'
ODD_CLEAN = '录音 "a" <b>&amp; =1+1   .wav'
SPANS_MS = ((0, 1234), (1234, 2001), (2503, 5678))
EMOTIONS = ("happy", "neutral", "sad")
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
