"""The guard in front of the page and the API, and a scan of every route behind it."""

from __future__ import annotations

import base64
import contextlib
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from emotion.api import login
from emotion.api.asking import caller_of, check_operator
from emotion.api.gate import Gate
from emotion.api.guard import PUBLIC, Guard
from emotion.api.problems import add_handlers
from emotion.api.security import is_denied
from emotion.core.config import Config, ServerConfig
from emotion.recognition.loaded_model import LoadedModel
from emotion.server import create_app
from emotion.services import access
from emotion.services.access import Entry, hash_key, hash_password, write_entries
from tests.api import served, until
from tests.fakes import FakeEngine, FakeService

ANN, OPERATOR = "emo_ann-key", "emo_operator-key"
BEARER = {"Authorization": f"Bearer {ANN}"}
BASE = "http://127.0.0.1"
HOST = {"Host": "127.0.0.1"}  # the test client names another for a WebSocket


def basic(name: str, password: str) -> dict[str, str]:
    text = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_COST", 16)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("access") / "keys"
    entries = [Entry("ann", hash_key(ANN)), Entry("op", hash_key(OPERATOR), operator=True)]
    write_entries(file, entries)
    return file


@pytest.fixture
def users(tmp_path: Path) -> Path:
    file = tmp_path / "users"
    write_entries(file, [Entry("bob", hash_password("geheim"))])
    return file


def app_behind(**options: Any) -> FastAPI:
    """A few routes behind the guard."""
    app = FastAPI()
    gate = Gate(ServerConfig(**options))
    app.add_middleware(Guard, gate=gate)
    app.include_router(login.router(gate))
    add_handlers(app)

    @app.api_route("/who", methods=["GET", "POST"])
    def who(request: Request) -> Any:
        headers = {name: value for name, value in request.headers.items() if "forwarded" in name}
        return {"caller": caller_of(request), "operator": request.state.operator, **headers}

    @app.get("/operate")
    def operate(request: Request) -> None:
        check_operator(request)

    @app.get("/")
    def page() -> str:
        return "page"

    @app.get("/healthz")
    def healthz() -> str:
        return "ok"

    @app.websocket("/socket")
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_json(caller_of(websocket))
        await websocket.close()

    return app


@contextlib.contextmanager
def client_of(**options: Any) -> Iterator[TestClient]:
    app = app_behind(**options)
    with TestClient(app, base_url=BASE, follow_redirects=False) as client:
        yield client


def test_without_files_anyone_is_an_operator() -> None:
    with client_of() as client:
        assert client.get("/who").json() == {"caller": None, "operator": True}
        assert client.get("/operate").status_code == 200
        assert client.get("/login").headers["location"] == "./"


