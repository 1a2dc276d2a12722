"""Counting requests: few labels whatever is asked, streams, polls, and what is under way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from starlette.requests import Request

from emotion.api.request_ids import RequestIdMiddleware
from emotion.api.request_stats import Answered, RequestStats, route_of
from emotion.api.unknown import add_unknown
from emotion.core.request_errors import InternalError


def scope(path: str, template: str | None = None, method: str = "GET") -> dict[str, Any]:
    found: dict[str, Any] = {"type": "http", "path": path, "method": method}
    return found | ({"route": SimpleNamespace(path=template)} if template else {})


@pytest.mark.parametrize(
    ("path", "template", "route"),
    [
        ("/api/v1/runs/outputs_1", "/api/v1/runs/{run_id}", "/api/v1/runs/{run_id}"),
        (
            "/api/v1/runs/x/a/b.txt",
            "/api/v1/runs/{id}/{name:path}",
            "/api/v1/runs/{id}/{name:path}",
        ),
        ("/api/v1/nothing/7f3a", "/api/{path:path}", "other"),
        ("/api/v1/refused/before/routing", None, "other"),
        ("/healthz", "/healthz", "/healthz"),
        ("/metrics", "/metrics", "/metrics"),
        ("/", "/{path:path}", "/"),
        ("/gradio_api/file=/tmp/x/secret.wav", "/gradio_api/file={path:path}", "page"),
        ("/apiary", None, "page"),
        ("/docs/static/swagger-ui.css", None, "page"),
        ("/wp-login.php", None, "page"),
        ("*", None, "page"),
        ("", None, "page"),
    ],
)
def test_the_route_of_a_request(path: str, template: str | None, route: str) -> None:
    assert route_of(scope(path, template)) == route


def test_odd_methods_share_one_value() -> None:
    stats = RequestStats()
    for method in ("GET", "PROPFIND", "XYZZY"):
        stats.began()
        stats.ended(scope("/healthz", "/healthz", method), 405, 0.001, call=False)
    assert stats.answered() == {
        Answered("/healthz", "GET", "405"): 1,
        Answered("/healthz", "other", "405"): 2,
    }


def test_calls_are_counted_without_the_polls_of_pages() -> None:
    stats = RequestStats()
    for path, status, call in (
        ("/api/v1/recognize", 200, True),
        ("/api/v1/recognize", 422, True),
        ("/api/v1/recognize", 503, True),
        ("/api/v1/status", 304, True),
        ("/api/v1/monitor", 200, True),
        ("/healthz", 200, False),
    ):
        stats.ended(scope(path, path), status, 0.25, call=call)
    calls = stats.calls()
    assert calls.took_s.count == 3 and calls.took_s.total == 0.75
    assert (calls.refused, calls.failed) == (1, 1)
    assert set(stats.routes()) == {
        "/api/v1/recognize", "/api/v1/status", "/api/v1/monitor", "/healthz"
    }  # fmt: skip
    assert stats.routes()["/api/v1/recognize"].count == 3


def test_a_request_without_an_answer() -> None:
    stats = RequestStats()
    stats.ended(scope("/api/v1/recognize", "/api/v1/recognize", "POST"), 0, 1.0, call=True)
    assert stats.answered() == {Answered("/api/v1/recognize", "POST", "none"): 1}
    assert stats.calls().failed == 0


class Clock:
    """Stands for ``time``: it moves only when a test says so."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def perf_counter(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("emotion.api.request_ids.time", made)
    return made


def app(stats: RequestStats, clock: Clock) -> FastAPI:
    made = FastAPI()

    async def slowly() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"
        clock.now_s += 3600
        yield b"data: 2\n\n"

    @made.get("/api/v1/jobs/{job_id}/events")
    async def events(job_id: str) -> StreamingResponse:
        clock.now_s += 0.5
        return StreamingResponse(slowly(), media_type="text/event-stream; charset=utf-8")

    @made.get("/api/v1/lines")
    async def lines() -> StreamingResponse:
        clock.now_s += 0.25
        return StreamingResponse(slowly(), media_type="application/x-ndjson")

    @made.get("/api/v1/broken")
    def broken() -> None:
        raise RuntimeError("secret")

    @made.get("/api/v1/open")
    def opened(request: Request) -> int:
        return stats.open

    add_unknown(made)
    made.add_middleware(RequestIdMiddleware, stats=stats)
    return made


def test_a_stream_took_as_long_as_its_first_words(clock: Clock) -> None:
    stats = RequestStats()
    client = TestClient(app(stats, clock))
    assert client.get("/api/v1/jobs/abc/events").text.endswith("data: 2\n\n")
    assert client.get("/api/v1/lines").status_code == 200
    routes = stats.routes()
    assert routes["/api/v1/jobs/{job_id}/events"].total == 0.5
    assert routes["/api/v1/lines"].total == 0.25


def test_requests_under_way(clock: Clock) -> None:
    stats = RequestStats()
    client = TestClient(app(stats, clock))
    assert client.get("/api/v1/open").json() == 1
    assert stats.open == 0


def test_what_nobody_foresaw_is_counted_as_failed(clock: Clock) -> None:
    stats = RequestStats()
    answer = TestClient(app(stats, clock)).get("/api/v1/broken")
    assert answer.json()["code"] == InternalError.code
    assert stats.answered() == {Answered("/api/v1/broken", "GET", "500"): 1}
    assert stats.calls().failed == 1
    assert stats.open == 0


def test_a_thousand_made_up_addresses_are_one_label(clock: Clock) -> None:
    stats = RequestStats()
    client = TestClient(app(stats, clock), raise_server_exceptions=False)
    for number in range(1000):
        client.get(f"/api/v1/runs_{number}" if number % 2 else f"/x{number}")
    assert set(stats.routes()) == {"other", "page"}
