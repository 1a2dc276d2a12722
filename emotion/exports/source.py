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
    """

    start_ms: int
    end_ms: int
    emotion: str
    confidence: float
    scores: dict[str, float]

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
        audio_path: The recording as the network heard it (16 kHz mono); None where it is not at
            hand.
    """

    result: Result
    language: ExportLanguage = "en"
    embedding: NDArray[np.float32] | None = None
    audio_path: Path | None = None

    @property
    def file(self) -> str:
        """The recording's name, on one line."""
        return clean(self.result.audio.file)

    @property
    def channel(self) -> int | None:
        """The channel, from 1; None for the mean of all."""
        return self.result.audio.channel

    @property
    def speaker(self) -> str:
        """The channel's name; empty for the mean of all."""
        if self.channel is None:
            return ""
        return f"声道 {self.channel}" if self.language == "zh" else f"Channel {self.channel}"

    @property
    def duration_ms(self) -> int:
        """Length of the recording, at least up to the end of the last span."""
        return max(_ms(self.result.audio.duration_s), self.spans[-1].end_ms)

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """The segments in order, without overlap; the whole recording where there are none."""
        result = self.result
        spans: list[Span] = []
        at = 0
        for segment in sorted(result.segments, key=lambda segment: segment.start_s):
            start, end = max(_ms(segment.start_s), at), _ms(segment.end_s)
            if start < end:  # shorter than half a millisecond, or inside another
                spans.append(_span(segment, start, end))
                at = end
        if spans:
            return tuple(spans)
        end = max(_ms(result.audio.duration_s), 1)
        whole = Segment(0.0, end / 1000, result.emotion, result.confidence, result.scores)
        return (_span(whole, 0, end),)

    def name(self, emotion: str) -> str:
        """The emotion's name in the language of the export."""
        known = BY_ID.get(emotion)
        if known is None:
            return clean(emotion)
        return known.zh if self.language == "zh" else known.en

    def label(self, span: Span) -> str:
        """A span for people: channel, emotion and score."""
        separator = "：" if self.language == "zh" else ": "
        before = f"{self.speaker}{separator}" if self.speaker else ""
        return f"{before}{self.name(span.emotion)} {span.confidence:.1%}"

    def tier(self) -> str:
        """Name of a tier of annotations."""
        title = "情感" if self.language == "zh" else "Emotion"
        return f"{title} ({self.speaker})" if self.speaker else title


def clean(text: str) -> str:
    """Text on one line, without characters that XML forbids or that hide what it says."""
    return _UNSAFE.sub(" ", text)


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _span(segment: Segment, start_ms: int, end_ms: int) -> Span:
    return Span(start_ms, end_ms, segment.emotion, segment.confidence, segment.scores)
