"""A map of embeddings: each recording a point, alike ones near each other."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from emotion.core.errors import ConfigError

Method = Literal["pca", "tsne"]
Wanted = Literal["auto", "pca", "tsne", "none"]
FEWEST_FOR_TSNE: Final = 10
_PERPLEXITY: Final = 30.0
_SAME: Final = 1e-9


@dataclass(frozen=True)
class Projection:
    """A map.

    Attributes:
        method: ``pca``, whose axes are the directions of the largest variance, or ``tsne``, which
            keeps neighbours together; distances between far groups mean little in it.
        points: float64, (N, 2).
    """

    method: Method
    points: NDArray[np.float64]


def project(vectors: NDArray[np.float64], wanted: Wanted = "auto", seed: int = 0) -> Projection:
    """Draws vectors on a plane.

    Args:
        vectors: float64, (N, D), N at least 1.
        wanted: ``auto`` takes PCA below ten vectors, else t-SNE (van der Maaten and Hinton 2008).
        seed: Of t-SNE.

    Raises:
        ConfigError: There is no such method, or t-SNE is asked for with fewer than four vectors.
    """
    count = len(vectors)
    if wanted not in get_args(Wanted) or wanted == "none":
        raise ConfigError(option="projection", value=wanted, expected="auto, pca or tsne")
    if wanted == "auto":
        wanted = "tsne" if count >= FEWEST_FOR_TSNE else "pca"
    if wanted == "pca":
        return Projection("pca", pca(vectors))
    if count < 4:
        expected = "pca for fewer than 4 recordings"
        raise ConfigError(option="projection", value=wanted, expected=expected)
    return Projection("tsne", _tsne(vectors, seed))


def pca(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first two principal components.

    The sign of each is such that its largest value is positive.

    Args:
        vectors: float64, (N, D).

    Returns:
        float64, (N, 2); zeros where there is no further variance.
    """
    centred = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(vectors), 2))
    kept = min(2, len(sizes))
    points[:, :kept] = left[:, :kept] * sizes[:kept]
    points[np.abs(points) < _SAME] = 0.0
    largest = np.abs(points).argmax(axis=0)
    signs: NDArray[np.float64] = np.where(points[largest, [0, 1]] < 0, -1.0, 1.0)
    return points * signs


def _tsne(vectors: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    from sklearn.manifold import TSNE

    if np.ptp(vectors, axis=0).max() < _SAME:
        return np.zeros((len(vectors), 2))  # all the same: it has no start to spread from
    perplexity = min(_PERPLEXITY, (len(vectors) - 1) / 3)
    model = TSNE(init="pca", perplexity=perplexity, random_state=seed, n_jobs=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own start, where vectors are few or the same
        return np.asarray(model.fit_transform(vectors), np.float64)
