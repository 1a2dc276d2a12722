"""``POST /api/v1/compare``: what may be compared, what comes back, what is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sklearn.metrics.pairwise import cosine_similarity

from emotion.api.compare_models import CompareAnswer
from emotion.core.config import ServerConfig
from emotion.services.recognitions import RecognitionService
from tests.api import app_of, configured
from tests.conftest import run_folders

Wav = Callable[..., Path]
URL = "/api/v1/compare"


def npy(values: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(values))
    return buffer.getvalue()


def vectors(count: int, width: int = 4) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    return [{"embedding": rng.normal(size=width).tolist(), "name": f"e{k}"} for k in range(count)]


def job(client: TestClient, *paths: Path, **options: str) -> str:
    """A job that has ended, with stored runs and their embeddings."""
    files = [("file", (path.name, path.read_bytes())) for path in paths]
    data = {"extract_embedding": "true", **options}
    accept = {"Accept": "application/x-ndjson"}
    answer = client.post("/api/v1/jobs", files=files, data=data, headers=accept)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["content-location"].split("/")[-2])


def refusal(answer: Any) -> tuple[int, str, str]:
    problem = answer.json()
    return answer.status_code, problem["code"], problem["detail"]


def test_embeddings_with_names_dates_speakers_and_columns(api: TestClient) -> None:
    items = vectors(6)
    items[0] |= {"date": "2026-01-31", "speaker": "Ann", "columns": {"room": "A"}}
    answer = api.post(URL, json={"items": items, "neighbours": 2, "clusters": 2})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    CompareAnswer.model_validate(body)
    expected = cosine_similarity([item["embedding"] for item in items])
    np.testing.assert_allclose(body["embedding_similarity"], expected, atol=1e-9)
    assert body["names"] == [f"e{k}" for k in range(6)]
    first = body["items"][0]
    assert (first["date"], first["speaker"], first["columns"]) == (
        "2026-01-31",
        "Ann",
        {"room": "A"},
    )
    assert [len(row) for row in body["neighbours"]] == [2] * 6
    assert len(body["clusters"]["groups"]) == 2 and body["projection"]["method"] == "pca"
    assert (body["model"], body["score_similarity"], body["trends"]) == (None, None, [])


def test_files_embeddings_and_a_table_in_one_request(
    api: TestClient, service: RecognitionService, wav: Wav
) -> None:
    a, b = wav(1.0, "a.wav", 1), wav(1.5, "b.wav", 2)
    table = "file,speaker,date,room\nb.wav,Ann,2026-02-01,B\na.wav,Ann,2026-01-01,A\n"
    files = [
        ("file", ("t.csv", table.encode())),
        ("file", ("a.wav", a.read_bytes())),
        ("file", ("e.npy", npy([1.0, 2.0, 3.0, 4.0]))),
        ("file", ("b.wav", b.read_bytes())),
    ]
    request = json.dumps({"items": vectors(1), "projection": "none"})
    answer = api.post(URL, files=files, data={"request": request})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["names"] == ["e0", "a.wav", "e.npy", "b.wav"]
    assert [item["columns"].get("room") for item in body["items"]] == [None, "A", None, "B"]
    assert (body["model"], body["projection"]) == ("fake", None)
    (trend,) = body["trends"]
    assert (trend["speaker"], trend["indices"]) == ("Ann", [1, 3])
    assert run_folders(service) == [], "nothing is stored"


def test_the_recordings_of_a_job(api: TestClient, wav: Wav, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_text("x")
    paths = [wav(1 + k / 2, f"{k}.wav", k) for k in range(3)]
    job_id = job(api, paths[0], broken, *paths[1:])
    body = api.post(URL, json={"items": [{"job_id": job_id}]}).json()
    assert body["names"] == ["0.wav", "1.wav", "2.wav"]
    assert [item["index"] for item in body["items"]] == [0, 2, 3]
    assert {item["job_id"] for item in body["items"]} == {job_id}
    one = {"job_id": job_id, "index": 2, "name": "mine", "date": "2026-01-01"}
    body = api.post(URL, json={"items": [one, {"job_id": job_id, "index": 0}]}).json()
    assert body["names"] == ["mine", "0.wav"] and body["items"][0]["date"] == "2026-01-01"
    assert np.array(body["embedding_similarity"]).shape == (2, 2)


@pytest.mark.parametrize(
    ("index", "options", "words"),
    [
        (1, {}, "it failed"),
        (9, {}, "it has 2 recordings"),
        (0, {"store": "false"}, "it was not stored"),
        (0, {"extract_embedding": "false"}, "without its embedding"),
    ],
)
def test_recordings_of_a_job_that_cannot_be_compared(
    api: TestClient, wav: Wav, tmp_path: Path, index: int, options: dict[str, str], words: str
) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_text("x")
    job_id = job(api, wav(1.0), broken, **options)
    items = [{"job_id": job_id, "index": index}, *vectors(1)]
    status, code, detail = refusal(api.post(URL, json={"items": items}))
    assert (status, code) == (422, "job_item_unusable")
    assert words in detail and job_id in detail


def test_a_job_that_nobody_knows(api: TestClient) -> None:
    items = [{"job_id": "0" * 32}, *vectors(2)]
    assert refusal(api.post(URL, json={"items": items}))[:2] == (404, "job_not_found")


def test_a_shared_server_takes_jobs_but_no_runs(service: RecognitionService, wav: Wav) -> None:
    server = ServerConfig(host="0.0.0.0", allow_unprotected=True)
    app = app_of(service, replace(configured(), server=server))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        job_id = job(client, wav(1.0, "a.wav", 1), wav(1.0, "b.wav", 2))
        assert client.post(URL, json={"items": [{"job_id": job_id}]}).status_code == 200
        run_id = next(path.name for path in run_folders(service) if path.name[0] != ".")
        items = [{"run_id": run_id}, *vectors(1)]
        assert refusal(client.post(URL, json={"items": items}))[:2] == (403, "shared_server")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "different widths (e0: 4, wide.npy: 3)"),
        ("zh", "维数不同（e0：4，wide.npy：3）"),
    ],
)
def test_different_widths_are_refused_with_both(api: TestClient, language: str, words: str) -> None:
    files = [("file", ("wide.npy", npy([1.0, 2.0, 3.0])))]
    data = {"request": json.dumps({"items": vectors(1)})}
    answer = api.post(URL, files=files, data=data, headers={"Accept-Language": language})
    status, code, detail = refusal(answer)
    assert (status, code) == (422, "embedding_width") and words in detail


def test_embeddings_of_another_model_are_refused_with_both(
    api: TestClient, service: RecognitionService, wav: Wav
) -> None:
    path = wav(1.0)
    files = {"file": (path.name, path.read_bytes())}
    run = api.post("/api/v1/recognize", files=files, data={"extract_embedding": "true"}).json()
    result = service.store.find(run["run_id"]) / "result.json"
    data = json.loads(result.read_text())
    data["model"]["name"] = "large"
    result.write_text(json.dumps(data))
    body = {"items": [{"run_id": run["run_id"], "name": "old"}, {"embedding": [1.0] * 4}]}
    assert api.post(URL, json=body).status_code == 200
    again = api.post(URL, files=files, data={"request": json.dumps({"items": body["items"][:1]})})
    status, code, detail = refusal(again)
    assert (status, code) == (422, "embedding_model")
    assert "old: large" in detail and "clip.wav: fake" in detail


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"items": []}, "items is 0"),
        ({"items": vectors(1)}, "items is 1, but must be 2 to 2000"),
        ({"items": vectors(2001, 1)}, "2 to 2000"),
        ({"items": [{"name": "x"}, *vectors(1)]}, "items.0"),
        ({"items": [{"run_id": "a", "job_id": "b"}, *vectors(1)]}, "items.0"),
        ({"items": [{**vectors(1)[0], "index": 1}, *vectors(1)]}, "items.0.index"),
        ({"items": [{**vectors(1)[0], "date": "soon"}, *vectors(1)]}, "items.0.date is 'soon'"),
        ({"items": vectors(2), "projection": "umap"}, "projection"),
        ({"items": vectors(2), "clusters": 0}, "clusters"),
        ({"items": vectors(2), "colour": "red"}, "colour"),
    ],
)
def test_what_is_not_a_comparison(api: TestClient, body: dict[str, Any], words: str) -> None:
    answer = api.post(URL, json=body)
    assert answer.status_code == 422
    assert words in answer.text


@pytest.mark.parametrize(
    ("files", "data", "words"),
    [
        ([("e.npy", b"no")], {}, "e.npy: cannot be used as an embedding"),
        ([("e.npy", npy(np.zeros((3, 4))))], {}, "shape is (3, 4)"),
        ([("t.csv", b"name\nx\n"), ("a.npy", npy([1.0])), ("b.npy", npy([1.0]))], {}, "t.csv"),
        ([("a.npy", npy([1.0]))], {"request": "{"}, "request"),
        ([("a.npy", npy([1.0]))], {"projection": "pca"}, "projection"),
    ],
)
def test_what_multipart_cannot_bring(
    api: TestClient, files: list[tuple[str, bytes]], data: dict[str, str], words: str
) -> None:
    answer = api.post(URL, files=[("file", file) for file in files], data=data)
    assert answer.status_code == 422
    assert words in answer.text


def test_a_request_as_large_as_two_thousand_items(api: TestClient) -> None:
    items = [{**one, "columns": {"room": "A" * 100}} for one in vectors(1990)]
    request = {"items": items, "projection": "pca", "clustering": "none", "neighbours": 0}
    files = [("file", (f"{k}.npy", npy([1.0, k, 2.0, 3.0]))) for k in range(10)]
    answer = api.post(URL, files=files, data={"request": json.dumps(request)})
    assert answer.status_code == 200, answer.text[:500]
    body = answer.json()
    assert len(body["names"]) == 2000 and body["embedding_similarity"] is None
