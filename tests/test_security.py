from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from emotion.api.security import SecurityMiddleware, is_denied


def call(path: str, *, kind: str = "http", body: tuple[bytes, ...] = (b"<head></head>",)) -> Any:
    """Sends one GET through the middleware; returns (status, headers, body, what the app saw)."""
    seen: list[dict[str, Any]] = []
    sent: list[MutableMapping[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        if scope["type"] != "http":
            return
        headers = [(b"content-type", b"text/html"), (b"content-length", b"13")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for i, part in enumerate(body):
            more = i < len(body) - 1
            await send({"type": "http.response.body", "body": part, "more_body": more})

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": kind, "path": path, "headers": [(b"accept-encoding", b"br"), (b"x", b"y")]}
    asyncio.run(SecurityMiddleware(app, b"<script>1</script>")(scope, receive, send))
    if not sent:
        return None, {}, b"", seen
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], dict(sent[0]["headers"]), content, seen


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://example.org/x",
        "/gradio_api/file=https:/example.org/x",
        "/gradio_api/file=%68ttp%3A//example.org",
        "/gradio_api/file/https://example.org/x",
        "/gradio_api/proxy=https://example.org",
        "/gradio_api/process_recording",
        "/monitoring/summary",
    ],
)
def test_routes_that_reach_outside_are_refused(path: str) -> None:
    status, headers, body, seen = call(path)
    assert (status, seen) == (403, [])
    assert b"Not allowed" in body and b"content-security-policy" in headers


@pytest.mark.parametrize(
    "path", ["/", "/gradio_api/file=/tmp/monitoring_x.wav", "/gradio_api/upload"]
)
def test_other_routes_pass(path: str) -> None:
    assert not is_denied(path)
    assert call(path)[0] == 200


def test_the_page_gets_the_script_first_in_its_head() -> None:
    _, headers, body, seen = call("/", body=(b"<html><hea", b"d><title></title></head>"))
    assert body == b"<html><head><script>1</script><title></title></head>"
    assert headers[b"content-length"] == str(len(body)).encode()
    assert seen[0]["headers"] == [(b"x", b"y")]


def test_other_answers_are_not_changed_but_for_headers() -> None:
    _, headers, body, seen = call("/config")
    assert body == b"<head></head>" and headers[b"content-length"] == b"13"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert (b"accept-encoding", b"br") in seen[0]["headers"]


def test_other_kinds_of_connection_pass() -> None:
    assert [scope["type"] for scope in call("/", kind="lifespan")[3]] == ["lifespan"]
