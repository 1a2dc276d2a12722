"""What is said of each channel where channels are split: talk time, overlap, quarters, course."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.core.config import SAMPLE_RATE_HZ
from emotion.core.results import ChannelResult, Quarter, Segment
from emotion.recognition.aggregation import Aggregator, Span, Verdict
from emotion.recognition.summary import summarize

_QUARTERS = 4


@dataclass(frozen=True)
class TalkTime:
    """Seconds of speech over all channels.

    Attributes:
        speech_s: Seconds in which anyone speaks.
        overlap_s: Seconds in which several channels speak at once.
    """

    speech_s: float
    overlap_s: float


def talk_time(speech: Mapping[int, Sequence[Span]]) -> TalkTime:
    """How long anyone speaks, and how long several speak at once.

    Args:
        speech: For each channel (start, stop) of each stretch of speech in samples.
    """
    edges = sorted(
        edge for spans in speech.values() for a, b in spans for edge in ((a, 1), (b, -1))
    )
    anyone = several = speaking = at = 0
    for place, change in edges:
        anyone += (place - at) * (speaking > 0)
        several += (place - at) * (speaking > 1)
        speaking, at = speaking + change, place
    return TalkTime(anyone / SAMPLE_RATE_HZ, several / SAMPLE_RATE_HZ)


def channel_results(
    aggregator: Aggregator,
    speech: Mapping[int, Sequence[Span]],
    speech_s: Sequence[float],
    names: Sequence[str],
    duration_s: float,
) -> tuple[ChannelResult, ...]:
    """The result of each channel.

    Args:
        aggregator: Holds all segments.
        speech: For each channel (start, stop) of each stretch of speech in samples.
        speech_s: Seconds of speech in each segment.
        names: Names of the channels, in order; further channels have none.
        duration_s: Length of the recording.
    """
    talk_s = {channel: _length_s(spans) for channel, spans in speech.items()}
    all_s = sum(talk_s.values())
    found = []
    for channel, spans in speech.items():
        mine = [i for i, part in enumerate(aggregator.segments) if part.channel == channel]
        segments = [aggregator.segments[i] for i in mine]
        shares = [1.0] * len(mine)
        verdict = _verdict(aggregator, mine, shares)
        found.append(
            ChannelResult(
                channel=channel,
                name=names[channel - 1] if channel <= len(names) else "",
                talk_s=round(talk_s[channel], 3),
                talk_share=round(talk_s[channel] / all_s, 4) if all_s else 0.0,
                quarters=_quarters(aggregator, mine, segments, spans, duration_s),
                summary=summarize(segments, [speech_s[i] for i in mine], duration_s),
                emotion=verdict.emotion if verdict else None,
                confidence=verdict.confidence if verdict else None,
                scores=verdict.scores if verdict else {},
                uncertain=verdict is not None and verdict.uncertain,
            )
        )
    return tuple(found)


def _length_s(spans: Sequence[Span]) -> float:
    return sum(b - a for a, b in spans) / SAMPLE_RATE_HZ


def _quarters(
    aggregator: Aggregator,
    mine: Sequence[int],
    segments: Sequence[Segment],
    spans: Sequence[Span],
    duration_s: float,
) -> tuple[Quarter, ...]:
    """The four quarters; a segment counts in each by the part of it that lies there."""
    found = []
    for k in range(_QUARTERS):
        start_s, end_s = (duration_s * edge / _QUARTERS for edge in (k, k + 1))
        first, last = (round(time_s * SAMPLE_RATE_HZ) for time_s in (start_s, end_s))
        talk_s = _length_s([(max(a, first), max(min(b, last), a, first)) for a, b in spans])
        shares = [
            max(0.0, min(part.end_s, end_s) - max(part.start_s, start_s))
            / (part.end_s - part.start_s)
            for part in segments
        ]
        verdict = _verdict(aggregator, mine, shares) if talk_s > 0 else None
        found.append(
            Quarter(
                start_s=round(start_s, 3),
                end_s=round(end_s, 3),
                talk_s=round(talk_s, 3),
                emotion=verdict.emotion if verdict else None,
                confidence=verdict.confidence if verdict else None,
                uncertain=verdict is not None and verdict.uncertain,
            )
        )
    return tuple(found)


def _verdict(
    aggregator: Aggregator, places: Sequence[int], shares: Sequence[float]
) -> Verdict | None:
    """The verdict of some segments, each weighing its frames times its share; None without any."""
    weighed = [
        (aggregator.means[i], aggregator.frames[i] * share)
        for i, share in zip(places, shares, strict=True)
        if share > 0
    ]
    if not weighed:
        return None
    means: NDArray[np.float64] = np.array([mean for mean, _ in weighed])
    weights = np.array([weight for _, weight in weighed])
    return aggregator.judge((weights[:, None] * means).sum(0) / weights.sum())
