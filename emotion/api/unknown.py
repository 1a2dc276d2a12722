"""What answers below ``/api`` where no route does; without it the page would."""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.routing import Match

from emotion.core.request_errors import MethodNotAllowedError, RouteNotFoundError

ROUTES = ("/api", "/api/{path:path}")
_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def add_unknown(app: FastAPI) -> None:
    """Adds the last route below ``/api``; call it after all others and before the page's mount."""

    async def unknown(request: Request) -> None:
        route = request.url.path
        allowed = [method for method in _METHODS if _takes(app, unknown, request, method)]
        if allowed:
            raise MethodNotAllowedError(
                route=route, method=request.method, allowed=", ".join(allowed)
            )
        raise RouteNotFoundError(route=route)

    for path in ROUTES:
        app.add_api_route(path, unknown, methods=_METHODS, include_in_schema=False)


def _takes(app: FastAPI, unknown: object, request: Request, method: str) -> bool:
    scope = {**request.scope, "method": method}
    for route in app.routes:
        if getattr(route, "endpoint", None) is unknown:
            return False
        if route.matches(dict(scope))[0] is Match.FULL:
            return True
    return False
