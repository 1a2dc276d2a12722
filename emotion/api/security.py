"""Pure ASGI middleware in front of the mounted Gradio app.

It refuses the Gradio routes that fetch addresses or feed FFmpeg on behalf of a visitor, adds the
security headers that Gradio leaves out, and puts the language script first in the page's head.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

# Gradio's HTML templates need eval; its blobs are the recorder's worklet and previews.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "media-src 'self' data: blob:; connect-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"permissions-policy", b"microphone=(self), camera=(), geolocation=()"),
)
# Streams any public address through the server (also by an old spelling of its route for files);
# gives a visitor's bytes to FFmpeg; tells how the server is used.
_DENIED = (
    "/gradio_api/proxy=",
    "/gradio_api/file/",
    "/gradio_api/process_recording",
    "/gradio_api/monitoring",
    "/monitoring",
)
_FILE = "/gradio_api/file="


class SecurityMiddleware:
    """Wraps an ASGI app.

    Args:
        app: The app.
        head: Bytes put right after ``<head>`` of the page at ``/``.
    """

    def __init__(self, app: App, head: bytes) -> None:
        self._app = app
        self._head = head

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if is_denied(scope["path"]):
            await (_forbid(send) if scope["type"] == "http" else _close(send))
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        if scope["path"] != "/":
            await self._app(scope, receive, _with_headers(send))
            return
        # The page is changed below, so it must come uncompressed.
        headers = [(k, v) for k, v in scope["headers"] if k != b"accept-encoding"]
        scope = {**scope, "headers": headers}
        await self._app(scope, receive, self._with_head(_with_headers(send)))

    def _with_head(self, send: Send) -> Send:
        start: Message | None = None
        body = bytearray()

        async def wrapped(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message
                return
            body.extend(message.get("body", b""))
            if message.get("more_body") or start is None:
                return
            page = bytes(body).replace(b"<head>", b"<head>" + self._head, 1)
            headers = [(k, v) for k, v in start["headers"] if k.lower() != b"content-length"]
            headers.append((b"content-length", str(len(page)).encode()))
            await send({**start, "headers": headers})
            await send({"type": "http.response.body", "body": page})

        return wrapped


def is_denied(path: str) -> bool:
    """Whether a path is one of Gradio's routes that visitors must not reach."""
    path = unquote(path)
    if path.startswith(_DENIED):
        return True
    return path.startswith(_FILE) and ":/" in path


def _with_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            known = {name.lower() for name, _ in message["headers"]}
            extra = [header for header in HEADERS if header[0] not in known]
            message = {**message, "headers": [*message["headers"], *extra]}
        await send(message)

    return wrapped


async def _close(send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008, "reason": "Not allowed"})


async def _forbid(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), *HEADERS]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"detail":"Not allowed"}'})
