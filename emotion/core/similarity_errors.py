"""Errors of comparisons; they belong to the tree of `emotion.core.errors`.

::

    EmotionError
    └── SimilarityError
        ├── EmbeddingWidthError, EmbeddingZeroError
        └── EmbeddingModelError, EmbeddingMissingError
"""

from __future__ import annotations

from emotion.core.errors import EmotionError


class SimilarityError(EmotionError):
    """Recordings cannot be compared."""

    code = "similarity_error"


class EmbeddingWidthError(SimilarityError):
    """Embeddings have different numbers of values."""

    code = "embedding_width"
    template = (
        "the embeddings have different widths ({first}: {first_width}, {second}: {second_width})"
    )
    hint = "Compare embeddings of one model"


class EmbeddingZeroError(SimilarityError):
    """An embedding of zeros has no direction, so no angle to others."""

    code = "embedding_zero"
    template = "{name}: all values of the embedding are zero"
    hint = "Leave it out"


class EmbeddingModelError(SimilarityError):
    """Embeddings of different models have nothing in common, even where their widths are equal."""

    code = "embedding_model"
    template = (
        "the embeddings are from different models ({first}: {first_model}, "
        "{second}: {second_model})"
    )
    hint = "Recognise all recordings with one model"


class EmbeddingMissingError(SimilarityError):
    """A run was stored without its embedding."""

    code = "embedding_missing"
    template = "the run {run_id} has no embedding"
    hint = "Recognise the recording again with extract_embedding"
