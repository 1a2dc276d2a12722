"""Routes of the live tab: parts of a recording in, readings out. The page alone calls them."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Final

import numpy as np
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from emotion.api.asking import note_body_read
from emotion.core.config import SAMPLE_RATE_HZ
from emotion.core.request_errors import RequestTooLargeError
from emotion.services.live import STEP_S, WINDOW_S, LiveSessions

_MOST_S: Final = 30  # of audio in one part; after a break of the connection they are longer
_MOST_BYTES: Final = 2 * SAMPLE_RATE_HZ * _MOST_S


def add_live(app: FastAPI, sessions: LiveSessions) -> None:
    """Adds ``/api/v1/live``.

    ``POST /api/v1/live`` gives ``{"id", "window_s", "step_s"}``. ``POST /api/v1/live/{id}`` with
    ``?sequence=N`` takes int16 samples, little endian, 16 kHz mono, and gives ``{"readings"}``.
    ``DELETE /api/v1/live/{id}`` drops the recording. Errors are those of `emotion.api.problems`.

    Args:
        app: The app.
        sessions: The live recordings.
    """

    @app.post("/api/v1/live", status_code=201, include_in_schema=False)
    def begin() -> Response:
        answer = {"id": sessions.open(), "window_s": WINDOW_S, "step_s": STEP_S}
        return JSONResponse(answer, 201, {"Cache-Control": "no-store"})

    @app.post("/api/v1/live/{live_id}", include_in_schema=False)
    async def add(live_id: str, request: Request, sequence: int) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise RequestTooLargeError(maximum_mb=_MOST_BYTES / 1e6)
        note_body_read(request)
        samples = np.frombuffer(body, "<i2", len(body) // 2).astype(np.float32)
        samples /= 32768
        readings = await asyncio.to_thread(sessions.add, live_id, sequence, samples)
        return JSONResponse({"readings": [asdict(reading) for reading in readings]})

    @app.delete("/api/v1/live/{live_id}", status_code=204, include_in_schema=False)
    def drop(live_id: str) -> None:
        sessions.close(live_id)
