"""The routes of the live tab."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from numpy.typing import NDArray

from emotion.api.live import add_live
from emotion.api.problems import MEDIA_TYPE, add_handlers
from emotion.core.config import AudioConfig
from emotion.core.errors import OutputError
from emotion.recognition.loaded_model import LoadedModel
from emotion.services.live import LiveSessions
from tests.conftest import tone
from tests.fakes import FakeService


@pytest.fixture
def models(fake_model: LoadedModel) -> FakeService:
    return FakeService(fake_model)


@pytest.fixture
def client(models: FakeService) -> TestClient:
    app = FastAPI()
    add_handlers(app)
    add_live(app, LiveSessions(models, AudioConfig(max_duration_s=40.0), 1))
    return TestClient(app)


def pcm(sound: NDArray[np.float32]) -> bytes:
    return (sound * 32767).astype("<i2").tobytes()


def begin(client: TestClient) -> str:
    answer = client.post("/api/v1/live")
    assert answer.status_code == 201
    body: dict[str, Any] = answer.json()
    assert (body["window_s"], body["step_s"]) == (3, 1)
    return str(body["id"])


def test_parts_in_readings_out(client: TestClient) -> None:
    address = f"/api/v1/live/{begin(client)}"
    answers = [
        client.post(address, params={"sequence": n}, content=pcm(tone(0.5, n))).json()
        for n in range(4)
    ]
    assert [len(answer["readings"]) for answer in answers] == [0, 1, 0, 1]
    (reading,) = answers[3]["readings"]
    assert reading["time_s"] == 2 and reading["speech"] is True
    assert set(reading) == {"time_s", "level_dbfs", "speech", "emotion", "confidence", "scores"}
    again = client.post(address, params={"sequence": 3}, content=pcm(tone(0.5, 3)))
    assert again.json() == answers[3]


def test_an_odd_byte_at_the_end_is_left_out(client: TestClient) -> None:
    address = f"/api/v1/live/{begin(client)}?sequence=0"
    assert client.post(address, content=pcm(tone(0.5)) + b"x").status_code == 200


def test_refusals_are_problems_in_the_visitors_language(
    client: TestClient, models: FakeService
) -> None:
    live_id = begin(client)
    full = client.post("/api/v1/live", headers={"Accept-Language": "zh-CN"})
    assert full.status_code == 429 and int(full.headers["retry-after"]) > 0
    assert full.headers["content-type"] == MEDIA_TYPE
    assert full.json()["code"] == "live_full"
    assert "上限" in full.json()["detail"] and "请" in full.json()["hint"]
    assert "limit" in client.post("/api/v1/live").json()["detail"]
    early = client.post(f"/api/v1/live/{live_id}?sequence=3", content=pcm(tone(0.5)))
    assert (early.status_code, early.json()["code"]) == (409, "live_chunk")
    assert "retry-after" not in early.headers
    unknown = client.post("/api/v1/live/nobody?sequence=0", content=pcm(tone(0.5)))
    assert (unknown.status_code, unknown.json()["code"]) == (404, "live_not_found")
    client.delete(f"/api/v1/live/{live_id}")
    models.current = None
    waiting = client.post("/api/v1/live")
    assert waiting.status_code == 503 and waiting.json()["code"] == "model_not_ready"
    assert int(waiting.headers["retry-after"]) > 0


def test_a_part_has_a_limit_and_so_has_a_recording(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotion.api.refusals._PATIENCE_S", 0.01)
    address = f"/api/v1/live/{begin(client)}"
    large = client.post(f"{address}?sequence=0", content=bytes(2 * 16_000 * 31))
    assert (large.status_code, large.json()["code"]) == (413, "request_too_large")
    assert large.json()["params"] == {"maximum_mb": 0.96}
    assert client.post(f"{address}?sequence=0", content=bytes(2 * 16_000 * 30)).status_code == 200
    long = client.post(f"{address}?sequence=1", content=bytes(2 * 16_000 * 20))
    assert (long.status_code, long.json()["code"]) == (422, "audio_too_long")
    missing = client.post(address, content=b"")
    assert (missing.status_code, missing.json()["params"]["option"]) == (422, "sequence")


def test_dropping_makes_room(client: TestClient) -> None:
    live_id = begin(client)
    assert client.delete(f"/api/v1/live/{live_id}").status_code == 204
    assert client.delete(f"/api/v1/live/{live_id}").status_code == 204
    assert begin(client) != live_id


def test_the_page_alone_calls_them(client: TestClient) -> None:
    assert client.get("/openapi.json").json()["paths"] == {}


def test_a_full_disk_is_told(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, models: FakeService
) -> None:
    def full(*_: object) -> None:
        raise OutputError(path="/tmp", reason="No space left on device")

    monkeypatch.setattr("emotion.services.live.SampleBuffer.append", full)
    address = f"/api/v1/live/{begin(client)}?sequence=0"
    answer = client.post(address, content=pcm(tone(0.5)))
    assert answer.status_code == 503 and answer.headers["retry-after"] == "5"
    assert answer.json()["code"] == "output_unwritable"
