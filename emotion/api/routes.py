"""All routes of the API below ``/api/v1``."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, FastAPI

from emotion.api import jobs, recognize, runs
from emotion.api.context import Context
from emotion.api.openapi import add_docs
from emotion.api.problems import add_handlers
from emotion.api.request_ids import RequestIdMiddleware
from emotion.api.sources import Sources
from emotion.api.uploads import Uploads
from emotion.core.config import Config
from emotion.services.batches import Batches
from emotion.services.recognitions import RecognitionService


def add_api(app: FastAPI, config: Config, service: RecognitionService) -> None:
    """Adds the API to an app; call it before the page is mounted.

    Args:
        app: The app.
        config: Options.
        service: Runs the recognitions.
    """
    uploads = Uploads(config.audio.max_upload_bytes, config.server.request_timeout_s)
    batches = Batches(service.jobs)
    context = Context(config, service, uploads, Sources(config), batches)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        uploads.open()
        try:
            yield
        finally:
            await batches.close()
            uploads.close()

    add_handlers(app)
    app.add_middleware(RequestIdMiddleware)
    app.include_router(APIRouter(lifespan=lifespan))
    for module in (recognize, jobs, runs):
        app.include_router(module.router(context))
    add_docs(app)
