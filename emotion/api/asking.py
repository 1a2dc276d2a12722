"""What the server knows of whoever asks: language, identity, the request's id.

Middleware and guards put it into the state of the ASGI scope; routes and problems read it here.
"""

from __future__ import annotations

from fastapi import Request
from starlette.requests import HTTPConnection

from emotion.core.access_errors import OperatorOnlyError
from emotion.core.i18n import Lang


def language_of(connection: HTTPConnection) -> Lang:
    """The language of answers: the ``language`` option, else ``Accept-Language``, else English."""
    asked = getattr(connection.state, "language", None) or connection.query_params.get("language")
    if asked in ("en", "zh"):
        return "zh" if asked == "zh" else "en"
    best: tuple[float, Lang] = (0.0, "en")
    for part in connection.headers.get("accept-language", "").split(","):
        tag, _, parameters = part.strip().lower().partition(";")
        primary = tag.strip().partition("-")[0]
        quality = _quality(parameters)
        if primary in ("en", "zh") and quality > best[0]:
            best = quality, "zh" if primary == "zh" else "en"
    return best[1]


def set_language(request: Request, language: Lang | None) -> None:
    """Notes the language that a body asks for."""
    if language is not None:
        request.state.language = language


def caller_of(connection: HTTPConnection) -> str | None:
    """Who asks, as the guard put it into ``state.caller``; None where nobody is told apart.

    Jobs and runs remember it as their owner, and only their owner finds them.
    """
    caller: str | None = getattr(connection.state, "caller", None)
    return caller


def is_operator(connection: HTTPConnection) -> bool:
    """Whether an operator asks; where there is no guard, anyone is one."""
    return bool(getattr(connection.state, "operator", True))


def check_operator(connection: HTTPConnection) -> None:
    """Checks that an operator asks.

    Raises:
        OperatorOnlyError: Somebody else asks.
    """
    if not is_operator(connection):
        raise OperatorOnlyError()


def has_unread_body(connection: HTTPConnection) -> bool:
    """Whether the request has a body that nobody has read to its end (`note_body_read`)."""
    headers = connection.headers
    sent = headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
    return sent and not getattr(connection.state, "body_read", False)


def note_body_read(request: Request) -> None:
    """Notes that the whole body has been read: an answer need not wait for the rest of it."""
    request.state.body_read = True


def request_id_of(connection: HTTPConnection) -> str:
    """The id of the request, which answers and the log carry."""
    return str(getattr(connection.state, "request_id", ""))


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
