"""``/api/v1/models``: which models there are, which of them answers, and loading it again."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from emotion import __version__
from emotion.api.answers import PREFIX
from emotion.api.asking import caller_of, check_operator, is_operator
from emotion.api.context import Context
from emotion.api.openapi import problems
from emotion.api.status import ErrorText, Status
from emotion.core.access_errors import OperatorOnlyError
from emotion.core.registry import MODELS
from emotion.evaluation.stored import stored
from emotion.models.store import State
from emotion.services.model_list import ListedModel, list_models


class Model(BaseModel):
    """One model. What is known only of a loaded one is null for the others."""

    name: str = Field(description="Name in results and for `--model`")
    title: str = Field(description="Name for people")
    licence: str | None = Field(description="The weights' licence, where it is known")
    licence_url: str | None = Field(description="Its text")
    size_bytes: int | None = Field(description="On the disk, or of a download, where known")
    state: State = Field(description="Whether its weights are on the server, or a part of them")
    answers: bool = Field(description="Whether a recording would be recognised by it now")
    labels: list[str] | None = Field(None, description="The emotions that it knows")
    embedding_dim: int | None = Field(None, description="Width of its embeddings")
    device: str | None = Field(None, description="`cpu` or `cuda:N`")
    precision: str | None = Field(None, description="`fp32`, `bf16` or `fp16`")
    engine: str | None = Field(None, description="`native`, `funasr` or `transformers`")
    fallback_reason: str | None = Field(
        None,
        description="Why it answers in place of the default model or engine",
    )

    @classmethod
    def of(cls, listed: ListedModel) -> Model:
        """Without the server's folders."""
        answering = listed.answering
        return cls(
            name=listed.name,
            title=listed.title,
            licence=listed.licence,
            licence_url=listed.licence_url,
            size_bytes=listed.size_bytes,
            state=listed.state,
            answers=answering is not None,
            **(asdict(answering) if answering is not None else {}),
        )


class Switch(BaseModel):
    """The model that is to answer."""

    name: str = Field(
        min_length=1,
        max_length=200,
        description="One of those in `/api/v1/models`",
        json_schema_extra={"enum": list(MODELS)},
    )


class Models(BaseModel):
    """The known models."""

    version: str = Field(description="Version of this package")
    phase: str = Field(description="Where loading stands, as in `/api/v1/status`")
    models: list[Model]
    switch_error: ErrorText | None = Field(
        None, description="Why another model that was asked for does not answer"
    )
    operator: bool = Field(True, description="Whether the asker may switch")
    comparison: dict[str, Any] | None = Field(
        None, description="The last `emotion evaluate --models` on this server"
    )


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["server"])
    service = context.service.models

    @routes.get(
        f"{PREFIX}/models", summary="List the models", responses=problems(401, 403, 429, 500)
    )
    def models(request: Request) -> Models:
        """Those that can be named, and the one that answers where that is another."""
        now = service.snapshot
        listed = list_models(context.config.engine.models_dir, now.answer)
        found = [Model.of(one) for one in listed]
        return Models(
            version=__version__,
            phase=now.status.phase,
            models=found,
            switch_error=ErrorText.of(now.status.switch_error),
            operator=is_operator(request) and not context.config.server.shared,
            comparison=stored(context.config),
        )

    @routes.post(
        f"{PREFIX}/models/retry",
        status_code=202,
        summary="Load the model again after a failure",
        responses=problems(401, 403, 409, 429, 500, 503),
    )
    def retry(request: Request) -> Status:
        """For the operator, where the server has keys or passwords. Returns at once; `phase` in
        `/api/v1/status` says how loading goes. 409 where nothing has failed."""
        check_operator(request)
        service.retry()
        status = Status.of(service)
        status.caller = caller_of(request)
        return status

    _add_switch(routes, context)
    return routes


def _add_switch(routes: APIRouter, context: Context) -> None:
    @routes.post(
        f"{PREFIX}/models/switch",
        status_code=202,
        summary="Let another model answer",
        responses=problems(401, 403, 404, 409, 422, 429, 500, 503),
    )
    def switch(request: Request, body: Switch) -> Status:
        """For the operator; refused where several people share the server without authentication.
        Returns at once. The earlier model answers while another is being downloaded, and goes on
        where that fails: `switch_error` in `/api/v1/models` says why."""
        check_operator(request)
        if context.config.server.shared:
            raise OperatorOnlyError()  # nobody tells who that is
        service = context.service.models
        service.switch(body.name)
        status = Status.of(service)
        status.caller = caller_of(request)
        return status
