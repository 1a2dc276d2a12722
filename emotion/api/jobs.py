"""``/api/v1/jobs``: long recordings, and many in one request."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from emotion.api import bodies
from emotion.api.answers import json_response
from emotion.api.asking import caller_of, language_of, request_id_of
from emotion.api.context import Context
from emotion.api.job_answers import (
    JOBS,
    MOST_FILES,
    NDJSON,
    Job,
    JobLine,
    JobList,
    JobsBody,
    line_maker,
)
from emotion.api.job_bundles import Bundle, bundled
from emotion.api.job_items import named
from emotion.api.job_streams import END, HEADERS, cancelling, events, lines
from emotion.api.openapi import inlined, problems, request_body
from emotion.api.options import QueryOptions, RecognizeOptions
from emotion.core.access_errors import SharedServerError
from emotion.services.batch import Batch, BatchPlan, Beside
from emotion.services.recognitions import JobRequest

_JOB: Final = f"{JOBS}/{{job_id}}"
_SENDING: Final = (401, 403, 404, 408, 413, 415, 422, 429, 500, 503)
_ASKING: Final = (401, 403, 404, 422, 500)
_LINES: Final[dict[str, Any]] = {
    "description": "A line of JSON for each recording, in the order in which they end",
    "content": {NDJSON: {"schema": inlined(JobLine)}},
}
_EVENTS: Final[dict[str, Any]] = {
    "description": "Events `progress` and `end` with the job, `result` with `index`, `file` and "
    "`status` of a recording that has ended",
    "content": {"text/event-stream": {}},
}


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["jobs"])
    _add_begin(routes, context)
    _add_list(routes, context)
    _add_streams(routes, context)
    return routes


def _add_begin(routes: APIRouter, context: Context) -> None:
    @routes.post(
        JOBS,
        status_code=202,
        summary="Recognise many recordings, or a long one",
        response_model=Job,
        responses={200: _LINES, **problems(*_SENDING)},
        openapi_extra=request_body(JobsBody, RecognizeOptions, many=True),
    )
    async def begin(request: Request, query: Annotated[QueryOptions, Query()]) -> Response:
        """Up to 5,000 recordings: multipart `file`, whose names may have sub-folders, the raw
        body of one, or in JSON exactly one of `audio_base64`, `audio_path` and `audio_url`, or
        `items`, a list of such. ZIP files are unpacked, and the columns of a CSV or TSV file with
        a column `path` or `file` pass through to the tables of results. The options are those of
        `/recognize` and count for all. With `Accept: application/x-ndjson` the answer is
        200 and the results as they come; if the connection ends, so does the job."""
        context.batches.check()  # before the recordings are read
        batch = await _begin(context, request, query)
        own = _job(batch, request)
        if NDJSON in _accepted(request):
            headers = {**HEADERS, "Content-Location": own.links.results}
            stream = cancelling(batch, lines(batch))
            return StreamingResponse(stream, 200, headers, NDJSON)
        answer = await json_response(own.model_dump(mode="json"))
        answer.status_code = 202
        answer.headers["Location"] = own.links.self
        return answer


def _add_list(routes: APIRouter, context: Context) -> None:
    @routes.get(JOBS, summary="List jobs", responses=problems(401, 403, 500))
    async def jobs(request: Request) -> JobList:
        """The caller's own, newest first: those that run, and those of the last hour."""
        if context.config.server.shared:
            raise SharedServerError()
        found = context.batches.owned(caller_of(request))
        return JobList(jobs=[_job(batch, request) for batch in found])

    @routes.get(_JOB, summary="Tell how far a job is", responses=problems(*_ASKING))
    async def job(request: Request, job_id: str) -> Job:
        """A job is remembered for an hour after its end."""
        return _job(_found(context, request, job_id), request)

    @routes.delete(
        _JOB, status_code=204, summary="Cancel or forget a job", responses=problems(*_ASKING)
    )
    async def cancel(request: Request, job_id: str) -> None:
        """Cancels one that has not ended: its results so far can still be read. Forgets one that
        has. Stored runs stay."""
        await context.batches.remove(_found(context, request, job_id))


def _add_streams(routes: APIRouter, context: Context) -> None:
    @routes.get(
        f"{_JOB}/results",
        summary="Stream the results of a job",
        response_class=StreamingResponse,
        responses={200: _LINES, **problems(*_ASKING)},
    )
    async def results(
        request: Request,
        job_id: str,
        start: Annotated[
            int, Query(alias="from", ge=0, le=MOST_FILES, description="The first line, from 0")
        ] = 0,
    ) -> Response:
        """A line for each recording, in the order in which they end, until all have ended."""
        batch = _found(context, request, job_id)
        return StreamingResponse(lines(batch, start), 200, HEADERS, NDJSON)

    @routes.get(
        f"{_JOB}/events",
        summary="Follow a job",
        response_class=StreamingResponse,
        responses={
            200: _EVENTS,
            204: {"description": "All events were told before"},
            **problems(*_ASKING),
        },
    )
    async def follow(
        request: Request,
        job_id: str,
        last_event_id: Annotated[str, Header(description="Where a broken connection goes on")] = "",
    ) -> Response:
        """Server-sent events: `progress` at each change, a few a second at most; `result` for
        each recording that has ended; `end` last."""
        batch = _found(context, request, job_id)
        if last_event_id == END:
            return Response(status_code=204)  # which ends the reconnecting of browsers
        seen = int(last_event_id) if last_event_id.isdecimal() else 0
        stream = events(batch, seen, lambda: _job(batch, request))
        return StreamingResponse(stream, 200, HEADERS, "text/event-stream")


def _found(context: Context, request: Request, job_id: str) -> Batch:
    return context.batches.find(job_id, caller_of(request))


def _job(batch: Batch, request: Request) -> Job:
    root = str(request.scope.get("root_path", "")).rstrip("/")
    return Job.of(batch, root, language_of(request), request_id_of(request))


def _accepted(request: Request) -> set[str]:
    parts = request.headers.get("accept", "").lower().split(",")
    return {part.partition(";")[0].strip() for part in parts}


async def _begin(context: Context, request: Request, query: QueryOptions) -> Batch:
    folder = context.uploads.make()
    try:
        received = folder / "received"
        received.mkdir()
        asked = await bodies.read(context, request, query, received, JobsBody, MOST_FILES)
        language = language_of(request)
        options, wanted = asked.options, asked.options.recognition(language)
        owner = caller_of(request)

        def work(path: Path) -> JobRequest:
            return JobRequest(path, wanted, store=options.store, owner=owner)

        work(received)  # checks the options
        if asked.named is None:
            most = context.config.audio.max_upload_bytes
            bundle = await run_in_threadpool(bundled, asked.files, asked.names, most)
        else:
            bundle = Bundle(await named(context.sources, asked.named, received), Beside())
        request_id = request_id_of(request)
        linked = context.config.server.lists_runs
        line = line_maker(options.embedding_format, linked, language, request_id)
        plan = BatchPlan(bundle.items, work, line, folder, owner, request_id, bundle.beside)
        return context.batches.start(plan)
    except BaseException:
        await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)
        raise
