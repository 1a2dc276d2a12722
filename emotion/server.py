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
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from emotion import __version__
from emotion.api import login
from emotion.api.gate import Gate
from emotion.api.guard import Guard
from emotion.api.live import add_live
from emotion.api.patience import PatientProtocol, StopMiddleware, allow_many_connections
from emotion.api.problems import plain_problem
from emotion.api.routes import add_api
from emotion.api.security import SecurityMiddleware
from emotion.api.status import add_routes
from emotion.api.unknown import add_unknown
from emotion.core.access_errors import UnprotectedError
from emotion.core.config import Config, ServerConfig
from emotion.core.errors import AddressError, EmotionError, PortInUseError
from emotion.core.imports import large_import
from emotion.core.memory import few_arenas, few_kernels
from emotion.services.batches import Batches
from emotion.services.history import History
from emotion.services.live import FOLDER_PREFIX, LiveSessions
from emotion.services.model_service import ModelService
from emotion.services.recognitions import RecognitionService
from emotion.services.retention import Retention
from emotion.storage.own_folders import make_own, remove_dead
from emotion.storage.run_store import RunStore
from emotion.ui.gradio_patches import clean_up_uploads, refuse_addresses
from emotion.ui.language import BOOT_SCRIPT

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
_PAGE_S = 5.0
# Of a connection that nobody uses. Clients and proxies keep theirs for 5 s (httpx) to 60 s (nginx).
# If the server closes it first, it may do so while they send the next request on it.
_KEEP_ALIVE_S = 75


class PageHost:
    """The ASGI app at ``/``: a waiting page, then Gradio once it is built.

    Args:
        config: Options.
        service: Runs the recognitions.
        sessions: The live recordings.
        batches: The jobs.
    """

    def __init__(
        self,
        config: Config,
        service: RecognitionService,
        sessions: LiveSessions,
        batches: Batches,
    ) -> None:
        self._config = config
        self._service = service
        self._sessions = sessions
        self._batches = batches
        self._inner: ASGIApp | None = None
        self._failed = False
        self._stop = asyncio.Event()
        self._end_streams: Callable[[], None] = lambda: None

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
        """Lets `run` end."""
        self._stop.set()

    def end_streams(self) -> None:
        """Ends the stream that Gradio keeps open to each page."""
        self._end_streams()

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
        clean_up_uploads()
        page = build_page(self._service, self._sessions, self._batches, self._config)
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
            root_path=next(iter(self._config.server.public_urls), None),
            **page.options,
        )
        # Gradio checks the paths in a request only for apps that it launched itself; without
        # this any visitor reads any file (tests/test_server.py).
        page.blocks.has_launched = True
        mounted: Any = next(route.app for route in inner.routes if isinstance(route, Mount))
        for error in (EmotionError, ClientDisconnect):
            mounted.add_exception_handler(error, plain_problem)
        self._end_streams = mounted.stop_event.set
        return inner


def create_app(config: Config, models: ModelService | None = None, tag: str = "") -> FastAPI:
    """The whole web app.

    Args:
        config: Options.
        models: The model; built from ``config`` by default.
        tag: What the ids of its jobs begin with, where it is one of several replicas.
    """
    model = models or ModelService(config)
    service = RecognitionService(model, RunStore(config.server.outputs_dir))
    retention = Retention(service.store, config.server)
    stored = History(service.store, config.server)
    sessions = LiveSessions(model, config.audio, config.server.live_sessions)

    batches = Batches(service.jobs, tag=tag)
    host = PageHost(config, service, sessions, batches)
    app = FastAPI(
        title="Emotion2Vec+",
        version=__version__,
        lifespan=lambda _: _running(model, service, (retention, stored), sessions, host),
        docs_url=None,
        redoc_url=None,
    )
    add_routes(app, model, lambda: host.ready)
    app.add_middleware(StopMiddleware)
    gate = Gate(config.server)
    app.add_middleware(Guard, gate=gate)  # behind those that are added later
    app.include_router(login.router(gate))
    add_live(app, sessions)
    add_api(app, config, service, sessions, batches)
    app.add_middleware(SecurityMiddleware, head=BOOT_SCRIPT)
    add_unknown(app)  # after all other routes below /api
    app.mount("/", host)
    app.state.models = model
    app.state.service = service
    app.state.page = host
    return app


@contextlib.asynccontextmanager
async def _running(
    model: ModelService,
    service: RecognitionService,
    keepers: tuple[Retention, History],
    sessions: LiveSessions,
    host: PageHost,
) -> AsyncIterator[None]:
    """Starts what runs beside the requests, and ends it."""
    remove_dead(Path(tempfile.gettempdir()), FOLDER_PREFIX)
    model.start()
    for keeper in keepers:
        keeper.start()
    task = asyncio.create_task(host.run())
    try:
        yield
    finally:
        await asyncio.to_thread(service.close)
        host.stop()
        await asyncio.wait([task], timeout=_PAGE_S)
        task.cancel()  # the page is still being built
        await asyncio.wait([task])
        await asyncio.to_thread(model.stop)
        for keeper in keepers:
            await asyncio.to_thread(keeper.stop)
        sessions.close_all()


class Server(uvicorn.Server):
    """Tells the address once it answers; stops without waiting for jobs and open pages.

    Args:
        app: What `create_app` made.
        options: Options of uvicorn.
    """

    def __init__(self, app: FastAPI, **options: Any) -> None:
        ours = {
            "http": PatientProtocol,
            "timeout_keep_alive": _KEEP_ALIVE_S,
            "log_config": None,  # its lines go where all others go
            "log_level": "warning",
            "access_log": False,  # would hold query strings
        }
        super().__init__(uvicorn.Config(app, server_header=False, **{**ours, **options}))
        self._state = app.state

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await asyncio.to_thread(self._state.service.close)
        self._state.page.end_streams()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            logger.info("Running on http://%s:%d", f"[{host}]" if ":" in host else host, port)


def serve(config: Config) -> None:
    """Serves until interrupted.

    Raises:
        PortInUseError: Another program has the port.
        UnprotectedError: Others reach the server, and nothing protects it.
        CredentialsError: A file of keys or passwords cannot be used.
    """
    check_protected(config.server)
    allow_many_connections()
    few_arenas()
    few_kernels()
    server = Server(create_app(config), timeout_graceful_shutdown=_SHUTDOWN_S)
    listener = bind(config.server.host, config.server.port)
    with listener:
        server.run(sockets=[listener])


def check_protected(config: ServerConfig) -> None:
    """Refuses to open the server to others without a key or a password, unless that is accepted.

    Raises:
        UnprotectedError: It would be open to others.
    """
    if not config.shared:
        return
    address = config.public_urls[0] if config.public_urls else f"{config.host}:{config.port}"
    error = UnprotectedError(address=address)
    if not config.allow_unprotected:
        raise error
    logger.warning("%s (--allow-unprotected was given)", error.message)


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: Address; IPv6 with or without brackets.
        port: TCP port; 0 for any that is free.

    Raises:
        PortInUseError: Another program has the port.
        AddressError: The address is not this machine's.
    """
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
