"""The local curve: sliding windows, each heard on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emotion.core.config import SAMPLE_RATE_HZ
from emotion.core.labels import LABELS
from emotion.core.results import LocalCurve
from emotion.recognition.aggregation import Logits, Span, columns, only, softmax

# Windows of 1 s place a change of emotion better than frame scores (tools/mini/locality.py).
WINDOW_S = 1.0
STEP_S = 0.5
_LEAST_SPEECH_S = 0.25


def sliding_windows(samples: int, speech: Sequence[Span]) -> list[Span]:
    """The windows of a recording that hold speech.

    Args:
        samples: Length of the recording.
        speech: (start, stop) of each stretch of speech in samples, in order, without overlap.

    Returns:
        (start, stop) of each window in samples; the last one ends with the recording.
    """
    size, step = round(WINDOW_S * SAMPLE_RATE_HZ), round(STEP_S * SAMPLE_RATE_HZ)
    last = max(samples - size, 0)
    starts = np.unique(np.append(np.arange(0, last + 1, step), last))
    stops = np.minimum(starts + size, samples)
    # Speech up to a sample is linear between the ends of the stretches.
    edges = np.array([0, *(edge for span in speech for edge in span), samples], np.float64)
    lengths = np.diff(edges, prepend=0.0)
    lengths[1::2] = 0.0  # nobody speaks before a start and after the last end
    until = np.cumsum(lengths)
    held = np.interp(stops, edges, until) - np.interp(starts, edges, until)
    enough = np.minimum(_LEAST_SPEECH_S * SAMPLE_RATE_HZ, stops - starts)
    kept = (held > 0) & (held >= np.minimum(enough, until[-1]))
    return [(int(a), int(b)) for a, b in zip(starts[kept], stops[kept], strict=True)]


@dataclass
class LocalReader:
    """Collects the windows of the local curve, in their order.

    Args:
        labels: The labels that compete; the others score 0.
    """

    labels: Sequence[str]
    _times_s: list[float] = field(default_factory=list)
    _means: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, span: Span, logits: Logits) -> None:
        """Adds the next window.

        Args:
            span: (start, stop) in samples.
            logits: float32, (T, 9).
        """
        self._times_s.append(sum(span) / 2 / SAMPLE_RATE_HZ)
        self._means.append(logits.mean(0, dtype=np.float64))

    def curve(self) -> LocalCurve:
        """Scores at the middle of each window; see `emotion.core.results.LocalCurve`."""
        means = np.array(self._means).reshape(-1, len(LABELS))
        scores = softmax(only(means, self.labels)) if self._means else means
        return LocalCurve(WINDOW_S, STEP_S, list(self._times_s), columns(scores))
