"""Who asks, and whether the request is for this server at all."""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from emotion.api.sessions import Sessions
from emotion.api.tries import FailedTries
from emotion.core.access_errors import (
    HostForbiddenError,
    OriginForbiddenError,
    TriesError,
    UnauthorizedError,
)
from emotion.core.config import ServerConfig
from emotion.core.hosts import Hosts
from emotion.services.access import Access, Identity

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """Checks Host, Origin, keys, passwords and sessions.

    Args:
        config: Where keys and passwords are, and by which addresses people come.

    Attributes:
        access: Checks keys and passwords.
        sessions: The browsers that have signed in.

    Raises:
        CredentialsError: A file of keys or passwords cannot be used.
    """

    def __init__(self, config: ServerConfig) -> None:
        self.access = Access(config.credential_files)
        self.sessions = Sessions(self.access, config.port)
        self._hosts = Hosts(config.public_urls, config.host)
        self._tries = FailedTries()
        self._one = asyncio.Lock()  # scrypt takes 32 MB, and tries must be counted one by one

    def check_address(self, connection: HTTPConnection) -> None:
        """Checks whom a request is for, and which page sent it.

        Raises:
            HostForbiddenError: It is for another server.
            OriginForbiddenError: It would change something, and comes from another site's page.
        """
        host = connection.headers.get("host", "")
        if not self._hosts.knows(host):
            raise HostForbiddenError(host=host)
        origin = connection.headers.get("origin")
        reads = connection.scope.get("method") in _READS  # a WebSocket has no method
        if origin is not None and not reads and not self._hosts.same_origin(origin, host):
            raise OriginForbiddenError(origin=origin)

    async def identity(self, connection: HTTPConnection) -> Identity | None:
        """Who asks; None where anyone may.

        Raises:
            UnauthorizedError: Nobody that is known.
            TriesError: Too many wrong keys or passwords came from there.
        """
        if not self.access.required:
            return None
        key, name, password = _credentials(connection.headers)
        if key is not None:
            found = self.access.key(key) or await self.check(connection)
        elif name is not None:
            found = await self.check(connection, name, password)
        else:
            found = self.sessions.identity(connection.cookies)
        if found is None:
            raise UnauthorizedError()
        return found

    async def check(
        self, connection: HTTPConnection, name: str | None = None, password: str = ""
    ) -> Identity | None:
        """Whose password it is; None where it is wrong. A wrong key has no name.

        Raises:
            TriesError: Too many wrong keys or passwords came from there.
        """
        address = connection.client.host if connection.client else ""
        async with self._one:
            wait_s = self._tries.wait_s(address)
            if wait_s:
                raise TriesError(wait_s=wait_s)
            found = None
            if name is not None:
                found = self.access.known_password(name, password)
                if found is None:
                    found = await run_in_threadpool(self.access.password, name, password)
            if found is None:
                self._tries.failed(address)
            else:
                self._tries.succeeded(address)
            return found


def _credentials(headers: Headers) -> tuple[str | None, str | None, str]:
    """The key, or the name and the password, in a request's headers."""
    key = headers.get("x-api-key")
    if key:
        return key, None, ""
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip(), None, ""
    if scheme.lower() == "basic":
        try:
            text = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            text = ""
        name, _, password = text.partition(":")
        return None, name, password
    return None, None, ""
