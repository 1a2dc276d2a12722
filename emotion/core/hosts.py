"""Hosts in addresses: which are this machine's own, and which a Host header may name."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from urllib.parse import urlsplit

_OWN = "localhost"


def host_of(authority: str) -> str:
    """The host in ``host`` or ``host:port``, without brackets, in small letters; empty if none."""
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host that is listened on."""
    host = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == _OWN


def is_address(host: str) -> bool:
    """Whether a host is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def origin_of(url: str) -> str | None:
    """Scheme, host and port of an address; None where it is not one of http or https."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, usual) else "")


class Hosts:
    """Which hosts a request may name.

    DNS rebinding lets a page of another site reach this server by a name of that site. Addresses
    cannot be rebound, so they pass, and so do the names that the operator gave.

    Args:
        public_urls: Where people reach the server.
        host: Where it listens.
    """

    def __init__(self, public_urls: Sequence[str], host: str) -> None:
        self._names = {_OWN, host.lower(), *(host_of(urlsplit(u).netloc) for u in public_urls)}
        self._origins = {origin_of(url) for url in public_urls}

    def knows(self, authority: str) -> bool:
        """Whether a Host header names this server."""
        host = host_of(authority)
        return host in self._names or is_address(host)

    def same_origin(self, origin: str, authority: str) -> bool:
        """Whether a page of an origin is one of this server's own.

        Args:
            origin: The Origin header.
            authority: The Host header.
        """
        found = origin_of(origin)
        if found is None:  # "null", of a sandboxed page
            return False
        scheme = found.partition("://")[0]  # a proxy may have taken TLS off
        return found in self._origins or found == origin_of(f"{scheme}://{authority}")
