"""Every error as ``application/problem+json`` (RFC 9457), in the language of whoever asks."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect

from emotion.api.asking import has_unread_body, language_of, request_id_of
from emotion.api.refusals import RefusalResponse
from emotion.core.access_errors import (
    HistoryOffError,
    HostForbiddenError,
    OperatorOnlyError,
    OriginForbiddenError,
    SharedServerError,
    TriesError,
    UnauthorizedError,
)
from emotion.core.corpus_errors import CorpusError
from emotion.core.errors import (
    AddressError,
    AudioDecodeError,
    AudioEncryptedError,
    AudioError,
    AudioNotFoundError,
    AudioStreamError,
    AudioTooLargeError,
    BusyError,
    CancelledError,
    ConfigError,
    DecoderError,
    DecoderTimeoutError,
    EmotionError,
    JobNotFoundError,
    JobRunningError,
    ModelError,
    ModelUnknownError,
    OutputError,
    PortInUseError,
    ResultError,
    RunNotFoundError,
)
from emotion.core.i18n import Lang, Pair, error_pairs
from emotion.core.live_errors import LiveChunkError
from emotion.core.request_errors import (
    AddressForbiddenError,
    FetchError,
    InputForbiddenError,
    InternalError,
    MethodNotAllowedError,
    RequestError,
    RequestInvalidError,
    RequestTimeoutError,
    RequestTooLargeError,
    RetryRefusedError,
    RouteNotFoundError,
    SwitchRefusedError,
    UploadTimeoutError,
)
from emotion.core.similarity_errors import SimilarityError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

# The first class that an error is an instance of gives the status.
STATUSES: Final[tuple[tuple[type[EmotionError], int], ...]] = (
    (AudioTooLargeError, 413),
    (AudioNotFoundError, 404),
    (AudioDecodeError, 415),
    (AudioStreamError, 415),
    (AudioEncryptedError, 415),
    (AudioError, 422),
    (DecoderTimeoutError, 504),
    (DecoderError, 503),
    (ModelUnknownError, 404),
    (ModelError, 503),
    (ConfigError, 422),
    (LiveChunkError, 409),
    (BusyError, 429),
    (JobRunningError, 409),
    (JobNotFoundError, 404),
    (RunNotFoundError, 404),
    (ResultError, 422),
    (CancelledError, 499),
    (OutputError, 503),
    (AddressError, 500),
    (PortInUseError, 500),
    (RequestTooLargeError, 413),
    (UploadTimeoutError, 408),
    (RequestTimeoutError, 504),
    (RouteNotFoundError, 404),
    (MethodNotAllowedError, 405),
    (InputForbiddenError, 403),
    (AddressForbiddenError, 403),
    (FetchError, 422),
    (RequestInvalidError, 422),
    (InternalError, 500),
    (UnauthorizedError, 401),
    (TriesError, 429),
    (OperatorOnlyError, 403),
    (OriginForbiddenError, 403),
    (SharedServerError, 403),
    (HistoryOffError, 403),
    (HostForbiddenError, 421),
    (RetryRefusedError, 409),
    (SwitchRefusedError, 409),
    (SimilarityError, 422),
    (CorpusError, 422),
    (RequestError, 400),
)

# (Chinese, English)
TITLES: Final[dict[int, Pair]] = {
    400: ("请求有误", "Bad request"),
    401: ("需要登录", "Unauthorized"),
    403: ("禁止访问", "Forbidden"),
    404: ("未找到", "Not found"),
    405: ("不支持的方法", "Method not allowed"),
    408: ("上传超时", "Upload timed out"),
    409: ("冲突", "Conflict"),
    413: ("内容过大", "Content too large"),
    415: ("不是可读取的录音", "Not a readable recording"),
    421: ("请求送错了服务器", "Misdirected request"),
    422: ("无法处理的内容", "Unprocessable content"),
    429: ("请求过多", "Too many requests"),
    499: ("已取消", "Cancelled"),
    500: ("服务器内部错误", "Internal server error"),
    503: ("服务暂不可用", "Service unavailable"),
    504: ("超时", "Timed out"),
}

RETRY_AFTER_S: Final[dict[int, int]] = {429: 1, 503: 5}
_LONGEST = 200  # characters of a value that is shown


class Problem(BaseModel):
    """What went wrong, for programs (`code`, `params`) and for people (`detail`, `hint`)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:emotion:problem:audio_undecodable",
                    "title": "Not a readable recording",
                    "status": 415,
                    "detail": "notes.txt: cannot be read as audio (invalid data: not audio, or "
                    "damaged)",
                    "code": "audio_undecodable",
                    "hint": "Use a complete WAV, MP3, M4A, FLAC, OGG, WebM, AMR, WMA or AIFF "
                    "file, or a video",
                    "request_id": "5f0c6d7a91b24e83",
                    "params": {
                        "file": "notes.txt",
                        "reason": "invalid data: not audio, or damaged",
                    },
                }
            ]
        }
    )

    type: str = Field(description="A URI that stands for the kind of problem")
    title: str = Field(description="The kind of status, for people")
    status: int = Field(description="The HTTP status")
    detail: str = Field(description="What is wrong, in one sentence")
    code: str = Field(description="Stable id of the kind of problem")
    hint: str = Field(description="What to do about it; may be empty")
    request_id: str = Field(description="The request's id, as in the header X-Request-ID")
    params: dict[str, Any] = Field(description="The values in the sentence")

    @classmethod
    def of(cls, error: EmotionError, language: Lang, request_id: str = "") -> Problem:
        """The problem that an error is, without the server's paths."""
        public = error.without_paths()
        status = status_of(public)
        message, hint = error_pairs(public)
        index = 0 if language == "zh" else 1
        return cls(
            type=f"urn:emotion:problem:{public.code}",
            title=TITLES[status][index],
            status=status,
            detail=_sayable(message[index]),
            code=public.code,
            hint=_sayable(hint[index]),
            request_id=request_id,
            params={name: _plain(value) for name, value in public.params.items()},
        )


