"""Counting what happens where it happens: plain, thread-safe, read when somebody asks.

A `Distribution` only ever grows. What happened in the last minute is the difference of two moments
of it, so nothing is counted twice for totals and for recent times.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


def geometric(lowest: float, highest: float, ratio: float) -> tuple[float, ...]:
    """Bounds that grow by ``ratio`` from ``lowest`` until they reach ``highest``."""
    steps = math.ceil(math.log(highest / lowest) / math.log(ratio))
    return tuple(float(f"{lowest * ratio**step:.4g}") for step in range(steps + 1))


@dataclass(frozen=True)
class Counts:
    """One moment of a `Distribution`.

    Attributes:
        bounds: Upper bound of each bucket but the last, which has none; ascending.
        buckets: How many values fell into each: one more than there are bounds.
        total: Sum of the values.
    """

    bounds: tuple[float, ...]
    buckets: tuple[int, ...]
    total: float

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.buckets)

    @property
    def mean(self) -> float | None:
        """Their mean; None where there are none."""
        return self.total / self.count if self.count else None

    def since(self, earlier: Counts) -> Counts:
        """What came after an earlier moment.

        Where the counting began anew in between, with another engine say, that is all there is.
        """
        pairs = zip(self.buckets, earlier.buckets, strict=True)
        buckets = tuple(now - before for now, before in pairs)
        if min(buckets) < 0:
            return self
        return Counts(self.bounds, buckets, self.total - earlier.total)

    def quantile(self, share: float) -> float | None:
        """The value that ``share`` of all values do not exceed, by interpolation in its bucket.

        None where there are no values; the highest bound for those above it.
        """
        wanted = share * self.count
        if not self.count:
            return None
        seen = 0
        for (low, high), inside in zip(
            pairwise((0.0, *self.bounds)), self.buckets[:-1], strict=True
        ):
            if inside and seen + inside >= wanted:
                return low + (high - low) * max(0.0, wanted - seen) / inside
            seen += inside
        return self.bounds[-1]


class Distribution:
    """Counts values by size; safe to use from several threads.

    Args:
        bounds: Upper bound of each bucket, ascending; one more bucket takes what is above.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._buckets = [0] * (len(self._bounds) + 1)
        self._total = 0.0
        self._lock = threading.Lock()

    def add(self, value: float) -> None:
        """Counts a value."""
        place = bisect_left(self._bounds, value)
        with self._lock:
            self._buckets[place] += 1
            self._total += value

    def counts(self) -> Counts:
        """All values so far."""
        with self._lock:
            return Counts(self._bounds, tuple(self._buckets), self._total)
