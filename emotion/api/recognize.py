"""``POST /api/v1/recognize``: one recording, answered with its result."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from emotion.api import bodies
from emotion.api.answers import PREFIX, Recognition, json_response, recognition
from emotion.api.asking import caller_of, language_of
from emotion.api.context import Context
from emotion.api.openapi import problems, request_body
from emotion.api.options import QueryOptions, RecognizeBody, RecognizeOptions
from emotion.api.waiting import finish
from emotion.services.recognitions import JobRequest

PROBLEMS = (401, 403, 404, 408, 413, 415, 422, 429, 500, 503, 504)


def router(context: Context) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["recognition"])

    @routes.post(
        f"{PREFIX}/recognize",
        summary="Recognise one recording",
        response_model=Recognition,
        responses=problems(*PROBLEMS),
        openapi_extra=request_body(RecognizeBody, RecognizeOptions),
    )
    async def recognize(request: Request, query: Annotated[QueryOptions, Query()]) -> Response:
        """The recording is a multipart `file`, the raw body, or in JSON exactly one of
        `audio_base64`, `audio_path` and `audio_url`. Options are query parameters, form fields or
        JSON fields; those in the body come first."""
        context.service.jobs.check()
        async with context.uploads.folder() as folder:
            options, path = await recording(context, request, query, folder)
            work = JobRequest(
                path,
                options.recognition(language_of(request)),
                store=options.store,
                owner=caller_of(request),
            )
            job = context.service.jobs.submit(work)
            timeout_s = context.config.server.request_timeout_s
            finished = await finish(context.service, job, request, timeout_s)
        answer = recognition(
            finished, options.embedding_format, linked=context.config.server.lists_runs
        )
        return await json_response(answer)

    return routes


async def recording(
    context: Context, request: Request, query: QueryOptions, folder: Path
) -> tuple[RecognizeOptions, Path]:
    """The options of a request and the recording that it brings or names.

    Args:
        context: What the routes share.
        request: The request.
        query: Options in its query.
        folder: Where the recording goes.

    Raises:
        EmotionError: The request is not one that is answered.
    """
    asked = await bodies.read(context, request, query, folder, RecognizeBody)
    if asked.named is None:
        return asked.options, asked.files[0]
    return asked.options, await context.sources.find(asked.named, folder)
