"""How the scores of one speaker's recordings change from date to date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from emotion.core.labels import LABELS


@dataclass(frozen=True)
class Dated:
    """A recording with a date.

    Attributes:
        index: Its place.
        speaker: Who speaks; empty where that is not known.
        date: As it was given.
        scores: By label.
    """

    index: int
    speaker: str
    date: str
    scores: Mapping[str, float]


@dataclass(frozen=True)
class Trend:
    """One speaker's recordings in the order of their dates.

    Attributes:
        speaker: Who speaks; empty where that is not known.
        dates: As they were given.
        indices: The places of the recordings.
        scores: For each label a score for each recording.
    """

    speaker: str
    dates: tuple[str, ...]
    indices: tuple[int, ...]
    scores: dict[str, tuple[float, ...]]


def trends(recordings: Sequence[Dated]) -> tuple[Trend, ...]:
    """The course of each speaker who has at least two dated recordings.

    Args:
        recordings: In any order; those whose date is no date are left out.

    Returns:
        Speakers in the order in which they are met.
    """
    by_speaker: dict[str, list[tuple[datetime, Dated]]] = {}
    for one in recordings:
        moment = parse_date(one.date)
        if moment is not None:
            by_speaker.setdefault(one.speaker, []).append((moment, one))
    found = []
    for speaker, dated in by_speaker.items():
        if len(dated) < 2:
            continue
        ordered = [one for _, one in sorted(dated, key=lambda pair: pair[0])]
        scores = {label: tuple(one.scores.get(label, 0.0) for one in ordered) for label in LABELS}
        dates, indices = tuple(o.date for o in ordered), tuple(o.index for o in ordered)
        found.append(Trend(speaker, dates, indices, scores))
    return tuple(found)


def parse_date(text: str) -> datetime | None:
    """A day or a moment: ISO 8601, also with ``/`` between its parts; None where it is neither.

    A moment without a time zone counts as UTC, so that all can be put in order.
    """
    plain = text.strip().replace("/", "-")
    if plain.endswith(("Z", "z")):  # which Python 3.10 does not read
        plain = plain[:-1] + "+00:00"
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
