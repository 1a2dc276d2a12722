"""Requests that are broken on purpose, and what a server has to answer to each."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Mapping
from urllib.parse import urlsplit

from tools.reliability.recordings import Recording
from tools.reliability.sending import (
    BOUNDARY,
    ROUTE,
    Answer,
    Sent,
    Transport,
    multipart,
    recognition,
)

_JSON = {"Content-Type": "application/json"}
_FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}

# What the client cuts off itself, and so gets no answer to.
GONE = ("gone in the middle of the body", "half closed in the body", "gone before the answer")
# The statuses that are right for each of the others.
_RIGHT: Mapping[str, tuple[int, ...]] = {
    "no audio": (415,),
    "damaged audio": (200, 415, 422),
    "empty body": (415, 422),
    "multipart without its end": (400, 422),
    "multipart without a file": (400, 422),
    "unknown option": (422,),
    "option with a wrong value": (422,),
    "JSON cut off": (400, 422),
    "JSON of another shape": (422,),
    "no base64": (422,),
    "two sources": (422,),
    "a file of the server": (403,),
    "an address": (403,),
    "unknown route": (404,),
    "wrong method": (405,),
}
BROKEN = (*_RIGHT, *GONE)


def broken(kind: str, rng: random.Random, found: Recording, transport: Transport) -> Sent:
    """A request that is broken in one way.

    Args:
        kind: One of `BROKEN`.
        rng: Decides the rest.
        found: A recording.
        transport: How it is sent, where that is free.
    """
    if kind in GONE:
        return recognition("multipart", found.name, found.data, {"store": "true"})
    if kind in ("no audio", "damaged audio", "empty body"):
        return recognition(transport, found.name, _bad(kind, rng, found.data), {})
    if kind in ("unknown option", "option with a wrong value"):
        options = rng.choice(_WRONG[kind])
        return recognition(transport, found.name, found.data, options)
    if kind == "multipart without its end":
        body = multipart(found.name, found.data, {})
        return Sent(headers=_FORM, content=body[: rng.randrange(20, len(body) - 8)])
    if kind == "multipart without a file":
        field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="store"\r\n\r\ntrue\r\n'
        return Sent(headers=_FORM, content=f"{field}--{BOUNDARY}--\r\n".encode())
    if kind == "unknown route":
        return Sent(rng.choice(("GET", "POST")), f"/api/v1/{rng.randbytes(4).hex()}")
    if kind == "wrong method":
        return Sent(rng.choice(("GET", "PUT", "DELETE", "PATCH")), ROUTE)
    return Sent(headers=_JSON, content=_JSON_BODIES[kind])


_WRONG: Mapping[str, tuple[dict[str, str], ...]] = {
    "unknown option": ({"granularty": "frame"}, {"x" * 300: "1"}),
    "option with a wrong value": (
        {"granularity": "word"},
        {"labels": "joyful"},
        {"min_confidence": "nan"},
        {"channels": "split"},
        {"track": "0"},
        {"first_s": "-1"},
        {"exports": "doc"},
        {"store": "perhaps"},
    ),
}
_JSON_BODIES: Mapping[str, bytes] = {
    "JSON cut off": b'{"audio_base64": "UklG',
    "JSON of another shape": b'[{"audio_base64": 1}]',
    "no base64": b'{"audio_base64": "this is no base64!"}',
    "two sources": b'{"audio_base64": "UklG", "audio_path": "a.wav"}',
    "a file of the server": json.dumps({"audio_path": "/etc/passwd"}).encode(),
    "an address": json.dumps({"audio_url": "http://127.0.0.1:9/x.wav"}).encode(),
}


def _bad(kind: str, rng: random.Random, data: bytes) -> bytes:
    if kind == "empty body":
        return b""
    if kind == "no audio":
        return rng.choice((b"hello, world\n" * 50, b"%PDF-1.7\n" + rng.randbytes(2000)))
    changed = bytearray(data[: rng.randrange(len(data) // 4, len(data))])
    for _ in range(64):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def wrong_answer(kind: str, answer: Answer) -> str:
    """What is wrong with the answer to a broken request; empty where nothing is."""
    if answer.status not in _RIGHT[kind]:
        return f"{answer.status} instead of {_RIGHT[kind]}: {answer.text[:300]}"
    problem = answer.status == 200 or (answer.code and answer.code != "internal_error")
    return "" if problem else f"no problem: {answer.text[:300]}"


async def cut(kind: str, address: str, sent: Sent) -> None:
    """Sends a request and goes away before it is answered.

    Args:
        kind: One of `GONE`.
        address: Of the server.
        sent: The request.
    """
    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    lines = [f"{sent.method} {sent.path} HTTP/1.1", f"Host: {url.netloc}"]
    lines += [f"{name}: {value}" for name, value in sent.headers.items()]
    head = "\r\n".join([*lines, f"Content-Length: {len(sent.content)}", "", ""]).encode()
    part = (
        sent.content if kind == "gone before the answer" else sent.content[: len(sent.content) // 2]
    )
    with contextlib.suppress(ConnectionError):
        writer.write(head + part)
        await writer.drain()
        if kind == "half closed in the body":
            writer.write_eof()
            await reader.read()
        else:
            await asyncio.sleep(0.05)  # so that the server has it, and works on it
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
