"""Embeddings from NumPy files, wherever they are from."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.core.results import readable
from emotion.core.similarity_errors import EmbeddingFileError

SUFFIX: Final = ".npy"
WIDEST: Final = 16_384  # values


def read_embedding(path: Path) -> NDArray[np.float32]:
    """The embedding in a file.

    Args:
        path: A ``.npy`` file with numbers, (D,) or (1, D).

    Returns:
        float32, (D,), finite.

    Raises:
        EmbeddingFileError: It holds something else.
    """
    name = readable(path.name)
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as e:
        raise EmbeddingFileError(file=name, reason="it is not a NumPy file of numbers") from e
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise EmbeddingFileError(file=name, reason="it is not a NumPy file of numbers")
    flat = array[0] if array.ndim == 2 and len(array) == 1 else array
    if flat.ndim != 1 or not 1 <= flat.size <= WIDEST:
        reason = f"its shape is {array.shape}, but must be (D,) with D from 1 to {WIDEST}"
        raise EmbeddingFileError(file=name, reason=reason)
    embedding = flat.astype(np.float32)
    if not np.isfinite(embedding).all():
        raise EmbeddingFileError(file=name, reason="it has values that are not finite")
    return embedding
