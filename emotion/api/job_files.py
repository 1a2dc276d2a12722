"""``/api/v1/jobs/{id}/…``: tables of results, one ZIP file with all, files of each recording."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from emotion.api.answers import PREFIX
from emotion.api.asking import caller_of
from emotion.api.context import Context
from emotion.api.job_outputs import TABLE_TYPES, TableKind, table, zipped
from emotion.api.openapi import problems
from emotion.core.errors import RunNotFoundError
from emotion.services.batch import Batch
from emotion.services.batches import MOST_RECORDINGS
from emotion.storage.run_store import AUDIO_FILE

_JOB: Final = f"{PREFIX}/jobs/{{job_id}}"
_PROBLEMS: Final = (401, 403, 404, 422, 429, 500, 503)
_FILE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file, with its own type", "content": {"*/*": {}}},
    206: {"description": "A part of it, where `Range` asks for one", "content": {"*/*": {}}},
    416: {"description": "The part is beyond its end", "content": {"text/plain": {}}},
    **problems(*_PROBLEMS),
}
Index = Annotated[int, Path(ge=0, lt=MOST_RECORDINGS, description="The place in the request")]


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["jobs"])
    _add_tables(routes, context)
    _add_items(routes, context)
    return routes


def _add_tables(routes: APIRouter, context: Context) -> None:
    @routes.get(
        f"{_JOB}/table.{{kind}}",
        summary="Give the results of a job as a table",
        response_class=FileResponse,
        responses=_FILE,
    )
    async def results(request: Request, job_id: str, kind: TableKind) -> FileResponse:
        """A row for each recording that has ended, in the order of the request: CSV (UTF-8 with
        a byte order mark), JSON lines or Parquet, with the columns of tables that came with the
        recordings."""
        batch = _found(context, request, job_id)
        path = await run_in_threadpool(table, batch, kind)
        return FileResponse(
            path,
            media_type=TABLE_TYPES[kind],
            filename=f"emotion-{batch.id[:8]}.{kind}",
            background=BackgroundTask(path.unlink, missing_ok=True),
        )

    @routes.get(
        f"{_JOB}/outputs.zip",
        summary="Give all that a job left",
        response_class=StreamingResponse,
        responses={
            200: {"description": "A ZIP file", "content": {"application/zip": {}}},
            **problems(*_PROBLEMS),
        },
    )
    async def outputs(request: Request, job_id: str) -> StreamingResponse:
        """The tables, and the files of each stored run below the recording's name. It is made
        while it is sent."""
        batch = _found(context, request, job_id)
        name = f'attachment; filename="emotion-{batch.id[:8]}.zip"'
        headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
        parts = zipped(batch, context.service.store)
        return StreamingResponse(parts, 200, headers, "application/zip")


def _add_items(routes: APIRouter, context: Context) -> None:
    store = context.service.store

    @routes.get(
        f"{_JOB}/items/{{index}}/{{file}}",
        summary="Download a file of a recording's run",
        response_class=FileResponse,
        responses=_FILE,
    )
    async def item(request: Request, job_id: str, index: Index, file: str) -> FileResponse:
        """What `/runs` serves of a run, to whoever knows the job."""
        batch = _found(context, request, job_id)
        run_id = batch.run_id(index)
        files = await run_in_threadpool(store.files, run_id, batch.owner)
        found = {path.name: path for path in files}
        if file not in found:
            raise RunNotFoundError(run_id=f"{run_id}/{file}")
        # Only sound is shown in the server's own origin: a report is a page with a script.
        shown = "inline" if file == AUDIO_FILE else "attachment"
        return FileResponse(found[file], filename=file, content_disposition_type=shown)


def _found(context: Context, request: Request, job_id: str) -> Batch:
    return context.batches.find(job_id, caller_of(request))
