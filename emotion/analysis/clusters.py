"""Groups of recordings that sound alike, and the recordings that are typical of them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from emotion.core.options import Clustering

Method = Literal["hdbscan", "kmeans"]
NOISE: Final = -1
ENOUGH: Final = 20  # points from which density says something
_TYPICAL: Final = 5  # recordings that are named as typical
_MOST: Final = 10  # clusters that are tried where their number is not given
_TRIES: Final = 10  # starts of k-means
_COMPONENTS: Final = 20  # distances in hundreds of dimensions hardly differ
_MEMBERS: Final = (4, 25)  # the least of a cluster, and one cluster in so many points


@dataclass(frozen=True)
class Group:
    """One cluster.

    Attributes:
        label: Its number, from 0, the largest first.
        size: Recordings in it.
        typical: Places of the recordings nearest its middle, nearest first.
        emotions: How many recordings have which emotion, most frequent first; those of which only
            the embedding is known are left out.
    """

    label: int
    size: int
    typical: tuple[int, ...]
    emotions: dict[str, int]


@dataclass(frozen=True)
class Clusters:
    """All clusters.

    Attributes:
        method: How they were found.
        labels: The cluster of each recording, (N,); -1 for those in none.
        groups: The clusters, the largest first.
    """

    method: Method
    labels: tuple[int, ...]
    groups: tuple[Group, ...]


def cluster(
    rows: NDArray[np.float64],
    emotions: Sequence[str | None],
    wanted: Clustering,
    count: int | None,
    seed: int,
) -> Clusters | None:
    """Finds groups.

    Args:
        rows: (N, D), each of length 1, N of 2 or more.
        emotions: Of each recording, where known.
        wanted: How; ``auto`` is HDBSCAN from twenty points on, and k-means below, where HDBSCAN
            finds fewer than two groups, or where a number is given.
        count: How many groups k-means makes, fewer where fewer points are different; by default
            the number with the best silhouette. HDBSCAN finds the number itself.
        seed: Of what k-means draws.

    Returns:
        None where none are wanted.
    """
    if wanted == "none":
        return None
    reduced = _reduced(rows)
    method: Method = "kmeans"
    labels: NDArray[np.intp] | None = None
    by_density = wanted == "hdbscan" or (wanted == "auto" and count is None)
    if by_density and (wanted == "hdbscan" or len(rows) >= ENOUGH):
        labels, method = _hdbscan(reduced), "hdbscan"
        if wanted == "auto" and labels.max() < 1:
            labels, method = None, "kmeans"
    if labels is None:
        labels = _kmeans(reduced, count, seed)
    labels = _largest_first(labels)
    groups = tuple(_group(rows, emotions, labels, one) for one in range(labels.max() + 1))
    return Clusters(method, tuple(int(label) for label in labels), groups)


def _reduced(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    centred = rows - rows.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    reduced: NDArray[np.float64] = left[:, :_COMPONENTS] * sizes[:_COMPONENTS]
    return np.round(reduced, 10)  # rows that are equal stay so


def _hdbscan(points: NDArray[np.float64]) -> NDArray[np.intp]:
    from sklearn.cluster import HDBSCAN

    least, share = _MEMBERS
    size = min(max(least, len(points) // share), len(points))
    model = HDBSCAN(min_cluster_size=size, min_samples=min(least, size), copy=True)
    found: NDArray[np.intp] = model.fit_predict(points)
    return np.maximum(found, NOISE)


def _kmeans(points: NDArray[np.float64], count: int | None, seed: int) -> NDArray[np.intp]:
    different = len(np.unique(points, axis=0))
    if count is not None:
        return _parted(points, min(count, different), seed)
    from sklearn.metrics import silhouette_score

    best, labels = -np.inf, np.zeros(len(points), np.intp)
    for tried in range(2, min(_MOST, different, len(points) - 1) + 1):
        found = _parted(points, tried, seed)
        quality = round(float(silhouette_score(points, found)), 9)
        if quality > best:
            best, labels = quality, found
    return labels


def _parted(points: NDArray[np.float64], count: int, seed: int) -> NDArray[np.intp]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    model = KMeans(count, n_init=_TRIES, random_state=seed)
    with warnings.catch_warnings():  # points that hardly differ
        warnings.simplefilter("ignore", ConvergenceWarning)
        found: NDArray[np.intp] = model.fit_predict(points)
    return found


def _largest_first(labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """The same clusters numbered by size, those of equal size as they come."""
    sizes = Counter(int(label) for label in labels if label != NOISE)  # in order of appearance
    numbers = {label: number for number, (label, _) in enumerate(sizes.most_common())}
    return np.array([numbers.get(int(label), NOISE) for label in labels], np.intp)


def _group(
    rows: NDArray[np.float64],
    emotions: Sequence[str | None],
    labels: NDArray[np.intp],
    label: int,
) -> Group:
    members = np.flatnonzero(labels == label)
    middle = rows[members].mean(axis=0)
    order = np.argsort(-np.round(rows[members] @ middle, 12), kind="stable")[:_TYPICAL]
    counts = Counter(emotion for index in map(int, members) if (emotion := emotions[index]))
    typical = tuple(int(index) for index in members[order])
    return Group(label, len(members), typical, dict(counts.most_common()))
