"""Clients that send a byte a second, or nothing: they block nobody, and not for ever."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn

from emotion.api import patience
from emotion.core.config import Config, ServerConfig
from emotion.recognition.loaded_model import LoadedModel
from emotion.server import Server, create_app
from tests.api import WAIT_S, until
from tests.fakes import FakeDetector, FakeEngine, FakeService

Served = tuple[str, Server, threading.Thread]
MANY = 60


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Served]:
    model = LoadedModel(FakeEngine(), name="fake", title="Fake", detector=FakeDetector())
    service: Any = FakeService(model)
    config = Config(server=ServerConfig(port=0, outputs_dir=folder / "outputs"))
    app = create_app(config, service)
    made = Server(app, port=0, timeout_graceful_shutdown=30)
    thread = threading.Thread(target=made.run)
    thread.start()
    until(lambda: made.started and app.state.page.ready)
    port = made.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", made, thread
    made.should_exit = True
    thread.join(60)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as made:
        yield made


def connected(address: str, first: bytes) -> socket.socket:
    url = urlsplit(address)
    client = socket.create_connection((url.hostname, url.port), timeout=WAIT_S)
    client.sendall(first)
    return client


# What each kind of slow client has sent; the rest comes byte by byte.
SLOW = {
    "nothing": b"",
    "headers": b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Sl",
    "body": b"POST /api/v1/recognize HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: audio/wav\r\n"
    b"Content-Length: 99999\r\n\r\nRIFF",
    "upload": b"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
    b"multipart/form-data; boundary=b\r\nContent-Length: 99999\r\n\r\n--b\r\nContent-Disposition: "
    b'form-data; name="files"; filename="a.wav"\r\n\r\nRIFF',
    "live": b"POST /api/v1/live/x?sequence=0 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999"
    b"\r\n\r\n\0",
}


@pytest.mark.parametrize("kind", list(SLOW))
def test_slow_clients_block_nobody(server: Served, wav: Callable[..., Path], kind: str) -> None:
    address = server[0]
    recording = wav(1.0).read_bytes()
    with contextlib.ExitStack() as opened:
        slow = [opened.enter_context(connected(address, SLOW[kind])) for _ in range(MANY)]
        for _ in range(5):
            for client in slow:
                client.sendall(b"a")
            answer = httpx.post(
                f"{address}/api/v1/recognize?store=false", content=recording, timeout=WAIT_S
            )
            assert answer.status_code == 200
            assert httpx.get(f"{address}/", timeout=WAIT_S).status_code == 200
        files = {"files": ("clip.wav", recording)}
        upload = httpx.post(f"{address}/gradio_api/upload", files=files, timeout=WAIT_S)
        assert upload.status_code == 200
        assert len(server[1].server_state.connections) >= MANY


@pytest.mark.parametrize("kind", ["nothing", "headers"])
def test_a_head_that_does_not_come_is_not_waited_for(
    server: Served, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.05)
    with connected(server[0], SLOW[kind]) as client:
        assert client.recv(10) == b""
    until(lambda: not server[1].server_state.connections)


def test_nor_is_the_next_head_on_a_connection(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.05)
    with connected(server[0], SLOW["headers"] + b"ow: 1\r\n\r\nGET / HTTP/1.1\r\nX") as client:
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received.count(b"HTTP/1.1 200") == 1 and b'{"status":"ok"}' in received


def test_nor_is_one_that_begins_later(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.05)
    with connected(server[0], SLOW["headers"] + b"ow: 1\r\n\r\n") as client:
        received = client.recv(65536)
        while not received.endswith(b'{"status":"ok"}'):
            received += client.recv(65536)
        client.sendall(b"G")
        assert client.recv(10) == b""


def test_a_connection_that_nobody_uses_is_kept(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 0.001)
    with httpx.Client(base_url=server[0]) as client:
        assert client.get("/healthz").status_code == 200
        (connection,) = server[1].server_state.connections
        # The answer is there a moment before the server has written down that it was given.
        until(lambda: connection.timeout_keep_alive_task is not None)  # type: ignore[union-attr]
        assert connection._deadline is None  # type: ignore[union-attr]


def test_what_takes_long_after_its_head_is_not_cut(
    server: Served, monkeypatch: pytest.MonkeyPatch, wav: Callable[..., Path]
) -> None:
    monkeypatch.setattr(patience, "HEAD_S", 60.0)
    recording = wav(1.0).read_bytes()
    head = SLOW["body"].replace(b"99999", str(len(recording)).encode()).removesuffix(b"RIFF")
    with connected(server[0], head + recording[:100]) as client:
        until(lambda: bool(server[1].server_state.tasks))
        (connection,) = server[1].server_state.connections
        assert connection._deadline is None  # type: ignore[union-attr]
        connection._give_up()  # type: ignore[union-attr]  # if it came late, say
        client.sendall(recording[100:])
        assert client.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("kind", ["idle", *SLOW])
def test_stopping_waits_for_none_of_them(own_server: Served, kind: str) -> None:
    address, made, thread = own_server
    made.config.timeout_graceful_shutdown = 1
    with httpx.Client(base_url=address) as idle:
        assert idle.get("/healthz").status_code == 200  # and stays connected
        slow = None if kind == "idle" else connected(address, SLOW[kind])
        if kind in ("idle", "nothing", "headers"):
            # Nothing is cut off by force, so nothing was waited for.
            made.config.timeout_graceful_shutdown = 60
        made.should_exit = True
        thread.join(20)
        assert not thread.is_alive()
        if slow is None:
            return
        answer = b"".join(iter(lambda: slow.recv(65536), b""))
        slow.close()
    if kind in ("nothing", "headers"):
        assert answer == b""
    else:  # told, and not as an error of the server
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"\r\nretry-after: 5\r\n" in answer.lower()
        assert b"the server is stopping" in answer


def test_many_files_may_be_open(monkeypatch: pytest.MonkeyPatch) -> None:
    if patience.resource is None:
        pytest.skip("no such limit on this system")
    for limits, expected in [
        ((1024, 4096), (4096, 4096)),
        ((1024, patience.resource.RLIM_INFINITY), (65536, patience.resource.RLIM_INFINITY)),
        ((1024, 1 << 20), (65536, 1 << 20)),
        ((4096, 4096), None),
        ((100_000, 1 << 20), None),
    ]:
        found: list[Any] = []
        monkeypatch.setattr(patience.resource, "getrlimit", lambda _, have=limits: have)
        monkeypatch.setattr(patience.resource, "setrlimit", lambda _, new, to=found: to.append(new))
        patience.allow_many_connections()
        assert found == ([] if expected is None else [expected])


def test_a_limit_that_cannot_be_raised_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    if patience.resource is None:
        pytest.skip("no such limit on this system")

    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(patience.resource, "getrlimit", lambda _: (10, 20))
    monkeypatch.setattr(patience.resource, "setrlimit", refuse)
    patience.allow_many_connections()


def test_the_server_uses_it(server: Served) -> None:
    assert server[1].config.http_protocol_class is patience.PatientProtocol
    assert issubclass(patience.PatientProtocol, uvicorn.protocols.http.h11_impl.H11Protocol)


def test_the_end_of_the_server_is_told_only_where_nothing_was_told() -> None:
    async def cut(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
        raise asyncio.CancelledError

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    for kind in ("http", "websocket"):
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(patience.StopMiddleware(cut)({"type": kind}, None, send))  # type: ignore[arg-type]
    assert [message["status"] for message in sent] == [200]
