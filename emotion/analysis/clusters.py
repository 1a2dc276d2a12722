"""Groups of recordings that sound alike, without looking at their labels."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from emotion.core.errors import ConfigError

Method = Literal["hdbscan", "kmeans"]
Wanted = Literal["auto", "hdbscan", "kmeans", "none"]
NOISE: Final = -1
_FEWEST_FOR_DENSITY: Final = 20
_SMALLEST: Final = 5  # recordings in a cluster of HDBSCAN
_MOST_TRIED: Final = 10  # clusters, where k-means chooses their number
_TYPICAL: Final = 3


@dataclass(frozen=True)
class Group:
    """One cluster.

    Attributes:
        label: Its number, from 0, the largest cluster first; -1 for recordings in none.
        members: Their places, in order.
        typical: The places of those nearest to its centre, the nearest first.
        emotions: Members by emotion, the most frequent first; those without one are left out.
    """

    label: int
    members: tuple[int, ...]
    typical: tuple[int, ...]
    emotions: dict[str, int]


@dataclass(frozen=True)
class Clusters:
    """All clusters.

    Attributes:
        method: ``hdbscan`` (Campello et al. 2013), which leaves out what lies apart, or ``kmeans``.
        labels: int64, (N,), the cluster of each recording.
        groups: The clusters, the largest first, then those in none.
    """

    method: Method
    labels: NDArray[np.int64]
    groups: tuple[Group, ...]


def cluster(
    vectors: NDArray[np.float64],
    emotions: Sequence[str | None],
    wanted: Wanted = "auto",
    count: int | None = None,
    seed: int = 0,
) -> Clusters:
    """Finds groups.

    Args:
        vectors: float64, (N, D), N at least 2.
        emotions: Of each recording, where known, (N,).
        wanted: ``auto`` takes HDBSCAN from twenty recordings on, and k-means where that finds
            fewer than two groups, or where ``count`` is given.
        count: How many clusters k-means makes; by default the number from 2 to 10 with the best
            silhouette (Rousseeuw 1987).
        seed: Of k-means.

    Raises:
        ConfigError: There is no such method, or there cannot be so many clusters.
    """
    if wanted not in get_args(Wanted) or wanted == "none":
        raise ConfigError(option="clustering", value=wanted, expected="auto, hdbscan or kmeans")
    if count is not None and not 1 <= count <= len(vectors):
        expected = f"1 to {len(vectors)}, the number of recordings"
        raise ConfigError(option="clusters", value=count, expected=expected)
    if count is not None and wanted == "hdbscan":
        expected = "absent with hdbscan, which finds the number itself"
        raise ConfigError(option="clusters", value=count, expected=expected)
    method: Method = "kmeans"
    labels: NDArray[np.int64] | None = None
    if wanted == "hdbscan" or (
        wanted == "auto" and count is None and len(vectors) >= _FEWEST_FOR_DENSITY
    ):
        labels = _hdbscan(vectors)
        if wanted == "hdbscan" or labels.max() >= 1:
            method = "hdbscan"
        else:
            labels = None
    if labels is None:
        labels = _kmeans(vectors, count, seed)
    labels = _by_size(labels)
    return Clusters(method, labels, _groups(labels, vectors, emotions))


def _hdbscan(vectors: NDArray[np.float64]) -> NDArray[np.int64]:
    from sklearn.cluster import HDBSCAN

    smallest = min(max(_SMALLEST, len(vectors) // 50), max(2, len(vectors)))
    if len(vectors) < smallest:
        return np.full(len(vectors), NOISE)
    model = HDBSCAN(min_cluster_size=smallest, copy=True)
    return np.asarray(model.fit_predict(vectors), np.int64)


def _kmeans(vectors: NDArray[np.float64], count: int | None, seed: int) -> NDArray[np.int64]:
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    different = len(np.unique(vectors, axis=0))

    def labels_of(k: int) -> NDArray[np.int64]:
        model = KMeans(k, n_init=10, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # fewer different vectors than clusters
            return np.asarray(model.fit_predict(vectors), np.int64)

    if count is not None:
        return labels_of(min(count, different))
    tried = [labels_of(k) for k in range(2, min(_MOST_TRIED, different - 1) + 1)]
    if not tried:
        return np.zeros(len(vectors), np.int64)
    return max(tried, key=lambda labels: float(silhouette_score(vectors, labels)))


def _by_size(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The clusters numbered anew, the largest first; of two of one size, the one met first."""
    counts = Counter(int(label) for label in labels if label != NOISE)
    renamed = {label: number for number, (label, _) in enumerate(counts.most_common())}
    return np.array([renamed.get(int(label), NOISE) for label in labels], np.int64)


def _groups(
    labels: NDArray[np.int64], vectors: NDArray[np.float64], emotions: Sequence[str | None]
) -> tuple[Group, ...]:
    groups = []
    for label in (*range(int(labels.max(initial=NOISE)) + 1), NOISE):
        members = np.flatnonzero(labels == label)
        if members.size:
            inside = vectors[members]
            distance = np.linalg.norm(inside - inside.mean(axis=0), axis=1)
            nearest = members[np.argsort(distance, kind="stable")[:_TYPICAL]]
            typical = () if label == NOISE else tuple(map(int, nearest))
            places = tuple(map(int, members))
            found = Counter(emotion for k in places if (emotion := emotions[k]) is not None)
            groups.append(Group(label, places, typical, dict(found.most_common())))
    return tuple(groups)