@pytest.mark.parametrize(
    ("headers", "who"),
    [
        (BEARER, {"caller": "ann", "operator": False}),
        ({"X-API-Key": OPERATOR}, {"caller": "op", "operator": True}),
        (basic("bob", "geheim"), {"caller": "bob", "operator": False}),
        (basic("ann", ANN), {"caller": "ann", "operator": False}),
    ],
)
def test_who_asks(keys: Path, users: Path, headers: dict[str, str], who: dict[str, Any]) -> None:
    with client_of(api_key_file=keys, auth_file=users) as client:
        assert client.get("/who", headers=headers).json() == who
        assert client.get("/operate", headers=headers).status_code == 200 + 203 * (
            not who["operator"]
        )


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": f"Bearer {ANN}x"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic ***"},
        {"Authorization": "Digest x"},
        {"X-API-Key": "wrong"},
        {"X-API-Key": "wrong", **BEARER},
        basic("bob", "wrong"),
        basic("bob", ANN),
        {"Cookie": "emotion_session_7860=ann"},
    ],
)
def test_nobody_else_gets_in(keys: Path, users: Path, headers: dict[str, str]) -> None:
    with client_of(api_key_file=keys, auth_file=users) as client:
        answer = client.get("/who", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["code"] == "unauthorized"
        zh = client.get("/who", headers={**headers, "Accept-Language": "zh-CN"}).json()
        assert zh["detail"] == "需要有效的 API 密钥或密码"
        assert client.get("/healthz").status_code == 200


def test_wrong_keys_are_slowed_down_and_a_right_one_passes(keys: Path, users: Path) -> None:
    with client_of(api_key_file=keys, auth_file=users) as client:
        wrong = {"X-API-Key": "wrong"}
        statuses = [client.get("/who", headers=wrong).status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]
        answer = client.get("/who", headers=basic("bob", "geheim"))  # passwords can be guessed
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == str(answer.json()["params"]["wait_s"])
        assert client.get("/who", headers=BEARER).status_code == 200
        assert client.get("/who").status_code == 401  # no key is no try


def test_a_session_in_the_browser(keys: Path, users: Path) -> None:
    with client_of(api_key_file=keys, auth_file=users) as client:
        page = {"Accept": "text/html"}
        assert client.get("/", headers=page).headers["location"] == "login"
        assert client.get("/who/x/y", headers=page).headers["location"] == "../../login"
        form = client.get("/login")
        assert form.status_code == 200 and 'lang="en"' in form.text
        assert "<title>登录" in client.get("/login", headers={"Accept-Language": "zh"}).text
        wrong = client.post("/login", data={"name": "bob", "password": "no"})
        assert wrong.status_code == 401 and 'role="alert"' in wrong.text
        assert 'name="name" value="bob"' in wrong.text
        evil = client.post("/login", data={"name": '"><script>', "password": "no"})
        assert "<script>" not in evil.text
        right = client.post("/login", data={"name": "bob", "password": "geheim"})
        assert (right.status_code, right.headers["location"]) == (303, "./")
        cookie = right.headers["set-cookie"].lower()
        assert "httponly" in cookie and "samesite=lax" in cookie and "secure" not in cookie
        assert client.get("/who").json()["caller"] == "bob"
        assert client.get("/login").headers["location"] == "./"
        session = {**HOST, "Cookie": right.headers["set-cookie"].partition(";")[0]}
        with client.websocket_connect("/socket", headers=session) as socket:
            assert socket.receive_json() == "bob"
        write_entries(users, [Entry("bob", hash_password("new"))])
        assert client.get("/who").status_code == 401
        client.post("/login", data={"name": "op", "password": OPERATOR})
        assert client.get("/who").json()["operator"]
        assert client.post("/logout").headers["location"] == "login"
        assert client.get("/who").status_code == 401


def test_the_login_page_slows_down_too(users: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion.api.refusals._PATIENCE_S", 0.01)
    with client_of(auth_file=users) as client:
        for _ in range(5):
            assert client.post("/login", data={"name": "bob", "password": "x"}).status_code == 401
        answer = client.post("/login", data={"name": "bob", "password": "geheim"})
        assert answer.status_code == 429
        assert "Too many wrong keys or passwords. Try again in 1 s" in answer.text
        large = client.post("/login", content=b"name=" + b"x" * 5000)
        assert large.status_code == 413


def test_a_session_cookie_over_https_is_secure(users: Path) -> None:
    app = app_behind(auth_file=users)
    with TestClient(app, base_url="https://127.0.0.1", follow_redirects=False) as client:
        answer = client.post("/login", data={"name": "bob", "password": "geheim"})
        assert "secure" in answer.headers["set-cookie"].lower()


def test_a_websocket_without_a_key_is_closed(keys: Path) -> None:
    with client_of(api_key_file=keys) as client:
        with (
            pytest.raises(WebSocketDisconnect) as caught,
            client.websocket_connect("/socket", headers=HOST),
        ):
            pass
        assert caught.value.code == 1008
        with client.websocket_connect("/socket", headers={**HOST, **BEARER}) as socket:
            assert socket.receive_json() == "ann"
        evil = {**HOST, **BEARER, "Origin": "https://evil.example"}
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("/socket", headers=evil),
        ):
            pass


@pytest.mark.parametrize(
    ("host", "status"), [("evil.example", 421), ("localhost:1", 200), ("emotion.example", 200)]
)
def test_rebound_names_are_refused(host: str, status: int) -> None:
    with client_of(public_urls=("https://emotion.example",)) as client:
        answer = client.get("/who", headers={"Host": host})
        assert answer.status_code == status
        if status == 421:
            assert "this server is not evil.example" in answer.json()["detail"]
            assert client.get("/healthz", headers={"Host": host}).status_code == 421


def test_pages_of_other_sites_change_nothing() -> None:
    with client_of() as client:
        for origin, status in (("https://evil.example", 403), ("null", 403), (BASE, 200)):
            assert client.post("/who", headers={"Origin": origin}).status_code == status
        assert client.get("/who", headers={"Origin": "https://evil.example"}).status_code == 200
        assert client.post("/who").status_code == 200


def test_a_forwarded_host_does_not_reach_the_page() -> None:
    with client_of() as client:
        headers = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
        assert "x-forwarded-host" not in client.get("/who", headers=headers).json()


@pytest.fixture(scope="module")
def mounted(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, FastAPI]]:
    """The whole app with keys, its page built."""
    server = ServerConfig(port=0, outputs_dir=tmp_path_factory.mktemp("outputs"), api_key_file=keys)
    service: Any = FakeService(LoadedModel(FakeEngine(), name="fake", title="Fake"))
    app = create_app(Config(server=server), service)
    with served(app) as address:
        until(lambda: httpx.get(f"{address}/readyz").status_code == 200)
        yield address, app


