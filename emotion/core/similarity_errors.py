"""Errors of comparisons; they belong to the tree of `emotion.core.errors`.

::

    EmotionError
    └── SimilarityError
        ├── EmbeddingWidthError, EmbeddingZeroError
        ├── EmbeddingNumberError, EmbeddingFileError
        ├── EmbeddingModelError, EmbeddingMissingError
        └── JobItemError
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


class EmbeddingNumberError(SimilarityError):
    """An embedding has values that are not finite."""

    code = "embedding_not_finite"
    template = "{name}: some values of the embedding are not finite numbers"
    hint = "Recognise the recording again"


class EmbeddingFileError(SimilarityError):
    """A file is no embedding."""

    code = "embedding_file"
    template = "{file}: cannot be used as an embedding ({reason})"
    hint = "A .npy file must hold one row of 1 to 16384 finite numbers: shape (D,) or (1, D)"


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


class JobItemError(SimilarityError):
    """A recording of a job has nothing that could be compared."""

    code = "job_item_unusable"
    template = "recording {index} of job {job_id} cannot be compared ({reason})"
    hint = "Begin the job with extract_embedding and store, and wait for its end"
