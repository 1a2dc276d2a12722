"""All routes of the API below ``/api/v1``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, FastAPI

from emotion.api import (
    classification,
    compare,
    job_files,
    jobs,
    metrics,
    models,
    monitor,
    recognize,
    runs,
    similarity,
)
from emotion.api.context import Context
from emotion.api.openapi import add_docs
from emotion.api.problems import add_handlers
from emotion.api.request_ids import RequestIdMiddleware
from emotion.api.request_stats import RequestStats
from emotion.api.sources import Sources
from emotion.api.uploads import Uploads
from emotion.api.watch import Watch
from emotion.core.config import Config
from emotion.services.batches import Batches
from emotion.services.live import LiveSessions
from emotion.services.recognitions import RecognitionService


def add_api(
    app: FastAPI,
    config: Config,
    service: RecognitionService,
    sessions: LiveSessions | None = None,
    batches: Batches | None = None,
) -> None:
    """Adds the API to an app; call it before the page is mounted.

    Args:
        app: The app.
        config: Options.
        service: Runs the recognitions.
        sessions: The live recordings, if there are any.
        batches: The jobs, where somebody else needs them too.
    """
    uploads = Uploads(config.audio.max_upload_bytes, config.server.request_timeout_s)
    requests = RequestStats()
    watch = Watch(config, service, sessions, requests)
    batches = batches or Batches(service.jobs)
    context = Context(config, service, uploads, Sources(config), watch, batches)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        uploads.open()
        watching = asyncio.create_task(watch.run())
        try:
            yield
        finally:
            watching.cancel()
            await batches.close()
            uploads.close()

    add_handlers(app)
    app.add_middleware(RequestIdMiddleware, stats=requests)
    app.include_router(APIRouter(lifespan=lifespan))
    recognising = (recognize, jobs, job_files, classification, similarity, compare)
    for module in (*recognising, runs, models, metrics, monitor):
        app.include_router(module.router(context))
    add_docs(app)
