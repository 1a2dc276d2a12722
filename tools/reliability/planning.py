"""Requests of a soak: which clip, how it is sent, what is asked, and whether it is broken."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from tools.reliability.breaking import BROKEN, broken
from tools.reliability.recordings import Recordings
from tools.reliability.sending import TRANSPORTS, Sent, recognition

GRANULARITIES = {"utterance": 80, "segment": 12, "frame": 8}


@dataclass(frozen=True)
class Planned:
    """A request to make.

    Attributes:
        number: Which.
        sent: The request.
        broken: How it is broken; empty where it is not.
        key: Of the single request with the same result.
        stored: Whether it leaves a run folder.
    """

    number: int
    sent: Sent
    broken: str = ""
    key: str = ""
    stored: bool = False


def plan(
    number: int, seed: int, recordings: Recordings, share: float, pool: Sequence[tuple[int, str]]
) -> Planned:
    """A request, the same for the same number and seed.

    Args:
        number: Which.
        seed: Of everything.
        recordings: The clips.
        share: Of broken requests.
        pool: Clips and formats to take.
    """
    rng = random.Random(f"{seed}:{number}")
    clip, form = rng.choice(pool)
    found = recordings.get(clip, form)
    assert found is not None
    transport = rng.choices(TRANSPORTS, (50, 30, 20))[0]
    if rng.random() < share:
        kind = rng.choice(BROKEN)
        return Planned(number, broken(kind, rng, found, transport), kind)
    granularity = rng.choices(list(GRANULARITIES), list(GRANULARITIES.values()))[0]
    stored, embedding = rng.random() < 0.5, rng.random() < 0.15
    sent = recognition(
        transport, found.name, found.data, options_of(granularity, stored, embedding)
    )
    return Planned(number, sent, key=f"{clip} {form} {granularity}", stored=stored)


def options_of(granularity: str, stored: bool, embedding: bool) -> dict[str, str]:
    """Options of a request."""
    values = {"store": stored, "extract_embedding": embedding}
    return {"granularity": granularity, **{name: str(v).lower() for name, v in values.items()}}
