"""Requests as values, so that one can be made again, and the answers to them."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

BOUNDARY = "emotion-tools-4f1d6b"
ROUTE = "/api/v1/recognize"
MOST_TRIES = 200

Transport = Literal["multipart", "raw", "json"]
TRANSPORTS: tuple[Transport, ...] = ("multipart", "raw", "json")


@dataclass(frozen=True)
class Sent:
    """A request.

    Attributes:
        method: Of HTTP.
        path: On the server.
        params: Of the query.
        headers: All but those that the client adds.
        content: The body.
    """

    method: str = "POST"
    path: str = ROUTE
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status; 0 where there was no answer.
        body: Parsed JSON; None where it is no JSON object.
        text: The body as it came, or what went wrong.
        media_type: Of the body.
        took_s: Seconds of the last try.
        total_s: Seconds of all tries, with what was waited between them.
        busy: How many times the server was busy (429).
    """

    status: int
    body: dict[str, Any] | None
    text: str
    media_type: str = ""
    took_s: float = 0.0
    total_s: float = 0.0
    busy: int = 0

    @property
    def code(self) -> str:
        """Id of the problem; empty for a result."""
        return str((self.body or {}).get("code", ""))


def recognition(
    transport: Transport,
    name: str,
    data: bytes,
    options: Mapping[str, str],
    *,
    raw_name: bool = False,
) -> Sent:
    """A request that sends a recording.

    Args:
        transport: How.
        name: Its name; bytes that are not UTF-8 as surrogates.
        data: The recording.
        options: Of the recognition.
        raw_name: Whether a multipart body has the name as it is, without what browsers escape.
    """
    if transport == "multipart":
        content = multipart(name, data, options, raw_name=raw_name)
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        return Sent(headers={"Content-Type": kind}, content=content)
    if transport == "raw":
        params = {**options, "filename": name.encode("utf-8", "replace").decode()}
        return Sent(params=params, headers={"Content-Type": "audio/x-any"}, content=data)
    values = {key: {"true": True, "false": False}.get(v, v) for key, v in options.items()}
    body = {**values, "audio_base64": base64.b64encode(data).decode(), "filename": name}
    headers = {"Content-Type": "application/json"}
    return Sent(headers=headers, content=json.dumps(body).encode())


def multipart(
    name: str, data: bytes, options: Mapping[str, str], *, raw_name: bool = False
) -> bytes:
    """A multipart body."""
    if not raw_name:
        for character, escaped in (('"', "%22"), ("\r", "%0D"), ("\n", "%0A")):
            name = name.replace(character, escaped)
    fields = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in options.items()
    )
    head = (
        f'{fields}--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"'
        "\r\nContent-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode("utf-8", "surrogateescape") + data + f"\r\n--{BOUNDARY}--\r\n".encode()


async def ask(client: httpx.AsyncClient, sent: Sent) -> Answer:
    """Sends a request; where the server is busy, waits as long as it says and tries again."""
    began, busy = time.perf_counter(), 0
    while True:
        tried = time.perf_counter()
        try:
            response = await client.request(
                sent.method, sent.path, params=dict(sent.params), headers=dict(sent.headers),
                content=sent.content,
            )  # fmt: skip
        except httpx.TransportError as e:
            now = time.perf_counter()
            return Answer(0, None, f"{type(e).__name__}: {e}", "", now - tried, now - began, busy)
        if response.status_code == 429 and busy < MOST_TRIES:
            busy += 1
            await asyncio.sleep(float(response.headers["Retry-After"]))
            continue
        now = time.perf_counter()
        kind = response.headers.get("content-type", "").partition(";")[0]
        return Answer(
            response.status_code, parsed(response.content), response.text, kind,
            now - tried, now - began, busy,
        )  # fmt: skip


def parsed(content: bytes) -> dict[str, Any] | None:
    """A JSON object; None where it is none."""
    try:
        value = json.loads(content)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
