"""The web server: answers at once, loads the model and builds the page behind it.

FastAPI serves health and status from the first moment. Gradio is imported and its page built in a
thread; until then ``/`` shows a short waiting page that reloads itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from emotion import __version__
from emotion.api.security import Guard
from emotion.core.config import Config
from emotion.core.errors import AddressError, EmotionError, PortInUseError
from emotion.core.imports import large_import
from emotion.core.registry import DEFAULT
from emotion.core.results import readable
from emotion.outputs import make_own
from emotion.recognition.recognizer import Recognizer
from emotion.services.model_service import ModelService
from emotion.ui.examples import own_example
from emotion.ui.gradio_patches import refuse_addresses
from emotion.ui.language import BOOT_SCRIPT
from emotion.ui.texts import error_pairs

logger = logging.getLogger(__name__)

_WAITING_PAGE = """<!doctype html><html><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1"><meta http-equiv="refresh"
content="1"><title>Emotion2Vec+</title><style>:root{color-scheme:light dark}body{margin:0;
min-height:100vh;display:grid;place-items:center;font:1.1rem system-ui,sans-serif}</style></head>
<body><p role="status">页面正在启动… / Starting the page…</p></body></html>"""
_FAILED_PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>Emotion2Vec+</title>
</head><body><p role="alert">页面无法启动，原因见服务器日志。<br>
The page could not be started; the server's log says why.</p></body></html>"""
_SHUTDOWN_S = 3


class PageHost:
    """The ASGI app at ``/``: a waiting page, then Gradio once it is built.

    Args:
        config: Options.
        service: The model behind the page.
    """

    def __init__(self, config: Config, service: ModelService) -> None:
        self._config = config
        self._service = service
        self._inner: ASGIApp | None = None
        self._failed = False
        self._close: Callable[[], None] = lambda: None
        self._stop = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether the page is built."""
        return self._inner is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if self._inner is not None:
            await self._inner(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == "/":
            headers = {"Cache-Control": "no-store"}
            page, code = (_FAILED_PAGE, 500) if self._failed else (_WAITING_PAGE, 200)
            await HTMLResponse(page, code, headers)(scope, receive, send)
        elif scope["type"] == "http":
            detail = {"detail": "the page is being built"}
            await JSONResponse(detail, status_code=503)(scope, receive, send)

    async def run(self) -> None:
        """Builds the page, keeps Gradio's own lifespan open until `stop`, and ends it."""
        try:
            uploads = make_own(Path(tempfile.gettempdir()), "emotion-uploads-")
            await self._run(uploads)
        except Exception:  # nobody awaits this before the server ends
            self._failed = True
            logger.exception("the page could not be built")

    async def _run(self, uploads: Path) -> None:
        try:
            # Where no event loop runs, Gradio makes some that it never closes.
            inner = await asyncio.to_thread(asyncio.run, self._build(uploads))
            # The same task must enter and leave this.
            async with inner.router.lifespan_context(inner):
                self._inner = inner
                await self._stop.wait()
                self._inner = None
        finally:
            shutil.rmtree(uploads, ignore_errors=True)

    def stop(self) -> None:
        """Cancels what visitors have under way, and lets `run` end."""
        self._close()
        self._stop.set()

    async def _build(self, uploads: Path) -> FastAPI:
        os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
        # After each event Gradio would sum up all of the last 10,000 with pandas, for a monitoring
        # page that is switched off below.
        os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = str(sys.maxsize)
        os.environ["GRADIO_TEMP_DIR"] = str(uploads)
        with large_import():
            import gradio as gr

        from emotion.ui.app import build_page

        refuse_addresses()
        page = build_page(self._service, self._config)
        self._close = page.close
        inner = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        inner.add_middleware(CORSMiddleware, allow_origins=[])  # switches Gradio's own echo off
        gr.mount_gradio_app(
            inner,
            page.blocks,
            path="/",
            show_error=False,
            max_file_size=self._config.audio.max_upload_bytes,
            allowed_paths=[],
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            mcp_server=False,
            pwa=False,
            **page.options,
        )
        # Gradio checks the paths in a request only for apps that it launched itself; without
        # this any visitor reads any file (tests/test_server.py).
        page.blocks.has_launched = True
        return inner


