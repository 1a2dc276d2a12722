"""What became of jobs, how long they waited, and how fast recordings were processed."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

from emotion.core.errors import CancelledError
from emotion.core.stats import Counts, Distribution

_WAIT_S: Final = (
    0.001,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    30,
    60,
    120,
    300,
    600,
)
_RATIOS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75,
    1, 1.5, 2, 5, 10,
)  # fmt: skip

Ending = Literal["done", "failed", "cancelled"]


def ending(error: BaseException | None) -> Ending:
    """How a job ends that ended with this error, or with none."""
    if error is None:
        return "done"
    return "cancelled" if isinstance(error, CancelledError) else "failed"


@dataclass(frozen=True)
class JobCounts:
    """One moment of a `JobStats`.

    Attributes:
        ended: How many jobs ended, by how they ended: each `Ending` is there.
        waits_s: How long jobs waited in the queue before a worker took them.
        audio_s: Seconds of audio recognised.
        ratios: Real-time factor of each recording: processing time over length.
    """

    ended: Mapping[Ending, int]
    waits_s: Counts
    audio_s: float
    ratios: Counts


class JobStats:
    """Counts jobs; safe to use from several threads."""

    def __init__(self) -> None:
        self._ended: Counter[Ending] = Counter(dict.fromkeys(get_args(Ending), 0))
        self._waits_s = Distribution(_WAIT_S)
        self._audio_s = 0.0
        self._ratios = Distribution(_RATIOS)
        self._lock = threading.Lock()

    def taken(self, waited_s: float) -> None:
        """Counts a job that a worker took after so many seconds in the queue."""
        self._waits_s.add(waited_s)

    def ended(self, state: Ending) -> None:
        """Counts a job that ended that way."""
        with self._lock:
            self._ended[state] += 1

    def recognised(self, audio_s: float, processing_s: float) -> None:
        """Counts a recording.

        Args:
            audio_s: Its length in seconds.
            processing_s: How long decoding, the network and saving took, without waiting.
        """
        with self._lock:
            self._audio_s += audio_s
        if audio_s > 0:
            self._ratios.add(processing_s / audio_s)

    def counts(self) -> JobCounts:
        """All jobs so far."""
        with self._lock:
            ended, audio_s = dict(self._ended), self._audio_s
        return JobCounts(ended, self._waits_s.counts(), audio_s, self._ratios.counts())
