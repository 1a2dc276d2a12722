"""What every writer reads: a result as spans of whole milliseconds, named for people."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emotion.core.labels import BY_ID
from emotion.core.options import ExportLanguage
from emotion.core.results import Result, Segment

# Control characters, line and paragraph separators, bidirectional overrides, and what XML forbids.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


@dataclass(frozen=True)
class Span:
    """A stretch of the recording with one emotion.

    Attributes:
        start_ms: Where it begins.
        end_ms: Where it ends, after ``start_ms``.
        emotion: Id of the emotion.
        confidence: Its score.
        scores: All nine scores.
        uncertain: Whether the confidence is below the minimum that was asked for.
        channel: The channel, from 1; None for the mean of all.
    """

    start_ms: int
    end_ms: int
    emotion: str
    confidence: float
    scores: dict[str, float]
    uncertain: bool = False
    channel: int | None = None

    @property
    def start_s(self) -> float:
        """Where it begins, in seconds with three decimals."""
        return self.start_ms / 1000

    @property
    def end_s(self) -> float:
        """Where it ends, in seconds with three decimals."""
        return self.end_ms / 1000


@dataclass(frozen=True)
class Source:
    """A result and what lies beside it.

    Attributes:
        result: The result.
        language: Language of names and texts.
        embedding: float32, (D,); None where there is none.
        segment_embeddings: float32, (segments, D); None where there are none.
        audio_path: The recording as the network heard it (16 kHz mono); None where it is not at
            hand.
    """

    result: Result
    language: ExportLanguage = "en"
    embedding: NDArray[np.float32] | None = None
    audio_path: Path | None = None
    segment_embeddings: NDArray[np.float32] | None = None

    @property
    def file(self) -> str:
        """The recording's name, on one line."""
        return clean(self.result.audio.file)

    @property
    def channels(self) -> tuple[int | None, ...]:
        """The channels that spans are of, from 1; only None for the mean of all."""
        split = tuple(part.channel for part in self.result.channels)
        return split or (self.result.audio.channel,)

    def speaker(self, channel: int | None) -> str:
        """A channel's name; empty for the mean of all."""
        if channel is None:
            return ""
        names = {part.channel: clean(part.name) for part in self.result.channels}
        number = f"声道 {channel}" if self.language == "zh" else f"Channel {channel}"
        return names.get(channel) or number

    @property
    def duration_ms(self) -> int:
        """Length of the recording, at least up to the end of the last span."""
        return max(_ms(self.result.audio.duration_s), *(span.end_ms for span in self.spans))

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """The segments in order, without overlap on a channel; the whole recording without any."""
        result = self.result
        spans: list[Span] = []
        ends: dict[int | None, int] = {}
        for segment in sorted(result.segments, key=lambda part: (part.start_s, part.channel or 0)):
            channel = segment.channel or result.audio.channel
            start, end = max(_ms(segment.start_s), ends.get(channel, 0)), _ms(segment.end_s)
            if start < end:  # shorter than half a millisecond, or inside another
                spans.append(_span(segment, start, end, channel))
                ends[channel] = end
        if spans:
            return tuple(spans)
        end = max(_ms(result.audio.duration_s), 1)
        whole = Segment(
            0.0, end / 1000, result.emotion, result.confidence, result.scores, result.uncertain
        )
        return (_span(whole, 0, end, result.audio.channel),)

    def spans_of(self, channel: int | None) -> list[Span]:
        """The spans of a channel."""
        return [span for span in self.spans if span.channel == channel]

    def name(self, emotion: str) -> str:
        """The emotion's name in the language of the export."""
        known = BY_ID.get(emotion)
        if known is None:
            return clean(emotion)
        return known.zh if self.language == "zh" else known.en

    def span_name(self, span: Span) -> str:
        """A span's emotion; one that is uncertain is called so, with the likeliest emotion."""
        if self.result.no_speech:
            return "没有语音" if self.language == "zh" else "No speech"
        name = self.name(span.emotion)
        if not span.uncertain:
            return name
        return f"不确定（{name}）" if self.language == "zh" else f"Uncertain ({name})"

    def label(self, span: Span) -> str:
        """A span for people: channel, emotion and score."""
        separator = "：" if self.language == "zh" else ": "
        speaker = self.speaker(span.channel)
        before = f"{speaker}{separator}" if speaker else ""
        after = "" if self.result.no_speech else f" {span.confidence:.1%}"
        return f"{before}{self.span_name(span)}{after}"

    def tiers(self, channel: int | None) -> tuple[str, str]:
        """Names of a channel's two tiers of annotations: emotions and scores."""
        speaker = self.speaker(channel)
        after = f" ({speaker})" if speaker else ""
        if self.language == "zh":
            return f"情感{after}", f"得分{after}"
        return f"Emotion{after}", f"Score{after}"


def clean(text: str) -> str:
    """Text on one line, without characters that XML forbids or that hide what it says."""
    return _UNSAFE.sub(" ", text)


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _span(segment: Segment, start_ms: int, end_ms: int, channel: int | None) -> Span:
    return Span(
        start_ms,
        end_ms,
        segment.emotion,
        segment.confidence,
        segment.scores,
        segment.uncertain,
        channel,
    )
