"""What the page's script draws a timeline from: a small JSON document.

Times are whole milliseconds, confidences thousandths; curves and the waveform are bytes in base64.
Four hours with 5,000 segments and two curves take less than half a megabyte.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.audio.peaks import Peaks
from emotion.core.labels import EMOTIONS, LABELS
from emotion.core.results import FrameCurve, LocalCurve, Result, Segment
from emotion.ui.charts import DASHES

MAX_POINTS: Final = 6000  # of a curve: every 0.1 s of ten minutes
_OVERVIEW_POINTS: Final = 750  # for the description in words
_ESCAPES: Final = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&"}

Stretch = tuple[str, float, float]  # emotion, start in s, end in s


@dataclass(frozen=True)
class Curve:
    """Scores at moments in time.

    Attributes:
        times_s: float64, (points,), in order.
        scores: float64, (points, 9), in the order of `emotion.core.labels.LABELS`.
        weights: float64, (points,): how much each counts in a mean.
        step_s: Time between points that follow each other; more is a gap.
    """

    times_s: NDArray[np.float64]
    scores: NDArray[np.float64]
    weights: NDArray[np.float64]
    step_s: float

    @classmethod
    def of(cls, source: FrameCurve | LocalCurve) -> Curve:
        """The points of a result's curve."""
        scores = np.array([source.scores[label] for label in LABELS], np.float64).T
        if isinstance(source, LocalCurve):
            times_s = np.array(source.times_s, np.float64)
            weights = np.ones(len(scores), np.float64)
        else:
            times_s = (np.arange(len(scores), dtype=np.float64) + 0.5) * source.step_s
            weights = np.maximum(np.array(source.weights, np.float64), 1e-6)
        return cls(times_s, scores, weights, source.step_s)

    def thinned(self, most: int) -> Curve:
        """Weighted means over equally long stretches, so many at most; gaps stay gaps."""
        if len(self.times_s) <= most:
            return self
        span_s = self.times_s[-1] - self.times_s[0] + self.step_s
        step_s = self.step_s * np.ceil(span_s / self.step_s / most - 1e-9)
        places = np.floor((self.times_s - self.times_s[0]) / step_s + 1e-9)
        starts = np.flatnonzero(np.diff(places, prepend=-1))
        weights = np.add.reduceat(self.weights, starts)
        times_s = np.add.reduceat(self.times_s * self.weights, starts) / weights
        sums = np.add.reduceat(self.scores * self.weights[:, None], starts)
        return Curve(times_s, sums / weights[:, None], weights, float(step_s))

    def stretches(self) -> list[Stretch]:
        """The stretches with the same strongest emotion, in order."""
        found, at, half_s = [], 0, self.step_s / 2
        for index, group in groupby(self.scores.argmax(1)):
            last = at + len(list(group)) - 1
            start_s, end_s = max(0.0, self.times_s[at] - half_s), self.times_s[last] + half_s
            found.append((LABELS[index], float(start_s), float(end_s)))
            at = last + 1
        return found


def stretches(result: Result) -> list[Stretch]:
    """What is heard in turn: by the segments, by the curve that is shown first, or as a whole."""
    curve = result.local or result.frames
    if result.granularity == "segment" and result.segments:
        return list(_runs(result.segments))
    if curve is not None and curve.scores[LABELS[0]]:
        return Curve.of(curve).thinned(_OVERVIEW_POINTS).stretches()
    return [(segment.emotion, segment.start_s, segment.end_s) for segment in spans(result)]


def _runs(segments: Sequence[Segment]) -> Iterator[Stretch]:
    for emotion, group in groupby(segments, lambda segment: segment.emotion):
        run = list(group)
        yield emotion, run[0].start_s, run[-1].end_s


def spans(result: Result) -> list[Segment]:
    """The segments or windows in order of time; else the whole recording as one."""
    if result.segments:
        return sorted(result.segments, key=lambda s: (s.start_s, s.channel or 0, s.end_s))
    whole_s = result.audio.duration_s
    scores = result.scores
    return [Segment(0.0, whole_s, result.emotion, result.confidence, scores, result.uncertain)]


def kind(result: Result) -> str:
    """What `spans` gives: ``segments``, ``windows`` or the ``whole`` recording."""
    if not result.segments:
        return "whole"
    return "segments" if result.granularity == "segment" else "windows"


def document(result: Result, wave: Peaks | None) -> str:
    """The JSON document, escaped for HTML and for XML.

    Args:
        result: What to show.
        wave: The waveform, if the recording is there.
    """
    speechless = result.no_speech
    data: dict[str, Any] = {
        "duration_s": round(result.audio.duration_s, 3),
        "speechless": speechless,
        "emotions": [[e.id, e.zh, e.en, e.emoji, e.colour, DASHES[e.id]] for e in EMOTIONS],
        "channels": [[channel.channel, channel.name] for channel in result.channels],
        "kind": kind(result),
        "segments": _segments([] if speechless else spans(result)),
        "curves": {},
        "wave": None if wave is None else _wave(wave),
    }
    for name, source in (("local", result.local), ("contribution", result.frames)):
        if source is not None and source.scores[LABELS[0]] and not speechless:
            data["curves"][name] = _curve(Curve.of(source).thinned(MAX_POINTS))
    return json.dumps(data, separators=(",", ":")).translate(_ESCAPES)


def _segments(segments: Sequence[Segment]) -> dict[str, list[int]]:
    """Columns; ``second`` is -1 where there is none, ``uncertain`` lists places."""
    starts = [round(1000 * segment.start_s) for segment in segments]
    ends = [round(1000 * segment.end_s) for segment in segments]
    seconds = [segment.second for segment in segments]
    return {
        "start_ms": starts,
        "length_ms": [end - start for start, end in zip(starts, ends, strict=True)],
        "emotion": [LABELS.index(segment.emotion) for segment in segments],
        "confidence": [round(1000 * segment.confidence) for segment in segments],
        "second": [-1 if second is None else LABELS.index(second) for second in seconds],
        "second_confidence": [
            0 if second is None else round(1000 * segment.scores[second])
            for second, segment in zip(seconds, segments, strict=True)
        ],
        "channel": [segment.channel or 0 for segment in segments],
        "uncertain": [place for place, segment in enumerate(segments) if segment.uncertain],
    }


def _curve(curve: Curve) -> dict[str, Any]:
    times_ms = np.rint(1000 * curve.times_s).astype(np.int64)
    return {
        "step_ms": round(1000 * curve.step_s),
        "start_ms": int(times_ms[0]),
        "steps_ms": np.diff(times_ms).tolist(),
        "scores": _base64(np.rint(255 * curve.scores.T).astype(np.uint8)),
    }


def _wave(wave: Peaks) -> dict[str, Any]:
    return {"step_s": wave.step_s, "channels": [_base64(channel) for channel in wave.values]}


def _base64(values: NDArray[np.uint8] | NDArray[np.int8]) -> str:
    return base64.b64encode(values.tobytes()).decode("ascii")
