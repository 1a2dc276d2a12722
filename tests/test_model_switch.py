"""Another model takes over on a running server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from emotion.api.gate import Gate
from emotion.api.guard import Guard
from emotion.api.models import Models
from emotion.core.config import Config, EngineConfig, ServerConfig
from emotion.core.errors import DownloadError, ModelUnknownError
from emotion.core.registry import DEFAULT, EMBEDDED
from emotion.core.request_errors import SwitchRefusedError
from emotion.evaluation.stored import STORED
from emotion.recognition.opening import Status
from emotion.services import access
from emotion.services.access import Entry, hash_key, write_entries
from emotion.services.model_service import ModelService
from emotion.services.recognitions import RecognitionService
from tests.api import app_of
from tests.fakes import FakeHub, FakeService, named

URL = "/api/v1/models"
Start = Callable[[Config], ModelService]


def test_another_model_takes_over(hub: FakeHub, start: Start) -> None:
    hub.go.set()
    service = start(named(EMBEDDED))
    first = service.model()
    service.switch(DEFAULT)
    service._thread.join(20)
    second = service.model()
    assert (first.info.name, second.info.name) == (EMBEDDED, DEFAULT)
    assert service.status.phase == "ready"
    assert service.status.model == second.info.title
    with pytest.raises(SwitchRefusedError, match="it answers already"):
        service.switch(DEFAULT)
    with pytest.raises(ModelUnknownError, match="no-such"):
        service.switch("no-such")


def test_the_model_of_before_answers_during_a_download_and_after_its_failure(
    hub: FakeHub, start: Start
) -> None:
    service = start(named(EMBEDDED))
    first = service.model()
    hub.error = DownloadError(name=DEFAULT, reason="disk full")
    service.switch(DEFAULT)
    assert hub.reached.wait(20)
    assert service.status.phase == "downloading"
    assert service.model() is first
    with pytest.raises(SwitchRefusedError, match="a model is being loaded"):
        service.switch(DEFAULT)
    hub.go.set()
    service._thread.join(20)
    assert service.model() is first
    assert (service.status.phase, service.status.model) == ("ready", first.info.title)
    assert "disk full" in str(service.status.switch_error)
    hub.error = None
    service.switch(DEFAULT)
    service._thread.join(20)
    assert service.model().info.name == DEFAULT
    assert service.status.switch_error is None


def test_a_server_without_a_model_may_switch_to_one(hub: FakeHub, start: Start) -> None:
    hub.go.set()
    hub.error = DownloadError(name=DEFAULT, reason="no route")
    service = start(named(DEFAULT))
    service._thread.join(20)
    assert service.status.phase == "failed"
    service.switch(EMBEDDED)
    service._thread.join(20)
    assert service.model().info.name == EMBEDDED


@pytest.fixture
def models(service: RecognitionService) -> FakeService:
    assert isinstance(service.models, FakeService)
    return service.models


@pytest.fixture
def client(service: RecognitionService, tmp_path: Path) -> Iterator[TestClient]:
    config = Config(engine=EngineConfig(models_dir=tmp_path))
    with TestClient(app_of(service, config)) as made:
        yield made


def test_the_api(client: TestClient, models: FakeService, tmp_path: Path) -> None:
    answer = client.post(f"{URL}/switch", json={"name": EMBEDDED})
    assert (answer.status_code, models.switched) == (202, [EMBEDDED])
    unknown = client.post(f"{URL}/switch", json={"name": "/etc"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "model_unknown")
    assert client.post(f"{URL}/switch", json={}).status_code == 422
    noise = client.post(
        f"{URL}/switch", content=b"\xff\xfe", headers={"Content-Type": "application/json"}
    )
    assert (noise.status_code, noise.json()["code"]) == (422, "request_invalid")
    models.refusal = SwitchRefusedError(name="x", reason="it answers already")
    refused = client.post(f"{URL}/switch", json={"name": "x"}, headers={"Accept-Language": "zh"})
    assert (refused.status_code, refused.json()["code"]) == (409, "switch_refused")
    assert refused.json()["detail"] == "没有切换到 x（它已在作答）"
    error = DownloadError(name="large", reason=f"{tmp_path}/large: no room")
    models.status = Status("ready", 5, "Fake", switch_error=error)
    body = client.get(URL).json()
    Models.model_validate(body)
    assert body["switch_error"]["code"] == "download_failed"
    assert body["operator"] is True


def test_the_last_comparison(client: TestClient, tmp_path: Path) -> None:
    assert client.get(URL).json()["comparison"] is None
    (tmp_path / STORED).write_text('{"rows": [], "manifest": "m.csv"}')
    assert client.get(URL).json()["comparison"] == {"rows": [], "manifest": "m.csv"}


def test_only_operators_may_switch(
    service: RecognitionService, models: FakeService, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(access, "_COST", 16)
    keys = tmp_path / "keys"
    entries = [Entry("ann", hash_key("ann-key")), Entry("op", hash_key("op-key"), operator=True)]
    write_entries(keys, entries)
    app = app_of(service)
    app.add_middleware(Guard, gate=Gate(ServerConfig(api_key_file=keys)))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        for key, code in (("ann-key", 403), ("op-key", 202)):
            headers = {"X-API-Key": key}
            asked = client.post(f"{URL}/switch", json={"name": EMBEDDED}, headers=headers)
            assert asked.status_code == code
            assert client.get(URL, headers=headers).json()["operator"] is (code == 202)
    assert models.switched == [EMBEDDED]


def test_nobody_switches_a_server_that_strangers_share(
    service: RecognitionService, models: FakeService
) -> None:
    shared = ServerConfig(host="0.0.0.0", allow_unprotected=True)
    with TestClient(app_of(service, Config(server=shared))) as client:
        assert client.get(URL).json()["operator"] is False
        refused = client.post(f"{URL}/switch", json={"name": EMBEDDED})
    assert (refused.status_code, models.switched) == (403, [])
