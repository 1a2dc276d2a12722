"""What requests were answered, how, and how fast."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Final, NamedTuple

from starlette.types import Scope

from emotion.api import unknown
from emotion.core.stats import Counts, Distribution, geometric

# Upper bounds of the latency of each route, in seconds.
_ROUTE_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
# Finer ones of all calls together, for percentiles.
_ALL_S: Final = geometric(0.001, 600, 1.2)
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
OTHER: Final = "other"
PAGE: Final = "page"
_OWN: Final = frozenset(("api", "healthz", "readyz", "metrics", "openapi.json", "login", "logout"))
# What asks all the time by itself; it would hide the calls that people make.
POLLS: Final = frozenset(("/api/v1/status", "/api/v1/monitor"))


class Answered(NamedTuple):
    """A kind of answered request; there are few of them."""

    route: str
    method: str
    status: str


@dataclass(frozen=True)
class CallCounts:
    """One moment of all calls of the API but the polls of pages.

    Attributes:
        took_s: How long they took.
        refused: Those answered with 4xx.
        failed: Those answered with 5xx.
    """

    took_s: Counts
    refused: int
    failed: int


class RequestStats:
    """Counts requests; safe to use from several threads."""

    def __init__(self) -> None:
        self._answered: Counter[Answered] = Counter()
        self._routes: dict[str, Distribution] = {}
        self._took_s = Distribution(_ALL_S)
        self._classes: Counter[int] = Counter()
        self._open = 0
        self._lock = threading.Lock()

    def began(self) -> None:
        """Counts a request that came."""
        with self._lock:
            self._open += 1

    def ended(self, scope: Scope, status: int, took_s: float, *, call: bool) -> None:
        """Counts a request that is over.

        Args:
            scope: Its ASGI scope, with the route that was found.
            status: Of the answer; 0 where there was none.
            took_s: How long it took: until the answer began for a stream, which may last for
                hours, else until it was complete.
            call: Whether it was a call of the API.
        """
        route = route_of(scope)
        method = scope["method"] if scope["method"] in _METHODS else OTHER
        call = call and route not in POLLS
        with self._lock:
            self._open -= 1
            self._answered[Answered(route, method, str(status) if status else "none")] += 1
            times_s = self._routes.setdefault(route, Distribution(_ROUTE_S))
            if call:
                self._classes[status // 100] += 1
        times_s.add(took_s)
        if call:
            self._took_s.add(took_s)

    @property
    def open(self) -> int:
        """Requests that are being answered."""
        return self._open

    def answered(self) -> dict[Answered, int]:
        """How many requests of each kind were answered."""
        with self._lock:
            return dict(self._answered)

    def routes(self) -> dict[str, Counts]:
        """How long requests took, by route."""
        with self._lock:
            routes = dict(self._routes)
        return {route: times_s.counts() for route, times_s in routes.items()}

    def calls(self) -> CallCounts:
        """All calls of the API so far."""
        with self._lock:
            refused, failed = self._classes[4], self._classes[5]
        return CallCounts(self._took_s.counts(), refused, failed)


def route_of(scope: Scope) -> str:
    """The template of the route that a request took: never an id, and few in all.

    ``/docs``, the page and what they load are ``/`` and ``page``; an address of the API that no
    route answers is ``other``.
    """
    path: str = scope["path"]
    if path == "/":
        return path
    if path.lstrip("/").partition("/")[0] not in _OWN:
        return PAGE
    template: str = getattr(scope.get("route"), "path", OTHER)
    return OTHER if template in unknown.ROUTES else template
