"""One ASGI guard in front of the page and the API, for HTTP and WebSocket alike.

It checks whom the request is for (Host), which page sent it (Origin) and, where keys or passwords
are configured, who asks. Routes find the caller in the scope's state (`emotion.api.asking`).
"""

from __future__ import annotations

from typing import Final

from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from emotion.api.asking import has_unread_body, language_of, request_id_of
from emotion.api.gate import Gate
from emotion.api.problems import problem_response
from emotion.core.access_errors import TriesError, UnauthorizedError
from emotion.core.errors import EmotionError

LOGIN: Final = "/login"
PUBLIC: Final = frozenset({"/healthz", "/readyz", LOGIN})
_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="emotion"'}


class Guard:
    """Wraps an ASGI app.

    Args:
        app: The app.
        gate: Checks requests.
    """

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        # Gradio would take the address of its page from it.
        headers = [(k, v) for k, v in scope["headers"] if k != b"x-forwarded-host"]
        # In the same scope, from which `RequestIdMiddleware` reads which route was found.
        scope["headers"] = headers
        connection = HTTPConnection(scope)
        identity = None
        try:
            self._gate.check_address(connection)
            if scope["path"] not in PUBLIC:
                identity = await self._gate.identity(connection)
        except EmotionError as e:
            await _refuse(e, connection, receive, send)
            return
        state = scope.setdefault("state", {})
        state["caller"] = identity.name if identity else None
        state["operator"] = identity.operator if identity else not self._gate.access.required
        await self._app(scope, receive, send)


async def _refuse(
    error: EmotionError, connection: HTTPConnection, receive: Receive, send: Send
) -> None:
    scope = connection.scope
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": error.code})
        return
    response: Response
    wants_page = "text/html" in connection.headers.get("accept", "")
    if isinstance(error, UnauthorizedError) and scope["method"] == "GET" and wants_page:
        up = "../" * (scope["path"].count("/") - 1)  # also below a proxy's folder
        response = RedirectResponse(up + LOGIN[1:], 303, {"Cache-Control": "no-store"})
    else:
        headers = _CHALLENGE if isinstance(error, UnauthorizedError) else {}
        if isinstance(error, TriesError):
            headers = {"Retry-After": str(error.params["wait_s"])}
        language, request_id = language_of(connection), request_id_of(connection)
        unread = has_unread_body(connection)
        response = problem_response(error, language, request_id, headers, unread=unread)
    await response(scope, receive, send)
