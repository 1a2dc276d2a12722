"""What is asked for in one recognition; flags, API fields and page controls derive from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from emotion.core.errors import ConfigError

Granularity = Literal["utterance", "frame"]


@dataclass(frozen=True)
class RecognitionOptions:
    """Options of one recognition, checked when it is made.

    Attributes:
        granularity: ``utterance``, or ``frame`` for scores every 0.1 s too.
        embedding: Whether to give the embedding.
        track: Which audio track of the file, from 1; None takes the first that holds sound.
        channel: Which channel of that track, from 1; None takes the mean of all.

    Raises:
        ConfigError: An option has a value that it cannot have.
    """

    granularity: Granularity = "utterance"
    embedding: bool = False
    track: int | None = None
    channel: int | None = None

    def __post_init__(self) -> None:
        if self.granularity not in get_args(Granularity):
            expected = "'utterance' or 'frame'"
            raise ConfigError(option="granularity", value=self.granularity, expected=expected)
        for name in ("track", "channel"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ConfigError(option=name, value=value, expected="1 or more")
