"""What is compared: an embedding, and what is known of the recording that it is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from numpy.typing import ArrayLike

from emotion.core.results import Result
from emotion.core.similarity_errors import EmbeddingModelError


@dataclass(frozen=True)
class Compared:
    """One item, ready to be compared.

    Attributes:
        name: Its name in the answer.
        embedding: (D,).
        scores: By label; None where only the embedding is known, as are the three after it.
        model: Name of the model.
        emotion: The label with the highest score.
        confidence: That score, 0 to 1.
        run_id: The stored run that it is from.
        job_id: The job that it is from.
        index: Its place in that job.
        date: When the recording was made, in ISO 8601.
        speaker: Who speaks.
        columns: What else its owner says of it.
    """

    name: str
    embedding: ArrayLike
    scores: Mapping[str, float] | None = None
    model: str | None = None
    emotion: str | None = None
    confidence: float | None = None
    run_id: str | None = None
    job_id: str | None = None
    index: int | None = None
    date: str | None = None
    speaker: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, embedding: ArrayLike, result: Result) -> Compared:
        """An item that has been recognised.

        Args:
            name: Its name.
            embedding: (D,).
            result: What was recognised.
        """
        return cls(
            name, embedding, result.scores, result.model.name, result.emotion, result.confidence
        )  # fmt: skip


def model_of(compared: Sequence[Compared]) -> str | None:
    """The model that embeddings are from; None where that is known of none.

    Args:
        compared: The embeddings.

    Raises:
        EmbeddingModelError: They are from several models.
    """
    known = [(one.name, one.model) for one in compared if one.model is not None]
    if not known:
        return None
    first, first_model = known[0]
    for second, second_model in known[1:]:
        if second_model != first_model:
            raise EmbeddingModelError(
                first=first, first_model=first_model, second=second, second_model=second_model
            )
    return first_model
