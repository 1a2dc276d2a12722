"""``POST /api/v1/similarity``: how alike two to a hundred recordings are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from emotion.analysis.items import Compared, model_of
from emotion.analysis.similarity import cosine_similarity, score_similarity
from emotion.api import sources
from emotion.api.answers import PREFIX, json_response
from emotion.api.asking import set_language
from emotion.api.compared import Item, check_one, gather
from emotion.api.context import Context
from emotion.api.openapi import TONE, problems, request_body
from emotion.api.problems import invalid_of
from emotion.api.recognize import PROBLEMS
from emotion.api.waiting import while_there
from emotion.core.errors import ConfigError
from emotion.core.i18n import Lang

MOST: Final = 100


class SimilarityBody(BaseModel):
    """What is compared."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"items": [{"embedding": [0.1, 0.7, -0.2]}, {"embedding": [0.2, 0.6, 0.1]}]},
                {
                    "items": [
                        {"audio_base64": TONE, "name": "one.wav"},
                        {"audio_base64": TONE, "name": "two.wav"},
                    ]
                },
            ]
        },
    )

    items: list[Item] = Field(description=f"2 to {MOST}")
    language: Lang | None = Field(
        None, description="Language of problems; `Accept-Language` by default"
    )


class SimilarityQuery(BaseModel):
    """Options of the request."""

    model_config = ConfigDict(extra="forbid")

    language: Lang | None = Field(
        None, description="Language of problems; `Accept-Language` by default"
    )


class Similarity(BaseModel):
    """How alike recordings are; rows and columns are in the order of the request."""

    names: list[str] = Field(description="The recordings")
    embedding_similarity: list[list[float]] = Field(
        description="Cosine of the angle between each two embeddings, -1 to 1"
    )
    score_similarity: list[list[float]] | None = Field(
        description="The same of their scores, 0 to 1; null where an item is only an embedding"
    )
    embedding_dim: int = Field(description="Width of the embeddings")
    model: str | None = Field(
        description="Name of the model that they are from; null where all are only embeddings"
    )


def router(context: Context) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["recognition"])

    @routes.post(
        f"{PREFIX}/similarity",
        summary="Compare recordings",
        response_model=Similarity,
        responses=problems(*PROBLEMS),
        openapi_extra=request_body(SimilarityBody, None, many=True),
    )
    async def similarity(request: Request, query: Annotated[SimilarityQuery, Query()]) -> Response:
        """Two to a hundred recordings: several multipart `file`, or in JSON `items`, each exactly
        one of `audio_base64`, `audio_path`, `audio_url`, `run_id` (a run that was stored with its
        embedding) and `embedding`. Nothing is stored. All must be from one model."""
        async with context.uploads.folder() as folder:
            items = await _items(context, request, query, folder)
            gathering = gather(context, request, items, folder)
            timeout_s = context.config.server.request_timeout_s
            compared = await while_there(request, timeout_s, gathering)
        return await json_response(await run_in_threadpool(similarity_of, compared))

    return routes


async def _items(
    context: Context, request: Request, query: SimilarityQuery, folder: Path
) -> list[Item | Path]:
    """What a request brings: files, or items that name something."""
    set_language(request, query.language)
    body = await context.uploads.receive(request, folder, MOST)
    items: list[Item | Path] = list(body.files)
    if body.kind == "json":
        parsed = await sources.parse(body.files[0], SimilarityBody)
        set_language(request, parsed.language)
        for number, item in enumerate(parsed.items):
            check_one(number, item)
        items = list(parsed.items)
    elif body.fields:
        set_language(request, _from_form(body.fields).language)
    if not 2 <= len(items) <= MOST:
        raise ConfigError(option="items", value=len(items), expected=f"2 to {MOST}")
    return items


def _from_form(fields: dict[str, list[str]]) -> SimilarityQuery:
    try:
        return SimilarityQuery.model_validate({name: values[-1] for name, values in fields.items()})
    except ValidationError as e:
        raise invalid_of(e) from e


def similarity_of(compared: Sequence[Compared]) -> dict[str, Any]:
    """What is known of the recordings as plain dicts and lists: a `Similarity`.

    Args:
        compared: The recordings.

    Raises:
        SimilarityError: They cannot be compared.
    """
    names = [one.name for one in compared]
    embeddings = cosine_similarity(names, [one.embedding for one in compared])
    scores = [one.scores for one in compared if one.scores is not None]
    both = score_similarity(names, scores) if len(scores) == len(names) else None
    return {
        "names": names,
        "embedding_similarity": embeddings.tolist(),
        "score_similarity": both.tolist() if both is not None else None,
        "embedding_dim": int(np.size(compared[0].embedding)),
        "model": model_of(compared),
    }
