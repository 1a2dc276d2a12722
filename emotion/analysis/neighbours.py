"""Which recordings sound most like another one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Neighbour:
    """A recording beside another one.

    Attributes:
        index: Its place.
        similarity: Cosine of the angle between both embeddings, -1 to 1.
    """

    index: int
    similarity: float


def nearest(similarity: NDArray[np.float64], count: int) -> tuple[tuple[Neighbour, ...], ...]:
    """For each recording those that are most like it, nearest first.

    Args:
        similarity: (N, N).
        count: How many; fewer where there are not so many.

    Returns:
        N times up to ``count``.
    """
    found = []
    # What differs by rounding only is equal, and stays in order.
    rounded = np.round(similarity, 12)
    for place, row in enumerate(rounded):
        order = np.argsort(-row, kind="stable")
        others = order[order != place][:count]
        found.append(tuple(Neighbour(int(i), float(similarity[place, i])) for i in others))
    return tuple(found)


def closest_pairs(similarity: NDArray[np.float64], count: int) -> list[tuple[int, int]]:
    """The pairs of recordings that are most alike, nearest first.

    Args:
        similarity: (N, N).
        count: How many; fewer where there are not so many.
    """
    first, second = np.triu_indices(len(similarity), 1)
    order = np.argsort(-np.round(similarity[first, second], 12), kind="stable")[:count]
    return [(int(first[i]), int(second[i])) for i in order]
