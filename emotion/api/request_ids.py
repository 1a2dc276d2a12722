"""Pure ASGI middleware: each request gets an id, is counted and logged, and is answered."""

from __future__ import annotations

import logging
import re
import secrets
import time
from typing import Final
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion.api.asking import language_of
from emotion.api.problems import problem_response
from emotion.api.request_stats import POLLS, RequestStats
from emotion.core import logs
from emotion.core.request_errors import InternalError

logger = logging.getLogger(__name__)

HEADER: Final = "X-Request-ID"
# Their answers take as long as what they tell of; what counts is when they begin.
_STREAMS: Final = ("text/event-stream", "application/x-ndjson")
_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIdMiddleware:
    """Wraps an ASGI app.

    A sane ``X-Request-ID`` is taken over, else one is made; the answer carries it, and so does
    ``state.request_id`` and each line of the log. Calls of the API get one line each (polls of
    pages at level DEBUG): never a query, a header or a body.

    Args:
        app: The app.
        stats: Counts the requests.
    """

    def __init__(self, app: ASGIApp, stats: RequestStats | None = None) -> None:
        self._app = app
        self._stats = stats or RequestStats()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _SANE.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        token = logs.request_id.set(request_id)
        started, status, stream_s = time.perf_counter(), 0, None
        self._stats.began()

        async def answer(message: Message) -> None:
            nonlocal status, stream_s
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = request_id
                if headers.get("content-type", "").startswith(_STREAMS):
                    stream_s = time.perf_counter() - started
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except Exception:
            if status or not is_api(scope):
                raise
            logger.exception("request %s failed", request_id)
            error = InternalError(request_id=request_id)
            response = problem_response(error, language_of(HTTPConnection(scope)), request_id)
            await response(scope, receive, answer)
        finally:
            took_s, call = time.perf_counter() - started, is_api(scope)
            self._stats.ended(scope, status, took_s if stream_s is None else stream_s, call=call)
            if call:
                _log(scope, status, took_s)
            logs.request_id.reset(token)


def _log(scope: Scope, status: int, took_s: float) -> None:
    logger.log(
        logging.DEBUG if scope["path"] in POLLS else logging.INFO,
        "%s %s %s in %.0f ms",
        scope["method"],
        quote(scope["path"]),  # a path may hold the end of a line
        status or "unanswered",
        1000 * took_s,
    )


def is_api(scope: Scope) -> bool:
    """Whether a request is one of the API's: any below ``/api``."""
    path: str = scope["path"]
    return path == "/api" or path.startswith("/api/")
