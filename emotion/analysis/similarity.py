"""How alike recordings are: the cosine of the angle between their embeddings, or their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotion.core.labels import LABELS
from emotion.core.similarity_errors import (
    EmbeddingNumberError,
    EmbeddingWidthError,
    EmbeddingZeroError,
)


def directions(names: Sequence[str], vectors: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """Vectors as rows of length 1.

    Args:
        names: What errors call the vectors, (N,).
        vectors: N times (D,).

    Returns:
        float64, (N, D).

    Raises:
        EmbeddingWidthError: Two vectors have different widths.
        EmbeddingNumberError: A vector has values that are not finite.
        EmbeddingZeroError: A vector is all zeros.
    """
    rows = [np.asarray(vector, np.float64) for vector in vectors]
    for name, row in zip(names, rows, strict=True):
        if row.size != rows[0].size:
            raise EmbeddingWidthError(
                first=names[0], first_width=rows[0].size, second=name, second_width=row.size
            )
        if not np.isfinite(row).all():
            raise EmbeddingNumberError(name=name)
        if not row.any():
            raise EmbeddingZeroError(name=name)
    matrix: NDArray[np.float64] = np.stack(rows)
    # Squares of very large or very small values would leave the range of float64.
    matrix = matrix / np.abs(matrix).max(axis=1, keepdims=True)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix


def cosines(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The cosine of the angle between each two rows of `directions`.

    Args:
        rows: (N, D), each of length 1.

    Returns:
        float64, (N, N), symmetric, -1 to 1, with ones on the diagonal.
    """
    similarity: NDArray[np.float64] = np.clip(rows @ rows.T, -1.0, 1.0)
    similarity = (similarity + similarity.T) / 2  # a product of matrices may round both unlike
    np.fill_diagonal(similarity, 1.0)
    return similarity


def cosine_similarity(names: Sequence[str], vectors: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """`cosines` of vectors; arguments and errors are those of `directions`."""
    return cosines(directions(names, vectors))


def score_similarity(
    names: Sequence[str], scores: Sequence[Mapping[str, float]]
) -> NDArray[np.float64]:
    """`cosine_similarity` of scores.

    Args:
        names: What errors call the recordings, (N,).
        scores: For each recording its score by label; labels that are not there count as 0.

    Returns:
        float64, (N, N), 0 to 1.

    Raises:
        EmbeddingZeroError: All scores of a recording are 0.
    """
    return cosine_similarity(names, [[one.get(label, 0.0) for label in LABELS] for one in scores])
