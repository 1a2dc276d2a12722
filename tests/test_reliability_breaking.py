from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from emotion.services.recognitions import RecognitionService
from tests.api import app_of, served, until
from tests.conftest import run_folders
from tools.reliability.breaking import BROKEN, GONE, broken, cut, wrong_answer
from tools.reliability.recordings import Recording
from tools.reliability.sending import TRANSPORTS, Answer, ask


@pytest.fixture
def recording(wav: Callable[..., Path]) -> Recording:
    return Recording("clip.wav", wav(1.0).read_bytes())


def test_each_broken_request_gets_the_right_answer(
    service: RecognitionService, recording: Recording
) -> None:
    async def all_of_them(address: str) -> None:
        async with httpx.AsyncClient(base_url=address, timeout=30, trust_env=False) as client:
            for kind in BROKEN:
                for number in range(6 if kind not in GONE else 0):
                    transport = TRANSPORTS[number % 3]
                    sent = broken(kind, random.Random(number), recording, transport)
                    answer = await ask(client, sent)
                    assert wrong_answer(kind, answer) == "", kind

    with served(app_of(service)) as address:
        asyncio.run(all_of_them(address))


@pytest.mark.parametrize("kind", GONE)
def test_clients_that_go_away_leave_nothing_under_way(
    kind: str, service: RecognitionService, recording: Recording
) -> None:
    with served(app_of(service)) as address:
        sent = broken(kind, random.Random(0), recording, "raw")
        asyncio.run(cut(kind, address, sent))
        until(lambda: not service.jobs.active())
        assert httpx.get(f"{address}/openapi.json").status_code == 200
    if kind != "gone before the answer":  # that one may have been fast enough
        assert run_folders(service) == []


@pytest.mark.parametrize(
    ("kind", "answer", "right"),
    [
        ("no audio", Answer(415, {"code": "x"}, ""), True),
        ("no audio", Answer(200, {"emotion": "sad"}, ""), False),
        ("no audio", Answer(500, {"code": "internal_error"}, ""), False),
        ("damaged audio", Answer(200, {"emotion": "sad"}, ""), True),
        ("unknown route", Answer(404, None, "<html>"), False),
        ("wrong method", Answer(0, None, "ReadError"), False),
    ],
)
def test_which_answers_are_right(kind: str, answer: Answer, right: bool) -> None:
    assert (wrong_answer(kind, answer) == "") is right
