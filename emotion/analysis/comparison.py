"""What can be said of several recordings together: how alike, where on a map, in which groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.analysis import clusters as groups
from emotion.analysis import projection as maps
from emotion.analysis.clusters import Clusters, cluster
from emotion.analysis.projection import Projection, project
from emotion.analysis.similarity import cosine_similarity, score_similarity
from emotion.analysis.trends import Dated, Trend, trends
from emotion.core.errors import ConfigError
from emotion.core.similarity_errors import EmbeddingModelError

FEWEST: Final = 2
MOST: Final = 2000
MOST_IN_MATRIX: Final = 200  # of which the whole matrix is given
_FEWEST_FOR_GROUPS: Final = 3


@dataclass(frozen=True)
class Compared:
    """One recording, ready to be compared.

    Attributes:
        name: Its name in the answer.
        embedding: (D,), finite.
        scores: By label; None where only the embedding is known, as are the next three.
        model: Name of the model.
        emotion: The label with the highest score.
        confidence: That score.
        date: When it was made, as the user wrote it.
        speaker: Who speaks.
        columns: The user's own columns.
        origin: Where its files are: ``run_id``, or ``job_id`` and ``index``.
    """

    name: str
    embedding: NDArray[np.float32] | Sequence[float]
    scores: Mapping[str, float] | None = None
    model: str | None = None
    emotion: str | None = None
    confidence: float | None = None
    date: str | None = None
    speaker: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    origin: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class CompareOptions:
    """What is wanted of a comparison.

    Attributes:
        projection: How the map is drawn.
        clustering: How groups are found.
        clusters: How many, with k-means; None chooses.
        neighbours: How many of the nearest are named for each recording.
        seed: Of what is random.

    Raises:
        ConfigError: ``neighbours`` or ``seed`` is out of range.
    """

    projection: maps.Wanted = "auto"
    clustering: groups.Wanted = "auto"
    clusters: int | None = None
    neighbours: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.neighbours <= 100:
            raise ConfigError(option="neighbours", value=self.neighbours, expected="0 to 100")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(option="seed", value=self.seed, expected="0 to 4294967295")


@dataclass(frozen=True)
class Comparison:
    """What was found; rows, columns and places are in the order of the recordings.

    Attributes:
        items: The recordings.
        model: Name of the model that all embeddings are from; None where that is not known.
        similarity: Cosines of embeddings, float64, (N, N).
        scores: Cosines of scores, float64, (N, N); None where scores of one are not known.
        projection: The map; None where it was not wanted.
        clusters: The groups; None where they were not wanted, or there are only two recordings.
        neighbours: For each recording the places of the nearest, the nearest first.
        trends: For each speaker with dated recordings the course of the scores.
    """

    items: tuple[Compared, ...]
    model: str | None
    similarity: NDArray[np.float64]
    scores: NDArray[np.float64] | None
    projection: Projection | None
    clusters: Clusters | None
    neighbours: tuple[tuple[int, ...], ...]
    trends: tuple[Trend, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists; matrices only up to 200 recordings."""
        whole = len(self.items) <= MOST_IN_MATRIX
        return {
            "names": [item.name for item in self.items],
            "items": [_item(item) for item in self.items],
            "embedding_dim": len(self.items[0].embedding),
            "model": self.model,
            "embedding_similarity": self.similarity.tolist() if whole else None,
            "score_similarity": (
                self.scores.tolist() if whole and self.scores is not None else None
            ),
            "projection": _projection(self.projection),
            "clusters": _clusters(self.clusters),
            "neighbours": [
                [{"index": k, "similarity": float(self.similarity[row, k])} for k in near]
                for row, near in enumerate(self.neighbours)
            ],
            "trends": [
                {
                    "speaker": trend.speaker,
                    "dates": list(trend.dates),
                    "indices": list(trend.indices),
                    "scores": {label: list(values) for label, values in trend.scores.items()},
                }
                for trend in self.trends
            ],
        }


def compare(
    items: Sequence[Compared],
    options: CompareOptions = CompareOptions(),  # frozen
) -> Comparison:
    """Compares recordings by their embeddings, whose lengths do not count.

    Args:
        items: 2 to 2,000 recordings.
        options: What is wanted.

    Raises:
        SimilarityError: They cannot be compared.
        ConfigError: There are too few or too many, or an option does not suit them.
    """
    if not FEWEST <= len(items) <= MOST:
        raise ConfigError(option="items", value=len(items), expected=f"{FEWEST} to {MOST}")
    model = model_of(items)
    names = [item.name for item in items]
    similarity = cosine_similarity(names, [item.embedding for item in items])
    known = [item.scores for item in items if item.scores is not None]
    vectors = np.stack([np.asarray(item.embedding, np.float64) for item in items])
    vectors /= np.abs(vectors).max(axis=1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    drawn = options.projection != "none"
    grouped = options.clustering != "none" and len(items) >= _FEWEST_FOR_GROUPS
    emotions = [item.emotion for item in items]
    dated = (
        Dated(index, item.speaker or "", item.date, item.scores)
        for index, item in enumerate(items)
        if item.date and item.scores is not None
    )
    return Comparison(
        tuple(items),
        model,
        similarity,
        score_similarity(names, known) if len(known) == len(items) else None,
        project(vectors, options.projection, options.seed) if drawn else None,
        cluster(vectors, emotions, options.clustering, options.clusters, options.seed)
        if grouped
        else None,
        nearest(similarity, options.neighbours),
        trends(list(dated)),
    )


def nearest(similarity: NDArray[np.float64], count: int) -> tuple[tuple[int, ...], ...]:
    """The most similar others of each recording.

    Args:
        similarity: float64, (N, N).
        count: How many of each.

    Returns:
        N times up to ``count`` places, the most similar first; of two alike, the first.
    """
    others = similarity.copy()
    np.fill_diagonal(others, -np.inf)
    order = np.argsort(-others, axis=1, kind="stable")[:, : min(count, len(others) - 1)]
    return tuple(tuple(map(int, row)) for row in order)


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


def _item(item: Compared) -> dict[str, Any]:
    return {
        "name": item.name,
        "emotion": item.emotion,
        "confidence": item.confidence,
        "scores": dict(item.scores) if item.scores is not None else None,
        "model": item.model,
        "run_id": item.origin.get("run_id"),
        "job_id": item.origin.get("job_id"),
        "index": item.origin.get("index"),
        "date": item.date,
        "speaker": item.speaker,
        "columns": dict(item.columns),
    }


def _projection(projection: Projection | None) -> dict[str, Any] | None:
    if projection is None:
        return None
    x, y = projection.points.T.tolist()
    return {"method": projection.method, "x": x, "y": y}


def _clusters(found: Clusters | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "method": found.method,
        "labels": found.labels.tolist(),
        "groups": [
            {
                "label": group.label,
                "size": len(group.members),
                "typical": list(group.typical),
                "emotions": group.emotions,
            }
            for group in found.groups
        ],
    }
