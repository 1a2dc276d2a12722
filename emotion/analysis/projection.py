"""Embeddings as points on a map: near each other where the recordings sound alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from emotion.core.options import Projecting

Method = Literal["pca", "tsne"]
FEW: Final = 10  # points below this say too little of their neighbourhoods for t-SNE
_PERPLEXITY: Final = 30.0
_DECIMALS: Final = 6


@dataclass(frozen=True)
class Projection:
    """Points on a map.

    Attributes:
        method: How they were placed.
        points: (N, 2).
    """

    method: Method
    points: NDArray[np.float64]


def project(rows: NDArray[np.float64], wanted: Projecting, seed: int) -> Projection | None:
    """Places embeddings on a map.

    t-SNE begins with the principal components and works with the angles between embeddings. It
    needs four different points; fewer are placed by their principal components.

    Args:
        rows: (N, D), each of length 1, N of 2 or more.
        wanted: How; ``auto`` is PCA below ten points, else t-SNE.
        seed: Of what t-SNE draws.

    Returns:
        None where none is wanted.
    """
    if wanted == "none":
        return None
    points = principal(rows)
    different = len(np.unique(rows, axis=0))
    asked = wanted == "tsne" or (wanted == "auto" and len(rows) >= FEW)
    if not asked or different < 4 or not points[:, 0].std():
        return Projection("pca", np.round(points, _DECIMALS) + 0.0)  # no -0.0
    return Projection("tsne", np.round(_neighbouring(rows, points, seed), _DECIMALS) + 0.0)


def principal(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The first two principal components.

    The largest weight of each is positive, so that the same rows always give the same points.

    Args:
        rows: (N, D).

    Returns:
        (N, 2); zeros where there is no second one.
    """
    centred = rows - rows.mean(axis=0)
    left, sizes, right = np.linalg.svd(centred, full_matrices=False)
    count = min(2, len(sizes))
    largest = np.abs(right[:count]).argmax(axis=1)
    signs = np.where(right[np.arange(count), largest] < 0, -1.0, 1.0)
    points = np.zeros((len(rows), 2))
    points[:, :count] = left[:, :count] * sizes[:count] * signs
    points[np.abs(points) < 1e-12] = 0.0  # the rounding of rows that are equal
    return points


def _neighbouring(
    rows: NDArray[np.float64], start: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    from sklearn.manifold import TSNE

    # Squares of the distances of rows of length 1 are twice 1 - cosine.
    model = TSNE(
        perplexity=min(_PERPLEXITY, (len(rows) - 1) / 3),
        init=(start / start[:, 0].std() * 1e-4).astype(np.float32),
        learning_rate="auto",
        random_state=seed,
    )
    found: NDArray[np.float64] = np.asarray(model.fit_transform(rows), np.float64)
    found -= found.mean(axis=0)
    return found
