"""How long clients are waited for: over the head of a request, and at the server's end.

uvicorn waits as long as it takes for a request's line and headers, so a client that sends a byte a
second keeps a connection and its file descriptor. Such clients block nobody, because nothing runs
for them, until there are as many as the process may have files. uvicorn's ``limit_concurrency`` is
of no use against them: it counts their connections, and refuses everybody else's requests.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from emotion.api.asking import language_of, request_id_of
from emotion.api.problems import problem_response
from emotion.core.errors import ModelNotReadyError

try:
    import resource
except ImportError:  # not a Unix
    resource = None  # type: ignore[assignment]

HEAD_S: Final = 20.0
_MOST_FILES: Final = 65_536


class PatientProtocol(H11Protocol):
    """Closes a connection whose first request, or one that has begun, is not there in time.

    Between two requests nothing is on its way, and uvicorn's own ``timeout_keep_alive`` counts.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._waits:
            self._forget()
        elif self._deadline is None:
            self._expect()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._waits and self.conn.trailing_data[0]:  # came before the answer had ended
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    @property
    def _waits(self) -> bool:
        """Whether no request is being answered, on what is a connection of HTTP still."""
        idle = self.cycle is None or self.cycle.response_complete
        return idle and self in self.connections

    def _expect(self) -> None:
        self._forget()
        self._deadline = self.loop.call_later(HEAD_S, self._give_up)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if self._waits:
            self.transport.close()


class StopMiddleware:
    """Pure ASGI middleware that answers requests which the end of the server cuts off.

    uvicorn cancels what has not been answered some seconds after it was told to stop: mostly
    uploads under way. It would call that an error of the server.

    Args:
        app: The app.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        started = False

        async def answer(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, answer)
        except asyncio.CancelledError:
            if scope["type"] != "http" or started:
                raise
            asker, error = (
                HTTPConnection(scope),
                ModelNotReadyError(reason="the server is stopping"),
            )
            headers = {"Connection": "close"}
            response = problem_response(error, language_of(asker), request_id_of(asker), headers)
            await response(scope, receive, send)


def allow_many_connections() -> None:
    """Raises the number of files that this process may have open, as far as it may itself."""
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        most = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
        if soft != resource.RLIM_INFINITY and soft < most:
            with contextlib.suppress(OSError, ValueError):  # macOS has a lower limit of its own
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
