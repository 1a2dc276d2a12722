"""Frame logits to scores: the utterance, its windows, and the curve over time.

The head is linear, so the utterance's logits are the mean of the frames' logits. The windows of a
recording are added one by one, and what is kept of each does not grow with its features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from emotion.core.config import SAMPLE_RATE_HZ
from emotion.core.labels import LABELS
from emotion.core.results import SECONDARY_THRESHOLD, FrameCurve, Segment

STEP_S = 0.1
STEP_SAMPLES = 1600
_FRAME_SAMPLES = 320

Logits = NDArray[np.float32]
Span = tuple[int, int]


def windows(samples: int, max_window_s: float) -> list[Span]:
    """Splits a recording into equal windows that meet on whole 0.1 s steps.

    Args:
        samples: Its length at 16 kHz.
        max_window_s: The longest window.

    Returns:
        (start, stop) in samples, without gaps or overlaps.
    """
    steps = math.ceil(samples / STEP_SAMPLES)
    count = math.ceil(steps / int(max_window_s / STEP_S + 1e-6))
    cuts = [round(i * steps / count) * STEP_SAMPLES for i in range(count)] + [samples]
    return list(pairwise(cuts))


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Softmax over the last axis in float64; minus infinity becomes 0."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    exponents = np.exp(shifted)
    return np.asarray(exponents / exponents.sum(-1, keepdims=True))


@dataclass(frozen=True)
class Verdict:
    """Scores and what they say.

    Attributes:
        emotion: The label with the highest score.
        confidence: That score.
        scores: Score of each label, in the order of `emotion.core.labels.LABELS`, summing to 1.
        secondary: Other labels above 3 %, highest first.
    """

    emotion: str
    confidence: float
    scores: dict[str, float]
    secondary: dict[str, float]

    @classmethod
    def of(cls, logits: NDArray[np.floating]) -> Verdict:
        """The verdict of mean logits, (9,)."""
        scores = softmax(logits)
        table = {label: _round(score) for label, score in zip(LABELS, scores, strict=True)}
        order = np.argsort(-scores, kind="stable")
        first = LABELS[int(order[0])]
        others = {
            LABELS[i]: _round(scores[i]) for i in order[1:] if scores[i] > SECONDARY_THRESHOLD
        }
        return cls(first, table[first], table, others)


@dataclass
class Aggregator:
    """Collects the windows of one recording, in their order.

    Args:
        keep_curve: Whether `curve` will be asked for.
    """

    keep_curve: bool = False
    segments: list[Segment] = field(default_factory=list)
    _frames: int = 0
    _logit_sum: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(LABELS)))
    _feature_sum: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    _weights: list[int] = field(default_factory=list)
    _pooled: list[NDArray[np.float64]] = field(default_factory=list)

    def add(self, span: Span, features: NDArray[np.float32], logits: Logits) -> None:
        """Adds the next window.

        Args:
            span: (start, stop) in samples.
            features: float32, (T, D).
            logits: float32, (T, 9).
        """
        start, stop = span
        self._frames += len(logits)
        self._logit_sum += logits.sum(0, dtype=np.float64)
        self._feature_sum = self._feature_sum + features.sum(0, dtype=np.float64)
        verdict = Verdict.of(logits.mean(0, dtype=np.float64))
        self.segments.append(
            Segment(
                start / SAMPLE_RATE_HZ,
                stop / SAMPLE_RATE_HZ,
                verdict.emotion,
                verdict.confidence,
                verdict.scores,
            )
        )
        if self.keep_curve:
            self._pool(start, logits)

    def _pool(self, start: int, logits: Logits) -> None:
        missing = start // STEP_SAMPLES - len(self._weights)
        if missing > 0:  # the last step of the window before holds no frame
            self._weights += [0] * missing
            self._pooled.append(np.repeat(self._pooled[-1][-1:], missing, axis=0))
        firsts = np.arange(0, len(logits), STEP_SAMPLES // _FRAME_SAMPLES)
        counts = np.diff(np.append(firsts, len(logits)))
        sums = np.add.reduceat(logits, firsts, axis=0, dtype=np.float64)
        self._weights += counts.tolist()
        self._pooled.append(sums / counts[:, None])

    def verdict(self) -> Verdict:
        """The utterance's scores, from the mean of all frame logits."""
        return Verdict.of(self._logit_sum / self._frames)

    def embedding(self) -> NDArray[np.float32]:
        """Mean of all frame features, float32, (D,)."""
        return (self._feature_sum / self._frames).astype(np.float32)

    def curve(self) -> FrameCurve:
        """Scores every 0.1 s; see `emotion.core.results.FrameCurve`."""
        scores = softmax(np.concatenate(self._pooled))
        columns = {label: [_round(s) for s in scores[:, i]] for i, label in enumerate(LABELS)}
        return FrameCurve(step_s=STEP_S, weights=list(self._weights), scores=columns)


def _round(value: float) -> float:
    return float(f"{value:.7g}")
