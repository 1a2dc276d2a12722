"""Mood over time: the scores of a speaker's recordings in the order of their dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timezone

from emotion.analysis.items import Compared
from emotion.core.errors import ConfigError
from emotion.core.labels import LABELS


@dataclass(frozen=True)
class Trend:
    """The dated recordings of one speaker, earliest first.

    Attributes:
        speaker: Who speaks; None where nobody is named.
        dates: As they were given, (M,).
        indices: The places of the recordings, (M,).
        scores: For each label one score a recording.
    """

    speaker: str | None
    dates: tuple[str, ...]
    indices: tuple[int, ...]
    scores: dict[str, tuple[float, ...]]


def trends(items: Sequence[Compared]) -> tuple[Trend, ...]:
    """The trends of all speakers with two dated recordings or more, as they come in the items.

    Args:
        items: Recordings; those without a date or scores are left out.

    Raises:
        ConfigError: A date cannot be read.
    """
    dated: dict[str | None, list[tuple[datetime, int]]] = {}
    for index, item in enumerate(items):
        if item.date:
            moment = moment_of(item.date, f"items.{index}.date")
            if item.scores is not None:
                dated.setdefault(item.speaker or None, []).append((moment, index))
    return tuple(
        _trend(items, speaker, [index for _, index in sorted(found)])
        for speaker, found in dated.items()
        if len(found) > 1
    )


def moment_of(text: str, option: str) -> datetime:
    """A date, or a date and time, in ISO 8601; UTC where no zone is given.

    Args:
        text: ``2026-01-31``, ``2026-01-31T09:30``, ``2026-01-31 09:30:00Z``.
        option: What an error calls it.

    Raises:
        ConfigError: It is neither.
    """
    given = text.strip()
    given = given[:-1] + "+00:00" if given[-1:] in ("Z", "z") else given  # before Python 3.11
    try:
        if len(given) == len("2026-01-31"):
            moment = datetime.combine(date.fromisoformat(given), time())
        else:
            moment = datetime.fromisoformat(given)
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
        return zoned.astimezone(timezone.utc)
    except (ValueError, OverflowError) as e:
        expected = "a date, YYYY-MM-DD, or a date and time, YYYY-MM-DDTHH:MM:SS"
        raise ConfigError(option=option, value=text, expected=expected) from e


def _trend(items: Sequence[Compared], speaker: str | None, indices: Sequence[int]) -> Trend:
    scores = [items[index].scores or {} for index in indices]
    return Trend(
        speaker,
        tuple(str(items[index].date) for index in indices),
        tuple(indices),
        {label: tuple(float(one.get(label, 0.0)) for one in scores) for label in LABELS},
    )
