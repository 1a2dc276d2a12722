"""Several replicas of the server behind one address: a request goes to the one that knows of it.

Each replica keeps its own jobs, uploads and pages. A job's id begins with the tag of its replica,
and a page's cookie holds the tag of the one that sent it, so whichever replica a request comes to,
it is passed on to the right one. Stored runs need none of this: all replicas share their folder.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from emotion.api.job_answers import JOBS
from emotion.api.replica_forward import KEY_HEADER, Forwarder, PeerGoneError

logger = logging.getLogger(__name__)

TAG_LENGTH: Final = 8
_JOB: Final = re.compile(re.escape(JOBS) + r"/([0-9a-f]+)(?:/|$)")
_TOLD_ALL: Final = 10.0  # seconds for all replicas to list their jobs


class Peers(Protocol):
    """Where the replicas are."""

    async def addresses(self) -> Mapping[str, str]:
        """Their addresses, ``http://HOST:PORT``, by their tags."""

    async def forget(self, tag: str) -> None:
        """Takes away one that does not answer."""


class ReplicaRouter:
    """ASGI app in front of a replica's own.

    Args:
        app: The replica's own app.
        tag: Its tag.
        peers: Where the others are.
        key: What replicas know each other by.
        cookie: Name of the cookie that holds the tag of a page's replica.
    """

    def __init__(self, app: ASGIApp, tag: str, peers: Peers, key: str, cookie: str) -> None:
        self._app, self._tag, self._peers = app, tag, peers
        self._cookie = cookie
        self._forwarder = Forwarder(key)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http":
            try:
                await self._app(scope, receive, send)
            finally:
                if scope["type"] == "lifespan":
                    await self._forwarder.close()
            return
        connection = HTTPConnection(scope)
        if scope["path"] == JOBS and scope["method"] == "GET":
            await self._list_jobs(scope, receive, send)
            return
        tag = self._home(connection)
        if tag != self._tag and await self._passed_on(tag, scope, receive, send):
            return
        keep = scope["path"] == "/" and connection.cookies.get(self._cookie) != self._tag
        await self._app(scope, receive, self._keeping(send) if keep else send)

    def _home(self, connection: HTTPConnection) -> str:
        """The tag of the replica that knows of what is asked for."""
        job = _JOB.match(connection.scope["path"])
        if job is not None:
            return job[1][:TAG_LENGTH]
        return connection.cookies.get(self._cookie) or self._tag

    async def _passed_on(self, tag: str, scope: Scope, receive: Receive, send: Send) -> bool:
        address = (await self._peers.addresses()).get(tag)
        if address is None:
            return False  # it has ended: this one answers as well as it can
        try:
            await self._forwarder.forward(address, scope, receive, send)
        except PeerGoneError as e:
            logger.warning("the replica %s does not answer: %s", tag, e)
            await self._peers.forget(tag)
            return False
        return True

    def _keeping(self, send: Send) -> Send:
        """Has an answer set the cookie."""
        cookie = f"{self._cookie}={self._tag}; Path=/; HttpOnly; SameSite=Lax"
        header = (b"set-cookie", cookie.encode())

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        return sending

    async def _list_jobs(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The caller's jobs of all replicas, newest first."""
        own = await _answer_of(self._app, scope, receive)
        if own.status_code != 200:
            await own(scope, receive, send)
            return
        others = {t: a for t, a in (await self._peers.addresses()).items() if t != self._tag}
        asked = [self._forwarder.fetch(address, scope, _TOLD_ALL) for address in others.values()]
        found = [bytes(own.body), *await asyncio.gather(*asked)]
        jobs = [job for body in found if body for job in json.loads(body)["jobs"]]
        jobs.sort(key=lambda job: str(job["created_at"]), reverse=True)
        headers = {name: own.headers[name] for name in own.headers if name != "content-length"}
        await JSONResponse({"jobs": jobs}, 200, headers)(scope, receive, send)


class PeerGate:
    """ASGI app at the address that only other replicas may use.

    Args:
        app: The replica's own app.
        key: What replicas know each other by.
    """

    def __init__(self, app: ASGIApp, key: str) -> None:
        self._app, self._key = app, key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        given = dict(scope.get("headers", ())).get(KEY_HEADER)
        if scope["type"] != "http" or given is None or not hmac.compare_digest(given, self._key):
            await Response(status_code=403)(scope, receive, send)
            return
        headers = [(name, value) for name, value in scope["headers"] if name != KEY_HEADER]
        await self._app({**scope, "headers": headers}, receive, send)


async def _answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> Response:
    """What an app answers, whole."""
    start: dict[str, Any] = {}
    body = bytearray()

    async def keep(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))

    await app(scope, receive, keep)
    response = Response(bytes(body), start["status"])
    response.raw_headers = list(start.get("headers", ()))
    return response