def status_of(error: EmotionError) -> int:
    """The HTTP status for an error."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def problem_response(
    error: EmotionError,
    language: Lang,
    request_id: str,
    headers: Mapping[str, str] | None = None,
    *,
    unread: bool = False,
) -> JSONResponse:
    """The answer that tells an error.

    Args:
        error: The error.
        language: Of its texts.
        request_id: Of the request.
        headers: More of them.
        unread: Whether the request's body has not been read to its end.
    """
    problem = Problem.of(error, language, request_id)
    extra = dict(headers or {})
    if problem.status in RETRY_AFTER_S:
        extra.setdefault("Retry-After", str(RETRY_AFTER_S[problem.status]))
    if isinstance(error, MethodNotAllowedError):
        extra["Allow"] = str(error.params["allowed"])
    kind = RefusalResponse if unread else JSONResponse
    return kind(problem.model_dump(), problem.status, extra, media_type=MEDIA_TYPE)


async def plain_problem(request: Request, error: Exception) -> PlainTextResponse:
    """An error as a sentence: what the page shows of a failed upload."""
    known = error if isinstance(error, EmotionError) else CancelledError()  # the visitor has gone
    logger.log(logging.INFO if known is not error else logging.WARNING, "upload: %s", known)
    problem = Problem.of(known, language_of(request))
    headers = {"Cache-Control": "no-store"}
    if problem.status in RETRY_AFTER_S:
        headers["Retry-After"] = str(RETRY_AFTER_S[problem.status])
    stop = "。" if language_of(request) == "zh" else ". "
    text = stop.join(part for part in (problem.detail, problem.hint) if part)
    return PlainTextResponse(text, problem.status, headers)


def add_handlers(app: FastAPI) -> None:
    """Answers each error of a route with its problem."""

    def answer(request: Request, error: EmotionError) -> JSONResponse:
        language, request_id = language_of(request), request_id_of(request)
        return problem_response(error, language, request_id, unread=has_unread_body(request))

    @app.exception_handler(EmotionError)
    async def _known(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, EmotionError)
        return answer(request, error)

    @app.exception_handler(ClientDisconnect)
    async def _gone(request: Request, _: Exception) -> JSONResponse:
        # Nobody reads it; the log shows the status.
        return problem_response(CancelledError(), "en", request_id_of(request))

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return answer(request, invalid(error.errors()))

    @app.exception_handler(400)
    async def _unreadable(request: Request, _: Exception) -> JSONResponse:
        # FastAPI's own, of a body that is not even text.
        return answer(request, RequestInvalidError(reason="it is not JSON"))


# What an option must be, by pydantic's type of error; ``{name}`` is from the error's context.
_EXPECTED: Final[dict[str, str]] = {
    "missing": "given",
    "extra_forbidden": "absent: there is no such option",
    "literal_error": "{expected}",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "date_parsing": "a day, YYYY-MM-DD",
    "date_type": "a day, YYYY-MM-DD",
    "date_from_datetime_parsing": "a day, YYYY-MM-DD",
    "date_from_datetime_inexact": "a day, YYYY-MM-DD",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
}


def invalid(errors: Sequence[Any]) -> EmotionError:
    """The first of pydantic's errors as one of ours."""
    first = errors[0]
    kind, context = first["type"], first.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, EmotionError):  # raised by a validator of ours
        return cause
    if kind == "json_invalid":
        return RequestInvalidError(reason="it is not JSON")
    place = [str(part) for part in first["loc"] if part not in ("query", "path", "body", "header")]
    expected = _EXPECTED.get(kind, first["msg"]).format(**context)
    value = None if kind == "missing" else _plain(first.get("input"))
    return ConfigError(option=".".join(place) or "body", value=value, expected=expected)


def invalid_of(error: ValidationError) -> EmotionError:
    """The first of the errors of a body as one of ours."""
    return invalid(error.errors(include_url=False))


def _plain(value: object) -> Any:
    """A value as JSON can say it."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    text = _sayable(str(value))
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _sayable(text: str) -> str:
    """A text without what cannot be written as UTF-8 (names of files may be any bytes)."""
    return text.encode("utf-8", "replace").decode()
