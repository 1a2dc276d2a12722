"""What ``POST /api/v1/compare`` takes and answers."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from emotion.analysis.clusters import Method as ClusterMethod
from emotion.analysis.comparison import MOST, MOST_MATRIX, Wanted
from emotion.analysis.projection import Method
from emotion.api.compared import SOURCES, Item
from emotion.api.openapi import TONE
from emotion.core.i18n import Lang
from emotion.core.options import Clustering, Projecting

COMPARED: Final = (*SOURCES, "job_id")
_LANGUAGE: Final = "Language of problems; `Accept-Language` by default"
Short = Annotated[str, StringConstraints(max_length=200)]


class CompareItem(Item):
    """What is compared: exactly one of the three `audio_…`, `run_id`, `embedding` and `job_id`."""

    job_id: str | None = Field(
        None,
        description="A job that was begun with `extract_embedding` and `store`: all its recordings "
        "that are done, or the one at `index`",
    )
    index: int | None = Field(None, ge=0, le=10**6, description="A recording of the job, from 0")
    date: str | None = Field(
        None, max_length=40, description="When it was recorded: ISO 8601, a day or with a time"
    )
    speaker: Short | None = Field(None, description="Who speaks")
    columns: dict[Short, Short] = Field(
        {}, max_length=100, description="What else you know of it; comes back as it is"
    )


class CompareBody(BaseModel):
    """What is compared, and how."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {"audio_base64": TONE, "name": "one.wav", "date": "2026-01-31"},
                        {"audio_base64": TONE, "name": "two.wav", "date": "2026-02-28"},
                    ],
                    "neighbours": 1,
                },
                {
                    "items": [
                        {"embedding": [0.1, 0.7, -0.2], "columns": {"room": "A"}},
                        {"embedding": [0.2, 0.6, 0.1], "columns": {"room": "B"}},
                        {"embedding": [-0.3, 0.1, 0.9], "columns": {"room": "A"}},
                    ],
                    "projection": "pca",
                    "clustering": "kmeans",
                    "clusters": 2,
                },
            ]
        },
    )

    items: list[CompareItem] = Field(
        [], description=f"2 to {MOST}, with the recordings of jobs and the uploaded files"
    )
    projection: Projecting = Field(
        "auto", description="The map; `auto` is PCA below 10 points, else t-SNE"
    )
    clustering: Clustering = Field(
        "auto",
        description="Groups; `auto` is HDBSCAN from 20 points on where it finds two groups or "
        "more, else k-means",
    )
    clusters: int | None = Field(
        None,
        ge=1,
        le=100,
        description="How many groups k-means makes; the number with the best silhouette by default",
    )
    neighbours: int = Field(5, ge=0, le=50, description="How many of each recording")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Of what t-SNE and k-means draw")
    language: Lang | None = Field(None, description=_LANGUAGE)

    @property
    def wanted(self) -> Wanted:
        """How it is to be compared."""
        return Wanted(
            self.projection, self.clustering, self.clusters, self.neighbours, self.seed
        )  # fmt: skip


class CompareForm(BaseModel):
    """Fields beside the files of a multipart body."""

    model_config = ConfigDict(extra="forbid")

    request: str | None = Field(None, description="The JSON body, as text")
    language: Lang | None = Field(None, description=_LANGUAGE)


class CompareQuery(BaseModel):
    """Options of the request."""

    model_config = ConfigDict(extra="forbid")

    language: Lang | None = Field(None, description=_LANGUAGE)


class ComparedItem(BaseModel):
    """What is known of a recording."""

    name: str
    emotion: str | None = Field(description="The label with the highest score")
    confidence: float | None = Field(description="That score, 0 to 1")
    scores: dict[str, float] | None
    model: str | None
    run_id: str | None
    job_id: str | None
    index: int | None = Field(description="Its place in the job")
    date: str | None
    speaker: str | None
    columns: dict[str, str]


class Map(BaseModel):
    """Recordings as points: near each other where they sound alike."""

    method: Method
    x: list[float]
    y: list[float]


class Group(BaseModel):
    """Recordings that sound alike."""

    label: int = Field(description="From 0, the largest first")
    size: int
    typical: list[int] = Field(description="Places of those nearest the middle, nearest first")
    emotions: dict[str, int] = Field(description="How many have which emotion")


class Groups(BaseModel):
    """All groups."""

    method: ClusterMethod
    labels: list[int] = Field(description="The group of each recording; -1 for those in none")
    groups: list[Group]


class Near(BaseModel):
    """A recording beside another one."""

    index: int
    similarity: float


class Mood(BaseModel):
    """The dated recordings of one speaker, earliest first."""

    speaker: str | None
    dates: list[str]
    indices: list[int]
    scores: dict[str, list[float]] = Field(description="For each label one score a recording")


class CompareAnswer(BaseModel):
    """Recordings beside each other, in the order of the request."""

    names: list[str]
    items: list[ComparedItem]
    embedding_dim: int = Field(description="Width of the embeddings")
    model: str | None = Field(description="Their model; null where all are only embeddings")
    embedding_similarity: list[list[float]] | None = Field(
        description=f"Cosines between embeddings, -1 to 1; null above {MOST_MATRIX} items"
    )
    score_similarity: list[list[float]] | None = Field(
        description="Cosines between scores, 0 to 1; null also where an item is only an embedding"
    )
    projection: Map | None = Field(description="Null where none is wanted")
    clusters: Groups | None = Field(description="Null where none are wanted")
    neighbours: list[list[Near]] = Field(description="For each recording those most like it")
    trends: list[Mood] = Field(description="Of speakers with two dated recordings or more")