def create_app(config: Config, service: ModelService | None = None) -> FastAPI:
    """The whole web app.

    Args:
        config: Options.
        service: The model; built from ``config`` by default.
    """
    model = service or ModelService(config)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        model.start()
        task = asyncio.create_task(host.run())
        try:
            yield
        finally:
            host.stop()
            await task
            await asyncio.to_thread(model.stop)

    app = FastAPI(title="Emotion2Vec+", version=__version__, lifespan=lifespan, docs_url=None)
    host = PageHost(config, model)
    app.add_middleware(Guard, head=BOOT_SCRIPT)
    _add_routes(app, model, host)
    app.mount("/", host)
    app.state.service = model
    app.state.page = host
    return app


def _add_routes(app: FastAPI, service: ModelService, host: PageHost) -> None:
    @app.get("/healthz", include_in_schema=False)
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    def readyz() -> Response:
        ready = service.current is not None and host.ready
        return JSONResponse({"ready": ready}, status_code=200 if ready else 503)

    started = secrets.token_hex(4)  # a page that outlives a restart must not take the old for new

    @app.get("/api/v1/status")
    def status(request: Request) -> Response:
        body = status_body(service)
        etag = f'"{started}-{body["revision"]}-{body["memory"]}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return JSONResponse(body, headers=headers)


def status_body(service: ModelService) -> dict[str, Any]:
    """What ``/api/v1/status`` tells: the phase of loading and the model that answers."""
    now = service.snapshot
    status, current = now.status, now.recognizer
    return {
        "phase": status.phase,
        "model": current.model.title if current and status.phase == "ready" else status.model,
        "fraction": round(status.fraction, 4),
        "done_bytes": status.done_bytes,
        "total_bytes": status.total_bytes,
        "fallback": _in_both(status.fallback),
        "engine": current.model.engine if current else None,
        "engine_fallback": _in_both(status.engine_fallback),
        "fetch_command": f"bash run.sh download {DEFAULT}",
        "error": _in_both(status.error),
        "gpu": _in_both(status.gpu),
        "memory": current.engine.memory if current else None,
        "device": current.model.device if current else None,
        "precision": current.model.precision if current else None,
        "load_s": status.load_s,
        "example": _own_example_name(current),
        "revision": status.revision,
    }


def _own_example_name(recognizer: Recognizer | None) -> str | None:
    """Name of the clip that came with the checkpoint; the page offers it first."""
    clip = own_example(recognizer.example) if recognizer else None
    return readable(clip.name) if clip else None


def _in_both(error: EmotionError | None) -> dict[str, str] | None:
    """Code, and message with hint in both languages; without paths, because visitors read it."""
    if error is None:
        return None
    error = error.without_paths()
    (message_zh, _), (hint_zh, _) = error_pairs(error)
    zh = f"{message_zh}。{hint_zh}" if hint_zh else message_zh
    return {"code": error.code, "en": str(error), "zh": zh}


class _Server(uvicorn.Server):
    """Tells the address once the server answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            logger.info("Running on http://%s:%d", f"[{host}]" if ":" in host else host, port)


def serve(config: Config) -> None:
    """Serves until interrupted.

    Raises:
        PortInUseError: Another program has the port.
    """
    listener = _bind(config.server.host, config.server.port)
    options = uvicorn.Config(
        create_app(config),
        log_level="warning",
        timeout_graceful_shutdown=_SHUTDOWN_S,
        server_header=False,
    )
    with listener:
        _Server(options).run(sockets=[listener])


def _bind(host: str, port: int) -> socket.socket:
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, asyncio switches Nagle's algorithm off; else each answer, which goes
    # out in two pieces, waits 40 ms for the client to acknowledge the first.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as e:
        listener.close()
        if e.errno == errno.EADDRINUSE:
            raise PortInUseError(host=host, port=port) from e
        raise AddressError(host=host, port=port, reason=e.strerror or e) from e
    return listener
