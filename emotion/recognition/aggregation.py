"""Frame logits to scores: the utterance, its windows, and the curve over time.

The head is linear, so the utterance's logits are the mean of the frames' logits. The windows of a
recording are added one by one, and what is kept of each does not grow with its features.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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
        uncertain: Whether the confidence is below the minimum that was asked for.
    """

    emotion: str
    confidence: float
    scores: dict[str, float]
    secondary: dict[str, float]
    uncertain: bool = False

    @classmethod
    def of(
        cls,
        logits: NDArray[np.floating],
        labels: Sequence[str] = LABELS,
        min_confidence: float = 0.0,
    ) -> Verdict:
        """The verdict of mean logits.

        Args:
            logits: (9,), in the order of `emotion.core.labels.LABELS`.
            labels: The labels that compete; the others score 0.
            min_confidence: The confidence that is wanted.
        """
        scores = softmax(only(logits, labels))
        table = {label: _round(score) for label, score in zip(LABELS, scores, strict=True)}
        order = np.argsort(-scores, kind="stable")
        first = LABELS[int(order[0])]
        others = {
            LABELS[i]: _round(scores[i]) for i in order[1:] if scores[i] > SECONDARY_THRESHOLD
        }
        return cls(first, table[first], table, others, table[first] < min_confidence)


def only(logits: NDArray[np.floating], labels: Sequence[str]) -> NDArray[np.floating]:
    """Logits, (..., 9), with minus infinity for all labels but these."""
    return np.where([label in labels for label in LABELS], logits, -np.inf)


@dataclass
class Aggregator:
    """Collects the windows of one recording, in their order.

    Args:
        keep_curve: Whether `curve` will be asked for.
        labels: The labels that compete; the others score 0.
        min_confidence: The confidence that is wanted.
        keep_embeddings: Whether `segment_embeddings` will be asked for.

    Attributes:
        segments: A segment for each window.
        means: Mean logits of each window, float64, (9,).
        frames: Frames in each window.
    """

    keep_curve: bool = False
    labels: Sequence[str] = LABELS
    min_confidence: float = 0.0
    keep_embeddings: bool = False
    segments: list[Segment] = field(default_factory=list)
    means: list[NDArray[np.float64]] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    _logit_sum: NDArray[np.float64] = field(default_factory=lambda: np.zeros(len(LABELS)))
    _feature_sum: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))
    _weights: list[int] = field(default_factory=list)
    _pooled: list[NDArray[np.float64]] = field(default_factory=list)
    _embeddings: list[NDArray[np.float32]] = field(default_factory=list)

    def add(
        self,
        span: Span,
        features: NDArray[np.float32],
        logits: Logits,
        channel: int | None = None,
    ) -> None:
        """Adds the next window.

        Args:
            span: (start, stop) in samples.
            features: float32, (T, D).
            logits: float32, (T, 9).
            channel: The channel that was heard, from 1; None for the mean of all.
        """
        start, stop = span
        self._logit_sum += logits.sum(0, dtype=np.float64)
        feature_sum = features.sum(0, dtype=np.float64)
        self._feature_sum = self._feature_sum + feature_sum
        if self.keep_embeddings:
            self._embeddings.append((feature_sum / len(features)).astype(np.float32))
        self.means.append(logits.mean(0, dtype=np.float64))
        self.frames.append(len(logits))
        verdict = self.judge(self.means[-1])
        self.segments.append(
            Segment(
                start / SAMPLE_RATE_HZ,
                stop / SAMPLE_RATE_HZ,
                verdict.emotion,
                verdict.confidence,
                verdict.scores,
                verdict.uncertain,
                channel,
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

    def judge(self, logits: NDArray[np.floating]) -> Verdict:
        """The verdict of mean logits, (9,), by the labels and the confidence asked for."""
        return Verdict.of(logits, self.labels, self.min_confidence)

    def verdict(self) -> Verdict:
        """The utterance's scores, from the mean of all frame logits."""
        return self.judge(self._logit_sum / sum(self.frames))

    def embedding(self) -> NDArray[np.float32]:
        """Mean of all frame features, float32, (D,)."""
        return (self._feature_sum / sum(self.frames)).astype(np.float32)

    def segment_embeddings(self) -> NDArray[np.float32] | None:
        """Mean of each window's features, float32, (windows, D); None where they were not kept."""
        return np.stack(self._embeddings) if self._embeddings else None

    def curve(self) -> FrameCurve:
        """Scores every 0.1 s; see `emotion.core.results.FrameCurve`."""
        scores = softmax(only(np.concatenate(self._pooled), self.labels))
        return FrameCurve(STEP_S, list(self._weights), columns(scores))


def columns(scores: NDArray[np.float64]) -> dict[str, list[float]]:
    """Scores over time, (times, 9), as one list a label."""
    return {label: [_round(s) for s in scores[:, i]] for i, label in enumerate(LABELS)}


def _round(value: float) -> float:
    return float(f"{value:.7g}")
