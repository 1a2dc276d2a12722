"""All that is said of several recordings beside each other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.analysis.clusters import Clusters, cluster
from emotion.analysis.items import Compared, model_of
from emotion.analysis.neighbours import Neighbour, nearest
from emotion.analysis.projection import Projection, project
from emotion.analysis.similarity import cosines, directions, score_similarity
from emotion.analysis.trends import Trend, trends
from emotion.core.options import Clustering, Projecting

MOST: Final = 2000  # items
MOST_MATRIX: Final = 200  # items whose matrices are given
# How many threads libraries use is set for the whole process.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
        projection: How the map is made.
        clustering: How groups are found.
        clusters: How many groups k-means makes; None for the best number.
        neighbours: How many of each recording.
        seed: Of what is drawn.
    """

    projection: Projecting = "auto"
    clustering: Clustering = "auto"
    clusters: int | None = None
    neighbours: int = 5
    seed: int = 0


@dataclass(frozen=True)
class Comparison:
    """Several recordings beside each other, N of them.

    Attributes:
        items: The recordings.
        embedding_dim: Width of their embeddings.
        model: The model that these are from; None where that is known of none.
        embedding_similarity: float64, (N, N), cosines between embeddings.
        score_similarity: float64, (N, N), cosines between scores; None where one has none.
        projection: The map; None where none is wanted.
        clusters: The groups; None where none are wanted.
        neighbours: For each recording those that are most like it.
        trends: Mood over time.
    """

    items: tuple[Compared, ...]
    embedding_dim: int
    model: str | None
    embedding_similarity: NDArray[np.float64]
    score_similarity: NDArray[np.float64] | None
    projection: Projection | None
    clusters: Clusters | None
    neighbours: tuple[tuple[Neighbour, ...], ...]
    trends: tuple[Trend, ...]

    def to_dict(self, most_matrix: int = MOST_MATRIX) -> dict[str, Any]:
        """Plain dicts and lists, as the API answers.

        Args:
            most_matrix: With more items the matrices are left out.
        """
        few = len(self.items) <= most_matrix
        scores, points = self.score_similarity, self.projection
        return {
            "names": [item.name for item in self.items],
            "items": [_item(item) for item in self.items],
            "embedding_dim": self.embedding_dim,
            "model": self.model,
            "embedding_similarity": self.embedding_similarity.tolist() if few else None,
            "score_similarity": scores.tolist() if few and scores is not None else None,
            "projection": points and {
                "method": points.method,
                "x": points.points[:, 0].tolist(),
                "y": points.points[:, 1].tolist(),
            },
            "clusters": self.clusters and _listed(asdict(self.clusters)),
            "neighbours": [[asdict(one) for one in some] for some in self.neighbours],
            "trends": [_listed(asdict(trend)) for trend in self.trends],
        }  # fmt: skip


def compare(items: Sequence[Compared], wanted: Wanted = Wanted()) -> Comparison:
    """Compares recordings; the same ones always give the same answer.

    Args:
        items: Two or more.
        wanted: What is asked for.

    Raises:
        SimilarityError: They cannot be compared.
        ConfigError: A date cannot be read.
    """
    from threadpoolctl import threadpool_limits

    names = [item.name for item in items]
    moods = trends(items)
    model = model_of(items)
    rows = directions(names, [item.embedding for item in items])
    # Sums that several threads share depend on their number.
    with _one_at_a_time, threadpool_limits(1):
        similarity = cosines(rows)
        return Comparison(
            tuple(items),
            rows.shape[1],
            model,
            similarity,
            _scores(items),
            project(rows, wanted.projection, wanted.seed),
            cluster(
                rows,
                [item.emotion for item in items],
                wanted.clustering,
                wanted.clusters,
                wanted.seed,
            ),
            nearest(similarity, wanted.neighbours),
            moods,
        )


def _scores(items: Sequence[Compared]) -> NDArray[np.float64] | None:
    scores = [item.scores for item in items if item.scores is not None]
    if len(scores) < len(items):
        return None
    return score_similarity([item.name for item in items], scores)


def _item(item: Compared) -> dict[str, Any]:
    said = {name: value for name, value in vars(item).items() if name != "embedding"}
    scores = None if item.scores is None else dict(item.scores)
    return {**said, "scores": scores, "columns": dict(item.columns)}


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, (list, tuple)) else value
