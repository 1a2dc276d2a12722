"""``/api/v1/runs``: the runs that the server keeps, their files, and their end."""

from __future__ import annotations

import re
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from emotion.api.answers import PREFIX, Recognition, json_response, links
from emotion.api.asking import caller_of
from emotion.api.context import Context
from emotion.api.openapi import problems
from emotion.core.errors import RunNotFoundError
from emotion.services.history import check_history
from emotion.storage.run_index import RunFilter

_PROBLEMS = (401, 403, 404, 422, 429, 500)
_RUN = f"{PREFIX}/runs/{{run_id}}"
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _written_day(value: Any) -> Any:
    # Pydantic takes any number for the seconds since 1970.
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise PydanticCustomError("date_parsing", "a day, YYYY-MM-DD")
    return value


Day = Annotated[date, BeforeValidator(_written_day)]


class RunQuery(BaseModel):
    """Which runs."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(50, ge=1, le=1000, description="The most to give")
    offset: int = Field(0, ge=0, le=10**9, description="How many of the newest to leave out")
    emotion: str | None = Field(None, description="Only of this emotion", examples=["angry"])
    model: str | None = Field(None, description="Only by this model")
    name: str | None = Field(None, description="Only with this in the recording's name")
    since: Day | None = Field(None, description="From this local day on", examples=["2026-01-31"])
    until: Day | None = Field(None, description="Up to this local day", examples=["2026-12-31"])

    def filter(self, owner: str | None) -> RunFilter:
        """As the index takes it."""
        days = {name: str(day) for name in ("since", "until") if (day := getattr(self, name))}
        return RunFilter(self.emotion, self.model, self.name, **days, owner=owner)


class Run(BaseModel):
    """One run in a list."""

    run_id: str = Field(description="Name of its folder")
    timestamp: str = Field(description="Local time, YYYY-MM-DD HH:MM:SS")
    file: str = Field(description="Name of the recording")
    duration_s: float = Field(description="Its length")
    emotion: str = Field(description="The label with the highest score")
    confidence: float = Field(description="The highest score")
    model: str = Field(description="Name of the model")
    granularity: str = Field(description="`utterance`, `frame` or `segment`")
    uncertain: bool = Field(description="Whether the confidence is below what was asked for")
    no_speech: bool = Field(description="Whether no speech was found: the emotion means nothing")


class Runs(BaseModel):
    """Runs, newest first."""

    runs: list[Run]
    total: int = Field(description="How many fit the query in all")
    models: list[str] = Field(description="The models of all the caller's runs, for `model`")


class Restored(BaseModel):
    """A run that is there again."""

    run_id: str = Field(description="Its id: with another suffix where its name was taken")


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["runs"])
    _add_results(routes, context)
    _add_files(routes, context)
    _add_deletion(routes, context)
    return routes


def owner_of_runs(context: Context, connection: HTTPConnection) -> str | None:
    """Whose runs the asker may see; None for all.

    Raises:
        SharedServerError: None, because nothing tells askers apart.
        HistoryOffError: None, because the history is switched off.
    """
    check_history(context.config.server)
    return caller_of(connection)


def _add_results(routes: APIRouter, context: Context) -> None:
    store = context.service.store

    @routes.get(f"{PREFIX}/runs", summary="List stored runs", responses=problems(*_PROBLEMS))
    def runs(request: Request, query: Annotated[RunQuery, Query()]) -> Runs:
        """Newest first. Where keys or passwords are configured, only the caller's own."""
        owner = owner_of_runs(context, request)
        where = query.filter(owner)
        found, total = store.search(limit=query.limit, offset=query.offset, where=where)
        listed = [Run(**_without_owner(asdict(one))) for one in found]
        return Runs(runs=listed, total=total, models=store.models(owner))

    @routes.get(
        _RUN,
        summary="Give the result of a run",
        response_model=Recognition,
        responses=problems(*_PROBLEMS),
    )
    async def run(request: Request, run_id: str) -> Response:
        """What `result.json` holds, and the addresses of the run's files."""
        caller = owner_of_runs(context, request)
        result = await run_in_threadpool(store.result, run_id, caller)
        files = await run_in_threadpool(store.files, run_id, caller)
        return await json_response({**result, "run_id": run_id, "files": links(run_id, files)})


def _add_files(routes: APIRouter, context: Context) -> None:
    store = context.service.store

    @routes.get(
        f"{_RUN}/{{file}}",
        summary="Download a file of a run",
        response_class=FileResponse,
        responses={
            200: {"description": "The file, with its own type", "content": {"*/*": {}}},
            206: {
                "description": "A part of it, where `Range` asks for one",
                "content": {"*/*": {}},
            },
            416: {"description": "The part is beyond its end", "content": {"text/plain": {}}},
            **problems(*_PROBLEMS),
        },
    )
    def file(request: Request, run_id: str, file: str) -> FileResponse:
        """`result.json`, `processed_audio.wav`, `embedding.npy` and exports."""
        found = {path.name: path for path in store.files(run_id, owner_of_runs(context, request))}
        if file not in found:
            raise RunNotFoundError(run_id=f"{run_id}/{file}")
        # Never shown in the server's own origin: a report is a page with a script.
        return FileResponse(found[file], filename=file, content_disposition_type="attachment")


def _add_deletion(routes: APIRouter, context: Context) -> None:
    store = context.service.store

    @routes.delete(
        _RUN, status_code=204, summary="Delete a run", responses=problems(*_PROBLEMS, 503)
    )
    def delete(
        request: Request,
        run_id: str,
        undo: Annotated[
            bool, Query(description="Whether it can be restored for 10 minutes")
        ] = False,
    ) -> None:
        """The folder is removed from the server for good; with `undo` ten minutes later, or when
        the server ends."""
        store.delete(run_id, owner_of_runs(context, request), undo=undo)

    @routes.post(
        f"{_RUN}/restore",
        summary="Undo the deletion of a run",
        responses=problems(*_PROBLEMS, 503),
    )
    def restore(request: Request, run_id: str) -> Restored:
        """Brings back a run that was deleted with `undo`, ten minutes ago at most."""
        return Restored(run_id=store.restore(run_id, owner_of_runs(context, request)))


def _without_owner(summary: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in summary.items() if name != "owner"}
