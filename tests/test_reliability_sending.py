from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from tools.reliability.sending import (
    TRANSPORTS,
    Answer,
    Sent,
    Transport,
    ask,
    multipart,
    parsed,
    recognition,
)


def asked(handler: Callable[[httpx.Request], httpx.Response], sent: Sent) -> Answer:
    """The answer of a made-up server."""

    async def once() -> Answer:
        transport = httpx.MockTransport(handler)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return await ask(client, sent)

    return asyncio.run(once())


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_each_transport_brings_recording_name_and_options(
    transport: Transport, api: TestClient, wav: Callable[..., Path]
) -> None:
    data = wav(1.0).read_bytes()
    sent = recognition(transport, 'a"b.wav', data, {"granularity": "frame", "store": "false"})
    answer = api.request(
        sent.method, sent.path, params=dict(sent.params), headers=dict(sent.headers),
        content=sent.content,
    )  # fmt: skip
    assert answer.status_code == 200
    body = answer.json()
    assert body["granularity"] == "frame" and body["run_id"] is None
    shown = "a%22b.wav" if transport == "multipart" else 'a"b.wav'
    assert body["audio"]["file"] == shown


def test_names_of_any_bytes() -> None:
    assert b'filename="\xff\n.wav"' in multipart("\udcff\n.wav", b"", {}).replace(b"%0A", b"\n")
    assert b'filename="a\n"b"' in multipart('a\n"b', b"", {}, raw_name=True)
    body = json.loads(recognition("json", "\udcff", b"abc", {"store": "false"}).content)
    assert body == {
        "audio_base64": base64.b64encode(b"abc").decode(),
        "filename": "\udcff",
        "store": False,
    }


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    tries: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        tries.append(request)
        if len(tries) < 3:
            return httpx.Response(429, headers={"Retry-After": "0"})
        return httpx.Response(415, json={"code": "x"}, headers={"Content-Type": "a/b; c=d"})

    answer = asked(handler, Sent(params={"a": "b"}, content=b"body"))
    assert (answer.status, answer.code, answer.busy, answer.media_type) == (415, "x", 2, "a/b")
    assert answer.total_s >= answer.took_s > 0
    assert {str(request.url) for request in tries} == {"http://x/api/v1/recognize?a=b"}


def test_a_broken_connection_is_no_answer() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone")

    answer = asked(handler, Sent())
    assert (answer.status, answer.body, answer.text) == (0, None, "ReadError: gone")


@pytest.mark.parametrize(
    ("content", "value"), [(b'{"a": 1}', {"a": 1}), (b"[1]", None), (b"\xff", None), (b"", None)]
)
def test_only_objects_are_parsed(content: bytes, value: object) -> None:
    assert parsed(content) == value
