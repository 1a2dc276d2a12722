"""What ``/api/v1/compare`` takes and answers."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from emotion.analysis.clusters import Wanted as WantedClusters
from emotion.analysis.comparison import MOST, MOST_IN_MATRIX, CompareOptions
from emotion.analysis.projection import Wanted as WantedProjection
from emotion.api.compared import SOURCES, Item
from emotion.core.i18n import Lang

ITEM_SOURCES: Final = (*SOURCES, "job_id")


class CompareItem(Item):
    """What is compared: exactly one of the three `audio_…`, `run_id`, `embedding` and `job_id`."""

    job_id: str | None = Field(
        None,
        description="The finished recordings of a job that stored its runs with their embeddings",
    )
    index: int | None = Field(
        None, ge=0, description="Only the recording of the job at this place, from 0"
    )
    date: str | None = Field(
        None, max_length=40, description="When it was recorded, ISO 8601", examples=["2026-01-31"]
    )
    speaker: str | None = Field(None, max_length=200, description="Who speaks")
    columns: dict[str, str] = Field(
        default_factory=dict, max_length=100, description="Columns of your own, for the answer"
    )


class CompareBody(BaseModel):
    """What is compared, and how."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {"embedding": [0.1, 0.7, -0.2], "name": "one", "speaker": "Ann"},
                        {"embedding": [0.2, 0.6, 0.1], "name": "two", "speaker": "Ann"},
                        {"embedding": [-0.4, 0.3, 0.5], "name": "three", "speaker": "Bob"},
                    ],
                    "projection": "pca",
                    "clusters": 2,
                }
            ]
        },
    )

    items: list[CompareItem] = Field(
        default_factory=list, description=f"With the uploaded files 2 to {MOST} recordings"
    )
    projection: WantedProjection = Field(
        "auto", description="The map: by default PCA below ten recordings, else t-SNE"
    )
    clustering: WantedClusters = Field(
        "auto",
        description="Groups: by default HDBSCAN from twenty recordings on, k-means where that "
        "finds fewer than two",
    )
    clusters: int | None = Field(None, ge=1, description="How many, with k-means")
    neighbours: int = Field(5, ge=0, le=100, description="Nearest recordings named for each")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Of what is random")
    language: Lang | None = Field(
        None, description="Language of problems; `Accept-Language` by default"
    )

    def options(self) -> CompareOptions:
        """As the analysis takes them."""
        return CompareOptions(
            self.projection, self.clustering, self.clusters, self.neighbours, self.seed
        )


class ComparedItem(BaseModel):
    """A recording that was compared."""

    name: str
    emotion: str | None = Field(description="Null where only the embedding is known")
    confidence: float | None
    scores: dict[str, float] | None
    model: str | None
    run_id: str | None = Field(description="Its run, where it is one of the caller's")
    job_id: str | None = Field(description="Its job, where it came from one")
    index: int | None = Field(description="Its place in the job")
    date: str | None
    speaker: str | None
    columns: dict[str, str]


class Map(BaseModel):
    """A map: recordings that sound alike lie near each other."""

    method: Literal["pca", "tsne"]
    x: list[float]
    y: list[float]


class ClusterGroup(BaseModel):
    """One cluster."""

    label: int = Field(description="From 0, the largest first; -1 for recordings in none")
    size: int
    typical: list[int] = Field(description="Places of those nearest to its centre")
    emotions: dict[str, int] = Field(description="Recordings by emotion, most frequent first")


class ClusterAnswer(BaseModel):
    """Groups of recordings that sound alike."""

    method: Literal["hdbscan", "kmeans"]
    labels: list[int] = Field(description="The cluster of each recording")
    groups: list[ClusterGroup]


class Neighbour(BaseModel):
    """A recording near another."""

    index: int
    similarity: float


class TrendAnswer(BaseModel):
    """The course of one speaker's scores, in order of date."""

    speaker: str
    dates: list[str]
    indices: list[int]
    scores: dict[str, list[float]]


class ComparisonAnswer(BaseModel):
    """What was found; rows, columns and places are in the order of the items."""

    names: list[str]
    items: list[ComparedItem]
    embedding_dim: int
    model: str | None = Field(description="Model of the embeddings, where that is known")
    embedding_similarity: list[list[float]] | None = Field(
        description=f"Cosines of embeddings, -1 to 1; null above {MOST_IN_MATRIX} recordings"
    )
    score_similarity: list[list[float]] | None = Field(
        description="Cosines of scores, 0 to 1; null where one has none"
    )
    projection: Map | None
    clusters: ClusterAnswer | None = Field(description="Null for two recordings")
    neighbours: list[list[Neighbour]]
    trends: list[TrendAnswer]
