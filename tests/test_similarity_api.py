"""``POST /api/v1/similarity``: what may be compared, what comes back, what is refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from sklearn.metrics.pairwise import cosine_similarity

from emotion.api.gate import Gate
from emotion.api.guard import Guard
from emotion.api.similarity import Similarity
from emotion.core.config import ServerConfig
from emotion.services import access
from emotion.services.access import Entry, hash_key, write_entries
from emotion.services.recognitions import RecognitionService
from tests.api import WAIT_S, app_of, configured, served, until
from tests.conftest import run_folders
from tests.fakes import FakeEngine

Wav = Callable[..., Path]
URL = "/api/v1/similarity"


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def compare(client: TestClient, *items: dict[str, Any]) -> Any:
    return client.post(URL, json={"items": items})


def stored(client: TestClient, path: Path, **fields: str) -> Any:
    """A run with its embedding."""
    files = {"file": (path.name, path.read_bytes())}
    fields = {"extract_embedding": "true", **fields}
    return client.post("/api/v1/recognize", files=files, data=fields).json()


def test_uploaded_files(api: TestClient, service: RecognitionService, wav: Wav) -> None:
    paths = [wav(1 + seed / 2, f"{seed}.wav", seed) for seed in range(4)]
    files = [("file", (path.name, path.read_bytes())) for path in paths]
    answer = api.post(URL, files=files)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    Similarity.model_validate(body)
    assert body["names"] == ["0.wav", "1.wav", "2.wav", "3.wav"]
    assert (body["model"], body["embedding_dim"]) == ("fake", 4)
    assert run_folders(service) == [], "no run folders"
    runs = [stored(api, path) for path in paths]
    expected = cosine_similarity([run["embedding"] for run in runs])
    np.testing.assert_allclose(body["embedding_similarity"], expected, atol=1e-12)
    expected = cosine_similarity([list(run["scores"].values()) for run in runs])
    np.testing.assert_allclose(body["score_similarity"], expected, atol=1e-12)


def test_every_kind_of_item(service: RecognitionService, wav: Wav, tmp_path: Path) -> None:
    path = wav()
    with TestClient(app_of(service, configured(input_root=tmp_path))) as client:
        run = stored(client, path)
        before = run_folders(service)
        items = [
            {"audio_base64": encoded(path), "name": "mine.wav"},
            {"audio_path": path.name},
            {"run_id": run["run_id"]},
            {"run_id": run["run_id"], "name": "again"},
        ]
        body = compare(client, *items).json()
        assert body["names"] == ["mine.wav", "clip.wav", run["run_id"], "again"]
        np.testing.assert_allclose(body["embedding_similarity"], np.ones((4, 4)), atol=1e-12)
        np.testing.assert_allclose(body["score_similarity"], np.ones((4, 4)), atol=1e-6)
        opposite = [-value for value in run["embedding"]]
        body = compare(client, *items, {"embedding": opposite}).json()
        assert body["names"][4] == "items.4"
        assert body["embedding_similarity"][4][0] == pytest.approx(-1)
        assert body["score_similarity"] is None and body["model"] == "fake"
        assert run_folders(service) == before


def test_embeddings_alone(api: TestClient) -> None:
    items = [{"embedding": [1, 0]}, {"embedding": [1, 1], "name": "b"}, {"embedding": [0, -1e300]}]
    body = compare(api, *items).json()
    half = 0.5**0.5
    expected = [[1, half, 0], [half, 1, -half], [0, -half, 1]]
    np.testing.assert_allclose(body["embedding_similarity"], expected, atol=1e-15)
    assert body["names"] == ["items.0", "b", "items.2"]
    assert (body["model"], body["embedding_dim"], body["score_similarity"]) == (None, 2, None)


def test_a_hundred_recordings(api: TestClient, wav: Wav) -> None:
    data = wav(0.5).read_bytes()
    files = [("file", (f"{number}.wav", data)) for number in range(100)]
    body = api.post(URL, files=files).json()
    assert np.shape(body["embedding_similarity"]) == (100, 100)
    more = api.post(URL, files=[*files, ("file", ("one more.wav", data))])
    assert more.status_code == 422 and "more than 100 files" in more.json()["detail"]


def test_different_widths_are_named(api: TestClient, wav: Wav) -> None:
    answer = compare(api, {"audio_base64": encoded(wav()), "name": "a.wav"}, {"embedding": [1] * 6})
    assert (answer.status_code, answer.json()["code"]) == (422, "embedding_width")
    assert "(a.wav: 4, items.1: 6)" in answer.json()["detail"]


def test_zeros_are_refused(api: TestClient) -> None:
    answer = compare(api, {"embedding": [1, 0]}, {"embedding": [0, 0], "name": "nothing"})
    assert (answer.status_code, answer.json()["code"]) == (422, "embedding_zero")
    assert answer.json()["params"] == {"name": "nothing"}


def test_models_do_not_mix(api: TestClient, service: RecognitionService, wav: Wav) -> None:
    run = stored(api, wav())
    model: Any = service.models.current
    model.info = replace(model.info, name="another")
    answer = compare(api, {"run_id": run["run_id"]}, {"audio_base64": encoded(wav()), "name": "b"})
    assert (answer.status_code, answer.json()["code"]) == (422, "embedding_model")
    assert f"({run['run_id']}: fake, b: another)" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("item", "option"),
    [
        ({}, "items.0"),
        ({"name": "only"}, "items.0"),
        ({"audio_base64": "UklGRg==", "run_id": "x"}, "items.0"),
        ({"embedding": [1], "audio_url": "http://x"}, "items.0"),
        ({"embedding": []}, "items.0.embedding"),
        ({"embedding": ["x"]}, "items.0.embedding.0"),
        ({"embedding": [1], "weight": 3}, "items.0.weight"),
    ],
)
def test_items_that_are_not_one_thing(api: TestClient, item: Any, option: str) -> None:
    answer = compare(api, item, {"embedding": [1]})
    assert (answer.status_code, answer.json()["code"]) == (422, "config_invalid")
    assert answer.json()["params"]["option"] == option


def test_numbers_that_are_not_finite(api: TestClient) -> None:
    content = b'{"items": [{"embedding": [NaN]}, {"embedding": [1]}]}'
    answer = api.post(URL, content=content, headers={"Content-Type": "application/json"})
    assert answer.json()["params"]["option"] == "items.0.embedding.0"


def test_too_few_and_too_many(api: TestClient, wav: Wav) -> None:
    one = {"embedding": [1.0]}
    for items in ([], [one], [one] * 101):
        answer = compare(api, *items)
        assert answer.status_code == 422
        assert answer.json()["params"] == {
            "option": "items", "value": len(items), "expected": "2 to 100"
        }  # fmt: skip
    raw = api.post(URL, content=wav().read_bytes())
    assert raw.json()["params"]["value"] == 1
    chinese = api.post(URL, json={"items": [one], "language": "zh"}).json()
    assert "应为 2 到 100" in chinese["detail"]
    form = api.post(URL, files={"file": b"x"}, data={"language": "zh"})
    assert "应为" in form.json()["detail"]
    form = api.post(URL, files={"file": b"x"}, data={"top_k": "1"})
    assert form.json()["params"]["option"] == "top_k"


def test_what_is_not_there(api: TestClient, service: RecognitionService, wav: Wav) -> None:
    one = {"embedding": [1.0]}
    for run_id in ("outputs_20260101_000000", "../x", ""):
        answer = compare(api, one, {"run_id": run_id})
        assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found")
    bare = stored(api, wav(), extract_embedding="false")["run_id"]
    answer = compare(api, one, {"run_id": bare})
    assert (answer.status_code, answer.json()["code"]) == (422, "embedding_missing")
    file = service.store.folder / bare / "embedding.npy"
    file.write_bytes(b"\x93NUMPY damaged")
    assert compare(api, one, {"run_id": bare}).json()["code"] == "embedding_missing"
    np.save(file, np.ones((2, 2)))
    assert compare(api, one, {"run_id": bare}).json()["code"] == "embedding_missing"
    whole = stored(api, wav())["run_id"]
    (service.store.folder / whole / "result.json").write_text(json.dumps({"emotion": "sad"}))
    assert compare(api, one, {"run_id": whole}).status_code == 404
    assert compare(api, one, {"audio_path": "a.wav"}).status_code == 403
    assert compare(api, one, {"audio_url": "https://example.org/a.wav"}).status_code == 403


def test_one_bad_recording_ends_it(
    api: TestClient, service: RecognitionService, wav: Wav, upload_roots: Callable[[], list[Path]]
) -> None:
    good = wav().read_bytes()
    files = [("file", (f"{n}.wav", good)) for n in range(20)]
    files[9] = ("file", ("notes.txt", b"hello" * 100))
    answer = api.post(URL, files=files)
    assert answer.status_code == 415 and "notes.txt" in answer.json()["detail"]
    until(lambda: not service.jobs.active())
    assert run_folders(service) == []


def test_files_that_are_too_large_together(
    service: RecognitionService, wav: Wav, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotion.api.refusals._PATIENCE_S", 0.01)
    data = encoded(wav())
    with TestClient(app_of(service, configured(maximum_bytes=100_000))) as client:
        answer = compare(client, {"audio_base64": data}, {"audio_base64": data})
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")


def test_a_caller_who_goes_cancels_everything(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav
) -> None:
    fake_engine.gate.clear()
    data = wav().read_bytes()
    files = [("file", (f"{number}.wav", data)) for number in range(30)]
    with served(app_of(service)) as address, ThreadPoolExecutor(1) as pool:

        def ask() -> None:
            with httpx.Client() as client, pytest.raises(httpx.ReadTimeout):
                client.post(address + URL, files=files, timeout=0.5)

        asking = pool.submit(ask)
        until(lambda: len(service.jobs.active()) == 8)
        asking.result(WAIT_S)
        until(lambda: all(job.cancelled for job in service.jobs.active()))
        fake_engine.gate.set()
        until(lambda: not service.jobs.active())
    assert run_folders(service) == []


def test_a_time_out(service: RecognitionService, fake_engine: FakeEngine, wav: Wav) -> None:
    fake_engine.gate.clear()
    data = wav().read_bytes()
    files = [("file", (f"{number}.wav", data)) for number in range(12)]
    with TestClient(app_of(service, configured(request_timeout_s=0.2))) as client:
        answer = client.post(URL, files=files)
        assert (answer.status_code, answer.json()["code"]) == (504, "request_timeout")
        assert all(job.cancelled for job in service.jobs.active())
        fake_engine.gate.set()
        until(lambda: not service.jobs.active())


def test_runs_of_others_are_not_there(
    service: RecognitionService, wav: Wav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_COST", 16)
    keys = tmp_path / "keys"
    write_entries(keys, [Entry("ann", hash_key("ann-key")), Entry("bob", hash_key("bob-key"))])
    app = app_of(service)
    app.add_middleware(Guard, gate=Gate(ServerConfig(api_key_file=keys)))
    ann, bob = {"X-API-Key": "ann-key"}, {"X-API-Key": "bob-key"}
    path = wav()
    with TestClient(app, base_url="http://127.0.0.1") as client:
        client.headers = ann  # type: ignore[assignment]
        run_id = stored(client, path)["run_id"]
        items = [{"run_id": run_id}, {"run_id": run_id, "name": "b"}]
        assert compare(client, *items).status_code == 200
        client.headers = bob  # type: ignore[assignment]
        assert compare(client, *items).status_code == 404
    shared = configured(host="0.0.0.0", allow_unprotected=True)
    with TestClient(app_of(service, shared)) as client:
        answer = compare(client, *items)
        assert (answer.status_code, answer.json()["code"]) == (403, "shared_server")
        assert compare(client, {"embedding": [1]}, {"embedding": [1]}).status_code == 200
