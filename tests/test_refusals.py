"""The answer to a body that is not read to its end."""

from __future__ import annotations

import asyncio
from typing import Any

from emotion.api import refusals
from emotion.api.refusals import RefusalResponse


def answer(messages: list[dict[str, Any]], headers: tuple[Any, ...] = ()) -> tuple[list[Any], int]:
    """What is sent, and how many messages were left unread."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append((message, len(messages)))

    scope = {"type": "http", "headers": list(headers)}
    asyncio.run(RefusalResponse({"a": 1}, 413)(scope, receive, send))
    return sent, len(messages)


def chunk(more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": b"x", "more_body": more}


def test_the_answer_comes_before_the_rest_is_dropped() -> None:
    sent, left = answer([chunk(True), chunk(True), chunk(False), chunk(True)])
    start, body, end = (message for message, _ in sent)
    assert (start["status"], dict(start["headers"])[b"connection"]) == (413, b"close")
    assert (body["body"], body["more_body"], end["more_body"]) == (b'{"a":1}', True, False)
    assert [unread for _, unread in sent] == [4, 4, 1] and left == 1


def test_a_client_that_goes_or_waits_first() -> None:
    assert answer([{"type": "http.disconnect"}, chunk(True)])[1] == 1
    assert answer([chunk(True)], ((b"expect", b"100-continue"),))[1] == 1


def test_patience_ends(monkeypatch: Any) -> None:
    monkeypatch.setattr(refusals, "_PATIENCE_S", 0.05)
    sent, left = answer([chunk(True)])
    assert left == 0 and sent[-1][0]["more_body"] is False
