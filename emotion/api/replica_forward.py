"""Passes a request on to another replica, and its answer back, piece by piece."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from emotion.api.asking import language_of, request_id_of
from emotion.api.problems import problem_response
from emotion.core.errors import ModelNotReadyError

logger = logging.getLogger(__name__)

KEY_HEADER: Final = b"x-emotion-replica-key"
# Of one connection, not of a message (RFC 9110, 7.6.1).
_HOP_BY_HOP: Final = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
_CLIENT: Final = b"x-forwarded-for"
_CONNECT_S: Final = 5.0
_MOST: Final = 1000  # requests under way to other replicas


class PeerGoneError(Exception):
    """The other replica does not answer, and nothing of the request has been lost."""


class Forwarder:
    """Passes requests on.

    Args:
        key: What replicas know each other by.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._client: httpx.AsyncClient | None = None  # made in the event loop that uses it

    async def forward(self, address: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Has another replica answer a request.

        Args:
            address: Of the other replica, ``http://HOST:PORT``.
            scope: The request.
            receive: Gives its body.
            send: Takes the answer.

        Raises:
            PeerGoneError: It cannot be reached; the body has not been read.
        """
        request = self._request(address, scope, _body(receive))
        try:
            answer = await self._opened().send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as e:
            raise PeerGoneError(str(e)) from e
        except httpx.HTTPError as e:  # it ended while it answered
            logger.warning("a replica broke off: %s", e)
            error, asker = (
                ModelNotReadyError(reason="the server is stopping"),
                HTTPConnection(scope),
            )
            response = problem_response(error, language_of(asker), request_id_of(asker))
            await response(scope, receive, send)
            return
        try:
            await _pass_back(answer, receive, send)
        finally:
            await answer.aclose()

    async def fetch(self, address: str, scope: Scope, timeout_s: float) -> bytes:
        """The body of another replica's answer to a request without one; empty where it fails."""
        try:
            request = self._request(address, scope, None)
            answer = await asyncio.wait_for(self._opened().send(request), timeout_s)
        except (httpx.HTTPError, asyncio.TimeoutError) as e:
            logger.warning("a replica does not answer: %s", e)
            return b""
        return answer.content if answer.status_code == 200 else b""

    async def close(self) -> None:
        """Closes the connections to other replicas."""
        if self._client is not None:
            await self._client.aclose()

    def _request(
        self, address: str, scope: Scope, body: AsyncIterator[bytes] | None
    ) -> httpx.Request:
        query = scope.get("query_string", b"")
        path = scope.get("raw_path") or scope["path"].encode()
        target = path.partition(b"?")[0] + (b"?" + query if query else b"")
        url = httpx.URL(address, raw_path=target)
        own = {_CLIENT: str((scope.get("client") or ("",))[0]).encode(), KEY_HEADER: self._key}
        passed = (pair for pair in scope["headers"] if pair[0] not in {*_HOP_BY_HOP, *own})
        headers = [*passed, *own.items()]
        if not {b"content-length", b"transfer-encoding"} & {name for name, _ in scope["headers"]}:
            body = None
        return httpx.Request(scope["method"], url, headers=headers, content=body)

    def _opened(self) -> httpx.AsyncClient:
        if self._client is None:
            limits = httpx.Limits(max_connections=_MOST)
            timeout = httpx.Timeout(None, connect=_CONNECT_S)
            self._client = httpx.AsyncClient(
                limits=limits, timeout=timeout, trust_env=False, follow_redirects=False
            )
        return self._client


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise httpx.RemoteProtocolError("the client has gone")
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body", False):
            return


async def _pass_back(answer: httpx.Response, receive: Receive, send: Send) -> None:
    """Sends the answer on, until its end or the client's."""
    headers = [pair for pair in answer.headers.raw if pair[0].lower() not in _HOP_BY_HOP]
    start: dict[str, Any] = {"status": answer.status_code, "headers": headers}
    await send({"type": "http.response.start", **start})

    async def pieces() -> None:
        async for piece in answer.aiter_raw():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body"})

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    tasks = {asyncio.create_task(pieces()), asyncio.create_task(gone())}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*tasks, return_exceptions=True)
