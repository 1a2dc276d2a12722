"""Fetches a recording from an address that a caller names, and from nowhere else.

Only hosts that the operator allows, only http and https, only public addresses. The address is
resolved and checked here, and the connection goes to the address that was checked, so a name that
resolves to something else a moment later gains nothing. Each redirect is checked the same way.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from emotion.core.errors import AudioTooLargeError, OutputError
from emotion.core.request_errors import AddressForbiddenError, FetchError

if TYPE_CHECKING:
    import httpx

TIMEOUT_S: Final = 60.0
_REDIRECTS = 5
_PORTS: Final = {"http": 80, "https": 443}
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


async def resolve(host: str, port: int) -> list[str]:
    """The IP addresses of a host.

    Raises:
        OSError: It has none.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet, also inside IPv6 transition addresses."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip.is_site_local:
            return False
    reserved = ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_reserved
    return ip.is_global and not (reserved or ip.is_multicast or ip.is_unspecified)


@dataclass(frozen=True)
class Fetcher:
    """Fetches recordings.

    Attributes:
        hosts: Allowed hosts, or ``host:port``; without a port, those of http and https.
        maximum_bytes: The largest file.
        timeout_s: A file must be complete within this time.
        resolve: Gives the IP addresses of a host.
        public: Whether an IP address may be connected to.
    """

    hosts: tuple[str, ...]
    maximum_bytes: int
    timeout_s: float = TIMEOUT_S
    resolve: Resolve = resolve
    public: Callable[[str], bool] = is_public

    async def fetch(self, url: str, folder: Path, name: Callable[[str], str]) -> Path:
        """Fetches a file.

        Args:
            url: Its address.
            folder: Where it goes.
            name: Makes a safe file name of the last part of the address.

        Returns:
            The file in the folder.

        Raises:
            AddressForbiddenError: The address, or one that it leads to, is not allowed.
            AudioTooLargeError: The file is too large.
            FetchError: It could not be fetched, or not in time.
            OutputError: It cannot be written.
        """
        try:
            return await asyncio.wait_for(self._fetch(url, folder, name), self.timeout_s)
        except (asyncio.TimeoutError, TimeoutError):  # two classes before Python 3.11
            raise FetchError(url=url, reason="it took too long") from None

    async def _fetch(self, url: str, folder: Path, name: Callable[[str], str]) -> Path:
        import httpx  # on first use: a server starts without it

        try:
            target = httpx.URL(url)
            async with httpx.AsyncClient(trust_env=False, timeout=self.timeout_s) as client:
                for _ in range(_REDIRECTS + 1):
                    async with self._request(client, target) as response:
                        if response.has_redirect_location:
                            target = target.join(response.headers["location"])
                            continue
                        if response.status_code != httpx.codes.OK:
                            raise FetchError(url=url, reason=f"HTTP {response.status_code}")
                        path = folder / name(unquote(target.path))
                        await self._save(response, path)
                        return path
        except (httpx.InvalidURL, httpx.HTTPError) as e:
            raise FetchError(url=url, reason=str(e) or type(e).__name__) from e
        raise FetchError(url=url, reason="it has too many redirects")

    @contextlib.asynccontextmanager
    async def _request(
        self, client: httpx.AsyncClient, target: httpx.URL
    ) -> AsyncIterator[httpx.Response]:
        address = await self._checked(target)
        request = client.build_request(
            "GET",
            target.copy_with(host=address),
            headers={"Host": target.netloc.decode("ascii"), "Accept-Encoding": "identity"},
            extensions={"sni_hostname": target.raw_host.decode("ascii")},
        )
        response = await client.send(request, stream=True)
        try:
            yield response
        finally:
            await response.aclose()

    async def _checked(self, target: httpx.URL) -> str:
        """The IP address to connect to."""
        url, host = str(target), target.raw_host.decode("ascii").lower().rstrip(".")
        port = target.port or _PORTS.get(target.scheme)
        if target.scheme not in _PORTS or port is None:
            raise AddressForbiddenError(url=url, reason="only http and https are")
        if target.userinfo:
            raise AddressForbiddenError(url=f"{host}", reason="it has a user name")
        hosts = [allowed.lower().rstrip(".") for allowed in self.hosts]
        if f"{host}:{port}" not in hosts:
            if host not in hosts:
                raise AddressForbiddenError(url=url, reason="its host is not allowed")
            if port not in _PORTS.values():
                raise AddressForbiddenError(url=url, reason="its port is not allowed")
        try:
            addresses = await self.resolve(host, port)
        except OSError as e:
            raise FetchError(url=url, reason=e.strerror or str(e)) from e
        if not addresses or not all(map(self.public, addresses)):
            raise AddressForbiddenError(url=url, reason="it is a private address")
        return addresses[0]

    async def _save(self, response: httpx.Response, path: Path) -> None:
        size = int(response.headers.get("content-length", "0"))
        self._check_size(path, size)
        try:
            with path.open("xb") as file:
                async for chunk in response.aiter_raw():
                    file.write(chunk)
                    self._check_size(path, file.tell())
        except OSError as e:
            raise OutputError(path="uploads", reason=e.strerror or e) from e

    def _check_size(self, path: Path, size: int) -> None:
        if size > self.maximum_bytes:
            limit_mb = self.maximum_bytes / 1e6
            raise AudioTooLargeError(file=path.name, size_mb=size / 1e6, maximum_mb=limit_mb)
