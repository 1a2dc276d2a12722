"""The REST API over the fake model: in this process, and behind a real socket."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.testclient import TestClient

from emotion.api.gate import Gate
from emotion.api.guard import Guard
from emotion.api.routes import add_api
from emotion.api.unknown import add_unknown
from emotion.core.config import Config
from emotion.services.recognitions import RecognitionService

WAIT_S = 30.0


def app_of(
    service: RecognitionService, config: Config | None = None, guarded_by: Gate | None = None
) -> FastAPI:
    """The API without a page, behind a guard if a gate is given."""
    app = FastAPI(title="Emotion2Vec+", docs_url=None, redoc_url=None)
    if guarded_by is not None:
        app.add_middleware(Guard, gate=guarded_by)
    add_api(app, config or Config(), service)
    add_unknown(app)
    return app


def configured(maximum_bytes: int | None = None, **server: Any) -> Config:
    """A configuration with these options of the server."""
    config = Config()
    audio = config.audio
    if maximum_bytes is not None:
        audio = replace(audio, max_upload_bytes=maximum_bytes)
    return replace(config, audio=audio, server=replace(config.server, **server))


@contextlib.contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The app behind a real socket; gives its address."""
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(WAIT_S)
        assert not thread.is_alive()


def until(condition: Callable[[], bool]) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def below(folder: Path) -> list[Path]:
    """All that lies in a folder and its folders now, though some of it is being deleted."""
    walk = os.walk(folder)
    return sorted(Path(place, name) for place, dirs, files in walk for name in (*dirs, *files))


@pytest.fixture
def api(service: RecognitionService) -> Iterator[TestClient]:
    """The API in this process, with the usual configuration."""
    with TestClient(app_of(service)) as client:
        yield client


@pytest.fixture
def upload_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Path]]:
    """Has bodies go below ``tmp_path``; gives all that lies there now."""
    root = tmp_path / "temporary"
    root.mkdir()
    monkeypatch.setattr("emotion.api.uploads.tempfile.gettempdir", lambda: str(root))
    return lambda: below(root)
