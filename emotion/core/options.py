"""What is asked for in one recognition; flags, API fields and page controls derive from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from emotion.core.errors import ConfigError

Granularity = Literal["utterance", "frame", "segment"]


@dataclass(frozen=True)
class RecognitionOptions:
    """Options of one recognition, checked when it is made.

    Attributes:
        granularity: ``utterance``, ``frame`` for scores every 0.1 s too, or ``segment`` for a
            result per speech segment.
        embedding: Whether to give the embedding.
        track: Which audio track of the file, from 1; None takes the first that holds sound.
        channel: Which channel of that track, from 1; None takes the mean of all.
        segment_min_s: Shortest speech segment, but for isolated speech.
        segment_max_s: Longest speech segment, with its padding.
        segment_pad_s: Silence that is kept on both sides of a speech segment.

    Raises:
        ConfigError: An option has a value that it cannot have.
    """

    granularity: Granularity = "utterance"
    embedding: bool = False
    track: int | None = None
    channel: int | None = None
    segment_min_s: float = 1.0
    segment_max_s: float = 15.0
    segment_pad_s: float = 0.1

    def __post_init__(self) -> None:
        if self.granularity not in get_args(Granularity):
            expected = "'utterance', 'frame' or 'segment'"
            raise ConfigError(option="granularity", value=self.granularity, expected=expected)
        for name in ("track", "channel"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ConfigError(option=name, value=value, expected="1 or more")
        self._check_segments()

    def _check_segments(self) -> None:
        least_s = 2 * (self.segment_min_s + self.segment_pad_s)
        twice = f"2 * (segment_min_s + segment_pad_s) = {least_s:g} or more, so that all can split"
        for name, ok, expected in (  # written so that NaN fails
            ("segment_min_s", 0.1 <= self.segment_min_s <= 10, "0.1 to 10 seconds"),
            ("segment_pad_s", 0 <= self.segment_pad_s <= 1, "0 to 1 seconds"),
            ("segment_max_s", self.segment_max_s <= 30, "at most 30 seconds"),
            ("segment_max_s", self.segment_max_s >= least_s, twice),
        ):
            if not ok:
                raise ConfigError(option=name, value=getattr(self, name), expected=expected)