def every_route(app: Any, prefix: str = "") -> Iterator[tuple[str, str, frozenset[str] | None]]:
    """Kind, path and methods of each route of an app and of what it mounts."""
    for route in app.routes:
        if hasattr(route, "original_router"):  # what `include_router` added
            yield from every_route(route.original_router, prefix)
            continue
        path = prefix + route.path
        if hasattr(route, "methods"):
            yield "http", path, frozenset(route.methods or {"GET"})
        elif type(route).__name__.endswith("WebSocketRoute"):
            yield "websocket", path, None
        elif hasattr(route, "app"):
            inner = getattr(route.app, "_inner", route.app)
            yield "http", path or "/", frozenset({"GET", "POST"})
            if hasattr(inner, "routes"):
                yield from every_route(inner, path)


def test_a_scan_of_every_route_without_a_key(mounted: tuple[str, FastAPI]) -> None:
    address, app = mounted
    found = set(every_route(app))
    paths = {path for _, path, _ in found}
    # The page's own routes are among them, and ours.
    assert {"/gradio_api/upload", "/gradio_api/queue/join", "/api/v1/recognize"} <= paths
    assert len(found) > 60
    open_to_all, denied = set(), set()
    with httpx.Client(base_url=address) as client:
        for kind, template, methods in found:
            assert kind == "http"  # a WebSocket route needs a test of its own here
            path = re.sub(r"\{[^}]*\}", "x", template)
            for method in methods or ():
                answer = client.request(method, path)
                if answer.status_code == 403 and is_denied(path):
                    denied.add(template)
                elif answer.status_code != 401:
                    open_to_all.add(template)
    assert open_to_all == PUBLIC
    assert "/gradio_api/proxy={url_path:path}" in denied


def test_a_forwarded_host_is_not_in_the_page(mounted: tuple[str, FastAPI]) -> None:
    headers = {**BEARER, "X-Forwarded-Host": "evil.example"}
    for path in ("/", "/config"):
        answer = httpx.get(f"{mounted[0]}{path}", headers=headers)
        assert answer.status_code == 200 and "evil.example" not in answer.text


def test_the_page_and_its_endpoint_with_a_key(
    mounted: tuple[str, FastAPI], wav: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    address, app = mounted
    with httpx.Client(base_url=address, headers=BEARER, timeout=30) as client:
        assert "gradio" in client.get("/").text
        with caplog.at_level(logging.DEBUG), wav(1.0).open("rb") as file:
            (path,) = client.post("/gradio_api/upload", files={"files": file}).json()
            audio = {"path": path, "meta": {"_type": "gradio.FileData"}}
            body = {"data": [audio, "utterance", False]}
            event = client.post("/gradio_api/call/recognize", json=body).json()["event_id"]
            stream = client.get(f"/gradio_api/call/recognize/{event}").text
    assert "event: complete" in stream
    assert ANN not in caplog.text
    runs = app.state.service.store
    ((run,), total) = runs.search()
    assert (run.owner, total) == ("ann", 1)
    assert len(httpx.get(f"{address}/api/v1/runs", headers=BEARER).json()["runs"]) == 1
    other = {"X-API-Key": OPERATOR}
    assert httpx.get(f"{address}/api/v1/runs", headers=other).json()["runs"] == []
    assert httpx.get(f"{address}/api/v1/runs/{run.run_id}", headers=other).status_code == 404
