"""What both clients ask of the connection."""

from __future__ import annotations

from typing import Final

import httpx

from emotion.core.i18n import Lang

_CONNECT_S = 10.0
# Servers close idle connections after 5 s; a call that is sent at that moment would be lost.
LIMITS: Final = httpx.Limits(keepalive_expiry=2.0)


def headers_of(key: str | None, language: Lang) -> dict[str, str]:
    """Headers of every request."""
    headers: dict[str, str] = {"Accept-Language": language}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return headers


def timeout_of(timeout_s: float) -> httpx.Timeout:
    """How long to wait for an answer; less for the connection."""
    return httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_S))


def is_broken(error: httpx.TransportError) -> bool:
    """Whether a connection broke in the middle, so that a stream may go on over a new one."""
    return isinstance(error, (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ReadTimeout))
