"""``POST /api/v1/audio-classification``: as Hugging Face's clients ask it of a model.

Its full address is what ``huggingface_hub.InferenceClient(base_url=…)`` and ``endpointUrl`` of
huggingface.js take. Without parameters they send the recording itself, with or without a type;
with parameters the Python client sends JSON. Their answer is a bare list.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from emotion.api import sources
from emotion.api.answers import PREFIX, json_response
from emotion.api.asking import caller_of
from emotion.api.context import Context
from emotion.api.openapi import TONE, problems, request_body
from emotion.api.problems import invalid_of
from emotion.api.recognize import PROBLEMS
from emotion.api.uploads import NAMELESS
from emotion.api.waiting import finish
from emotion.core.i18n import Lang
from emotion.core.request_errors import RequestInvalidError
from emotion.core.results import Result
from emotion.services.recognitions import JobRequest


class Parameters(BaseModel):
    """What Hugging Face's clients may ask for."""

    model_config = ConfigDict(extra="forbid")

    top_k: int | None = Field(
        None, ge=1, description="How many labels to give; all by default", examples=[3]
    )
    function_to_apply: Literal["softmax"] | None = Field(
        None, description="Scores are always those of a softmax over the labels"
    )


class QueryParameters(Parameters):
    """The same as query parameters; those in the body come before them."""

    language: Lang | None = Field(
        None, description="Language of problems; `Accept-Language` by default"
    )

    def merged(self, other: Parameters) -> Parameters:
        """These parameters with those that another one sets."""
        return self.model_copy(update=other.model_dump(exclude_unset=True))


class ClassificationBody(BaseModel):
    """A recording in JSON. Fields that are not known here, such as `options`, are ignored."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"inputs": TONE, "parameters": {"top_k": 3}}]}
    )

    inputs: str = Field(description="The recording in base64, or a data: URL")
    parameters: Parameters | None = None


class LabelScore(BaseModel):
    """An emotion and its score."""

    label: str = Field(description="English name, as in `result.json`", examples=["happy"])
    score: float = Field(description="0 to 1; those of all labels add up to 1")


def router(context: Context) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["recognition"])

    @routes.post(
        f"{PREFIX}/audio-classification",
        summary="Classify one recording, for Hugging Face's clients",
        response_model=list[LabelScore],
        responses=problems(*PROBLEMS),
        openapi_extra=request_body(ClassificationBody, Parameters),
    )
    async def classify(request: Request, query: Annotated[QueryParameters, Query()]) -> Response:
        """The answer is a bare list, the highest score first. The recording is the raw body, with
        or without a type, a multipart `file`, or `inputs` in JSON. Nothing is stored. In Python:
        `InferenceClient(base_url="http://HOST/api/v1/audio-classification", api_key=KEY)`; in
        JavaScript `endpointUrl`, and `retry_on_error: false`, because huggingface.js repeats a
        request that got 503 without a pause."""
        context.service.jobs.check()
        async with context.uploads.folder() as folder:
            path, parameters = await _recording(context, request, query, folder)
            job = context.service.jobs.submit(
                JobRequest(path, store=False, owner=caller_of(request))
            )
            timeout_s = context.config.server.request_timeout_s
            finished = await finish(context.service, job, request, timeout_s)
        return await json_response(ranked(finished.result, parameters.top_k))

    return routes


async def _recording(
    context: Context, request: Request, query: QueryParameters, folder: Path
) -> tuple[Path, Parameters]:
    """Where the recording of a request lies, and what is asked for."""
    body = await context.uploads.receive(request, folder)
    if body.kind == "raw":
        return body.files[0], query
    if body.kind == "multipart":
        if not body.files:
            raise RequestInvalidError(reason="there is no part named file")
        return body.files[0], query.merged(_from_form(body.fields))
    named = await sources.parse(body.files[0], ClassificationBody)
    path = folder / NAMELESS
    await run_in_threadpool(sources.save_base64, named.inputs, path, "inputs")
    given = named.parameters
    return path, query if given is None else query.merged(given)


def _from_form(fields: dict[str, list[str]]) -> Parameters:
    try:
        return Parameters.model_validate({name: values[-1] for name, values in fields.items()})
    except ValidationError as e:
        raise invalid_of(e) from e


def ranked(result: Result, top_k: int | None) -> list[dict[str, Any]]:
    """The labels of a result with their scores, the highest first; equal ones by name.

    Args:
        result: The result.
        top_k: How many to give; None for all.
    """
    pairs = sorted(result.scores.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{"label": label, "score": score} for label, score in pairs[:top_k]]
