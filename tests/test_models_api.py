"""``/api/v1/models``, and loading the model again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from emotion import __version__
from emotion.api.gate import Gate
from emotion.api.guard import Guard
from emotion.api.models import Models
from emotion.api.status import Status as StatusModel
from emotion.core.config import Config, EngineConfig, ServerConfig
from emotion.core.errors import DownloadError
from emotion.core.labels import LABELS
from emotion.core.registry import DEFAULT, EMBEDDED, MODELS
from emotion.core.request_errors import RetryRefusedError
from emotion.recognition.opening import Status
from emotion.services import access
from emotion.services.access import Entry, hash_key, write_entries
from emotion.services.model_service import ModelService
from emotion.services.recognitions import RecognitionService
from emotion.storage.run_store import RunStore
from tests.api import app_of, until
from tests.fakes import FakeHub, FakeService

URL = "/api/v1/models"


@pytest.fixture
def models(service: RecognitionService) -> FakeService:
    assert isinstance(service.models, FakeService)
    return service.models


@pytest.fixture
def client(service: RecognitionService, tmp_path: Path) -> Iterator[TestClient]:
    config = Config(engine=EngineConfig(models_dir=tmp_path))
    with TestClient(app_of(service, config)) as made:
        yield made


def test_all_models_and_the_one_that_answers(client: TestClient, tmp_path: Path) -> None:
    answer = client.get(URL)
    assert answer.status_code == 200
    body = answer.json()
    Models.model_validate(body)
    assert (body["version"], body["phase"]) == (__version__, "ready")
    listed = {model["name"]: model for model in body["models"]}
    assert list(listed) == [*MODELS, "fake"]
    large = listed[DEFAULT]
    assert large["state"] == "missing" and large["answers"] is False
    assert large["licence"] and large["licence_url"].startswith("https://")
    assert large["size_bytes"] > 1e9
    assert large["labels"] is large["embedding_dim"] is large["device"] is None
    fake = listed["fake"]
    assert fake["answers"] is True and fake["labels"] == list(LABELS)
    known = [fake[name] for name in ("embedding_dim", "device", "precision", "engine")]
    assert known == [4, "cpu", "fp32", "native"]
    assert fake["fallback_reason"] is None
    assert str(tmp_path) not in answer.text, "no folders of the server"


def test_none_answers_while_loading(client: TestClient, models: FakeService) -> None:
    models.status = Status("reading", 2, "Fake")
    body = client.get(URL).json()
    assert body["phase"] == "reading"
    assert not any(model["answers"] for model in body["models"])


def test_a_retry_is_accepted_and_refused(client: TestClient, models: FakeService) -> None:
    error = DownloadError(name="large", reason="no route")
    models.status = Status("ready", 5, "Mini", fallback=error)
    answer = client.post(f"{URL}/retry")
    assert answer.status_code == 202 and models.retries == 1
    assert StatusModel.model_validate(answer.json()).phase == "starting"
    models.refusal = RetryRefusedError(reason="it is being loaded")
    refused = client.post(f"{URL}/retry", headers={"Accept-Language": "zh"})
    assert (refused.status_code, refused.json()["code"]) == (409, "retry_refused")
    assert refused.json()["detail"] == "模型没有重新加载（正在加载）"
    assert client.get(f"{URL}/retry").status_code == 405


def test_a_real_failure_and_a_retry(hub: FakeHub, tmp_path: Path) -> None:
    hub.error = DownloadError(name=DEFAULT, reason="no route")
    hub.go.set()
    config = Config(engine=EngineConfig(device="cpu", models_dir=tmp_path))
    models = ModelService(config)
    service = RecognitionService(models, RunStore(tmp_path / "outputs"))
    models.start()
    with TestClient(app_of(service, config)) as client:
        until(lambda: models.status.phase == "ready")
        (mini,) = (one for one in client.get(URL).json()["models"] if one["answers"])
        assert mini["name"] == EMBEDDED and "no route" in mini["fallback_reason"]
        hub.error = None
        assert client.post(f"{URL}/retry").status_code == 202
        until(lambda: models.status.phase == "ready")
        (large,) = (one for one in client.get(URL).json()["models"] if one["answers"])
        assert large["name"] == DEFAULT and large["fallback_reason"] is None
        refused = client.post(f"{URL}/retry")
        assert refused.status_code == 409
        assert refused.json()["params"] == {"reason": "it has not failed"}
    service.close()
    models.stop()


def test_only_operators_may_retry(
    service: RecognitionService,
    models: FakeService,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(access, "_COST", 16)
    keys = tmp_path / "keys"
    entries = [Entry("ann", hash_key("ann-key")), Entry("op", hash_key("op-key"), operator=True)]
    write_entries(keys, entries)
    app = app_of(service)
    app.add_middleware(Guard, gate=Gate(ServerConfig(api_key_file=keys)))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.post(f"{URL}/retry").status_code == 401
        refused = client.post(f"{URL}/retry", headers={"X-API-Key": "ann-key"})
        assert (refused.status_code, refused.json()["code"]) == (403, "operator_only")
        assert models.retries == 0
        accepted = client.post(f"{URL}/retry", headers={"X-API-Key": "op-key"})
        assert accepted.status_code == 202 and models.retries == 1
        assert accepted.json()["caller"] == "op"
        assert client.get(URL, headers={"X-API-Key": "ann-key"}).status_code == 200
