"""What the passes of a network were like: how much each held, and how long it took."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from emotion.core.stats import Counts, Distribution

_CLIPS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256)
_AUDIO_S: Final = (0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 25, 30, 60, 120, 240)
_TOOK_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True)
class PassCounts:
    """One moment of a `PassStats`.

    Attributes:
        clips: Clips in each pass.
        audio_s: Seconds of audio in each pass, without padding.
        took_s: How long each pass took.
        failures: Passes that raised.
    """

    clips: Counts
    audio_s: Counts
    took_s: Counts
    failures: int


class PassStats:
    """Counts the passes of one engine; safe to use from several threads."""

    def __init__(self) -> None:
        self._clips = Distribution(_CLIPS)
        self._audio_s = Distribution(_AUDIO_S)
        self._took_s = Distribution(_TOOK_S)
        self._failures = 0
        self._lock = threading.Lock()

    def passed(self, lengths_s: Sequence[float], took_s: float) -> None:
        """Counts a pass that answered.

        Args:
            lengths_s: Of each clip, in seconds of audio.
            took_s: How long it took.
        """
        self._clips.add(len(lengths_s))
        self._audio_s.add(sum(lengths_s))
        self._took_s.add(took_s)

    def failed(self) -> None:
        """Counts a pass that raised."""
        with self._lock:
            self._failures += 1

    def counts(self) -> PassCounts:
        """All passes so far."""
        with self._lock:
            failures = self._failures
        return PassCounts(
            self._clips.counts(), self._audio_s.counts(), self._took_s.counts(), failures
        )
