"""The answer to a body that is not read to its end."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

_PATIENCE_S = 2.0


class RefusalResponse(JSONResponse):
    """Answers at once, and closes the connection a moment later.

    If a server closes a connection while its client still sends, the client often sees a broken
    connection instead of the answer. So whatever comes within two seconds is read and dropped.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the answer."""
        self.headers["Connection"] = "close"
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        if not any(name == b"expect" for name, _ in scope["headers"]):  # who asks first sends none
            with contextlib.suppress(asyncio.TimeoutError, TimeoutError):
                await asyncio.wait_for(_drop(receive), _PATIENCE_S)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drop(receive: Receive) -> None:
    more = True
    while more:
        message = await receive()
        more = message["type"] == "http.request" and message.get("more_body", False)
