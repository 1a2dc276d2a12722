"""Health and status: what the page's status bar, load balancers and scripts ask."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from emotion.api.asking import caller_of, is_operator
from emotion.core.errors import EmotionError, ModelMissingError
from emotion.core.i18n import error_pairs
from emotion.core.registry import DEFAULT
from emotion.core.results import readable
from emotion.models.store import example_clip
from emotion.services.model_service import ModelService
from emotion.services.recognitions import ModelSource


class ErrorText(BaseModel):
    """An error for visitors: message and hint, without paths of the server."""

    code: str
    en: str
    zh: str

    @classmethod
    def of(cls, error: EmotionError | None, hint: bool = True) -> ErrorText | None:
        """The texts of an error, if there is one; without its hint where that is said elsewhere."""
        if error is None:
            return None
        public = error.without_paths()
        (message_zh, _), (hint_zh, _) = error_pairs(public)
        if not hint or not hint_zh:
            return cls(code=public.code, en=public.message, zh=message_zh)
        return cls(code=public.code, en=str(public), zh=f"{message_zh}。{hint_zh}")


class Status(BaseModel):
    """Where loading stands, and the model that answers.

    Attributes:
        phase: ``starting``, ``downloading``, ``reading``, ``building``, ``warming``, ``ready`` or
            ``failed``.
        model: Title of the model that answers, or is being loaded.
        fraction: Share of a download that is done, 0 to 1.
        fallback: Why the embedded model answers.
        engine: ``native``, ``funasr`` or ``transformers``.
        engine_fallback: Why FunASR answers instead of the native engine.
        gpu: Why the NVIDIA card of the server is not used.
        memory: Memory in use, for people.
        example: Name of the clip that came with the checkpoint.
        revision: Grows with each change.
        caller: Who asks, where the server tells callers apart.
        operator: Whether the asker may load the model again.
    """

    phase: str
    model: str
    fraction: float
    done_bytes: int
    total_bytes: int
    fallback: ErrorText | None
    engine: str | None
    engine_fallback: ErrorText | None
    fetch_command: str
    error: ErrorText | None
    gpu: ErrorText | None
    memory: str | None
    device: str | None
    precision: str | None
    load_s: float | None
    example: str | None
    revision: int
    caller: str | None = None
    operator: bool = True

    @classmethod
    def of(cls, service: ModelSource) -> Status:
        """The status of one moment."""
        now = service.snapshot
        status, current = now.status, now.model
        clip = example_clip(current.example) if current else None
        ready = current is not None and status.phase == "ready"
        return cls(
            phase=status.phase,
            model=current.info.title if current and ready else status.model,
            fraction=round(status.fraction, 4),
            done_bytes=status.done_bytes,
            total_bytes=status.total_bytes,
            # `fetch_command` is the hint of a missing model.
            fallback=ErrorText.of(
                status.fallback, hint=not isinstance(status.fallback, ModelMissingError)
            ),
            engine=current.info.engine if current else None,
            engine_fallback=ErrorText.of(status.engine_fallback),
            fetch_command=f"bash run.sh download {DEFAULT}",
            error=ErrorText.of(status.error),
            gpu=ErrorText.of(status.gpu),
            memory=current.engine.memory if current else None,
            device=current.info.device if current else None,
            precision=current.info.precision if current else None,
            load_s=status.load_s,
            example=readable(clip.name) if clip else None,
            revision=status.revision,
        )


class Health(BaseModel):
    """The server answers."""

    status: str = "ok"


class Readiness(BaseModel):
    """Whether a recording would be recognised now."""

    ready: bool


def add_routes(app: FastAPI, service: ModelService, page_ready: Callable[[], bool]) -> None:
    """Adds ``/healthz``, ``/readyz`` and ``/api/v1/status``.

    Args:
        app: The app.
        service: The model.
        page_ready: Whether the page is built.
    """

    @app.get("/healthz")
    def healthz() -> Health:
        return Health()

    @app.get("/readyz", responses={503: {"model": Readiness}})
    def readyz(response: Response) -> Readiness:
        ready = service.current is not None and page_ready()
        response.status_code = 200 if ready else 503
        return Readiness(ready=ready)

    started = secrets.token_hex(4)  # a page that outlives a restart must not take the old for new

    @app.get("/api/v1/status", response_model=Status)
    def status(request: Request) -> Response:
        body = Status.of(service)
        body.caller, body.operator = caller_of(request), is_operator(request)
        asker = f"{quote(body.caller or '')}-{body.operator:d}"
        etag = f'"{started}-{body.revision}-{body.memory}-{asker}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return JSONResponse(body.model_dump(), headers=headers)
