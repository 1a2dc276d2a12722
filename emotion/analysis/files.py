"""Embeddings in NumPy's files, from anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.core.results import readable
from emotion.core.similarity_errors import EmbeddingFileError

WIDEST: Final = 16_384  # values of an embedding
_MAGIC: Final = b"\x93NUMPY"


def is_embedding(path: Path) -> bool:
    """Whether a file is meant as an embedding: by its name, or by how it begins."""
    if path.suffix.lower() == ".npy":
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def read_embedding(path: Path, name: str | None = None) -> NDArray[np.float64]:
    """The embedding in a ``.npy`` file.

    Args:
        path: The file: one row of up to 16,384 finite numbers.
        name: What errors call it; its own name by default.

    Returns:
        float64, (D,).

    Raises:
        EmbeddingFileError: It holds something else; what it holds is said.
    """
    name = readable(path.name) if name is None else name
    try:
        # Mapped, so that a large array is not read before its shape is known.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        shape, kind = array.shape, array.dtype
        if kind.kind not in "fiu" or not _is_row(shape):
            raise EmbeddingFileError(file=name, reason=f"its shape is {shape} of {kind}")
        found = np.array(array, np.float64).reshape(-1)
    except (OSError, ValueError, EOFError, SyntaxError, AttributeError) as e:
        raise EmbeddingFileError(file=name, reason="it is not a whole .npy file") from e
    if not np.isfinite(found).all():
        raise EmbeddingFileError(file=name, reason="some of its values are not finite")
    return found


def _is_row(shape: tuple[int, ...]) -> bool:
    return len(shape) in (1, 2) and shape[:-1] in ((), (1,)) and 1 <= shape[-1] <= WIDEST
