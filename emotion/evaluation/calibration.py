"""Whether confidences mean what they say, and what leaving out the unsure ones would bring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.evaluation.metrics import Classes, Floats, confusion, recall_mean

BINS: Final = 15
POINTS: Final = 101  # of the curve


@dataclass(frozen=True)
class Bin:
    """Recordings with confidences in one range.

    Attributes:
        low: The range begins here.
        high: It ends here.
        count: How many there are.
        confidence: Their mean confidence; None where there are none.
        accuracy: The share of them that is right.
    """

    low: float
    high: float
    count: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Covered:
    """What is left when recordings below a confidence are left out.

    Attributes:
        min_confidence: That confidence.
        coverage: The share of the recordings that is left.
        accuracy: The share of those that is right.
        ua: Their mean recall.
    """

    min_confidence: float
    coverage: float
    accuracy: float
    ua: float


def calibration_error(scores: Floats, reference: Classes, bins: int = BINS) -> float:
    """Expected calibration error of the top label over bins of equal width (Guo et al. 2017).

    Args:
        scores: (N, 9).
        reference: int64, (N,).
        bins: How many.
    """
    top, right, which = _binned(scores, reference, bins)
    gaps = [abs(float((top - right)[which == k].sum())) for k in range(bins)]
    return sum(gaps) / len(top)


def reliability(scores: Floats, reference: Classes, bins: int = BINS) -> list[Bin]:
    """The bins behind `calibration_error`, for a plot."""
    top, right, which = _binned(scores, reference, bins)
    found = []
    for k in range(bins):
        own = which == k
        count = int(own.sum())
        means = (float(top[own].mean()), float(right[own].mean())) if count else (None, None)
        found.append(Bin(k / bins, (k + 1) / bins, count, *means))
    return found


def coverage(scores: Floats, reference: Classes, points: int = POINTS) -> list[Covered]:
    """Accuracy against coverage, from all recordings down to the surest.

    Args:
        scores: (N, 9).
        reference: int64, (N,).
        points: How many at most.
    """
    top = scores.max(1)
    order = np.argsort(-top, kind="stable")
    right = np.cumsum(scores.argmax(1)[order] == reference[order])
    # Recordings of equal confidence are left out together.
    ends = np.flatnonzero(np.append(np.diff(top[order]) < 0, True))
    chosen = ends[np.unique(np.linspace(0, len(ends) - 1, min(points, len(ends))).astype(int))]
    found = []
    for end in chosen[::-1]:
        kept = order[: end + 1]
        counts = confusion(reference[kept], scores[kept].argmax(1))
        share, accuracy = (end + 1) / len(top), right[end] / (end + 1)
        lowest = float(top[order[end]])
        found.append(Covered(lowest, float(share), float(accuracy), float(recall_mean(counts))))
    return found


def at_least(scores: Floats, reference: Classes, min_confidence: float) -> Covered | None:
    """What is left at one confidence; None where nothing is."""
    kept = scores.max(1) >= min_confidence
    if not kept.any():
        return None
    counts = confusion(reference[kept], scores[kept].argmax(1))
    right = counts.diagonal().sum() / counts.sum()
    return Covered(min_confidence, float(kept.mean()), float(right), float(recall_mean(counts)))


def _binned(
    scores: Floats, reference: Classes, bins: int
) -> tuple[Floats, NDArray[np.bool_], NDArray[Any]]:
    top = scores.max(1)
    which = np.minimum((top * bins).astype(int), bins - 1)
    return top, scores.argmax(1) == reference, which
