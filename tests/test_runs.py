"""Stored runs over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from emotion.services.recognitions import RecognitionService
from tests.api import app_of, configured

URL = "/api/v1/runs"
Wav = Callable[..., Path]


class Named:
    """Stands for the guard: the caller is who a header says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            name = dict(scope["headers"]).get(b"x-caller", b"").decode()
            scope.setdefault("state", {})["caller"] = name or None
        await self._app(scope, receive, send)


def app_with_callers(service: RecognitionService) -> FastAPI:
    app = app_of(service)
    app.add_middleware(Named)
    return app


@pytest.fixture
def client(service: RecognitionService) -> Iterator[TestClient]:
    with TestClient(app_with_callers(service)) as found:
        yield found


def recognised(client: TestClient, path: Path, caller: str = "", **fields: str) -> Any:
    """Recognises a recording; gives the answer."""
    with path.open("rb") as file:
        answer = client.post(
            "/api/v1/recognize", files={"file": file}, data=fields, headers={"X-Caller": caller}
        )
    assert answer.status_code == 200
    return answer.json()


def test_a_list_newest_first(client: TestClient, wav: Wav) -> None:
    assert client.get(URL).json() == {"runs": [], "total": 0, "models": []}
    ids = [recognised(client, wav(1.0 + n / 10))["run_id"] for n in range(3)]
    answer = client.get(URL, params={"limit": 2}).json()
    assert [run["run_id"] for run in answer["runs"]] == ids[:0:-1] and answer["total"] == 3
    assert "owner" not in answer["runs"][0] and answer["models"] == ["fake"]
    assert (answer["runs"][0]["uncertain"], answer["runs"][0]["no_speech"]) == (False, False)
    (last,) = client.get(URL, params={"limit": 2, "offset": 2}).json()["runs"]
    assert last["run_id"] == ids[0]


def test_filters(client: TestClient, wav: Wav) -> None:
    made = recognised(client, wav())
    day = made["timestamp"][:10]
    for query, found in (
        ({"emotion": made["emotion"]}, 1),
        ({"emotion": "nothing"}, 0),
        ({"since": day, "until": day}, 1),
        ({"until": "2001-01-01"}, 0),
        ({"name": made["audio"]["file"][:3]}, 1),
        ({"name": "%"}, 0),
        ({"model": made["model"]["name"]}, 1),
    ):
        assert client.get(URL, params=query).json()["total"] == found, query


@pytest.mark.parametrize(
    ("query", "option"),
    [
        ({"limit": 0}, "limit"),
        ({"since": "soon"}, "since"),
        ({"what": 1}, "what"),
        ({"until": "1700000000"}, "until"),
    ],
)
def test_wrong_filters(client: TestClient, query: dict[str, Any], option: str) -> None:
    answer = client.get(URL, params=query)
    assert (answer.status_code, answer.json()["params"]["option"]) == (422, option)


def test_one_run_and_its_files(client: TestClient, service: RecognitionService, wav: Wav) -> None:
    made = recognised(client, wav(), exports="html", extract_embedding="true")
    run = client.get(f"{URL}/{made['run_id']}").json()
    assert run["scores"] == made["scores"] and run["files"] == made["files"]
    folder = service.store.folder / made["run_id"]
    for name, address in run["files"].items():
        answer = client.get(address)
        assert answer.content == (folder / name).read_bytes()
        assert answer.headers["content-disposition"].startswith("attachment")
    audio = client.get(run["files"]["processed_audio.wav"], headers={"Range": "bytes=0-3"})
    assert (audio.status_code, audio.content) == (206, b"RIFF")


@pytest.mark.parametrize(
    "path",
    [
        "outputs_20200101_000000",
        "outputs_20200101_000000/result.json",
        "..%2F..%2Fetc",
        "%2e%2e/passwd",
        "RUN/none.wav",
        "RUN/.owner",
        "RUN/..%2F..%2Fsecret.txt",
        "RUN/%2e%2e%2fsecret.txt",
    ],
)
def test_what_is_not_there(
    client: TestClient, service: RecognitionService, wav: Wav, path: str
) -> None:
    made = recognised(client, wav(), caller="ann@a.example")
    (service.store.folder / "secret.txt").write_text("{}", encoding="utf-8")
    (service.store.folder.parent / "secret.txt").write_text("{}", encoding="utf-8")
    answer = client.get(f"{URL}/{path.replace('RUN', made['run_id'])}")
    assert answer.status_code == 404 and answer.json()["status"] == 404


def test_deleting(client: TestClient, service: RecognitionService, wav: Wav) -> None:
    made = recognised(client, wav())
    url = f"{URL}/{made['run_id']}"
    answer = client.delete(url)
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(url).status_code == client.delete(url).status_code == 404
    assert service.store.ids() == [] and client.get(URL).json()["total"] == 0


def test_a_deletion_can_be_undone(
    client: TestClient, service: RecognitionService, wav: Wav
) -> None:
    made = recognised(client, wav())
    url = f"{URL}/{made['run_id']}"
    answer = client.delete(url, params={"undo": "true"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(url).status_code == 404 and client.get(URL).json()["total"] == 0
    assert client.get(made["files"]["result.json"]).status_code == 404
    answer = client.post(f"{url}/restore")
    assert (answer.status_code, answer.json()) == (200, {"run_id": made["run_id"]})
    assert client.get(url).json()["scores"] == made["scores"]
    assert client.post(f"{url}/restore").status_code == 404  # it is there already
    client.delete(url)
    assert client.post(f"{url}/restore").status_code == 404  # deleted for good
    assert client.delete(url, params={"undo": "maybe"}).status_code == 422


def test_only_the_owner_undoes_a_deletion(client: TestClient, wav: Wav) -> None:
    ann, bob = {"X-Caller": "ann"}, {"X-Caller": "bob"}
    url = f"{URL}/{recognised(client, wav(), caller='ann')['run_id']}"
    assert client.delete(url, params={"undo": "true"}, headers=bob).status_code == 404
    assert client.delete(url, params={"undo": "true"}, headers=ann).status_code == 204
    assert client.post(f"{url}/restore", headers=bob).status_code == 404
    assert client.post(f"{url}/restore", headers=ann).status_code == 200
    assert client.get(url, headers=ann).status_code == 200


def test_the_list_of_models_is_the_callers_own(client: TestClient, wav: Wav) -> None:
    recognised(client, wav(), caller="ann")
    assert client.get(URL, headers={"X-Caller": "bob"}).json()["models"] == []
    answer = client.get(URL, params={"emotion": "nothing"}, headers={"X-Caller": "ann"}).json()
    assert (answer["total"], answer["models"]) == (0, ["fake"])  # whatever the filter


def test_callers_see_their_own_runs_only(
    client: TestClient, service: RecognitionService, wav: Wav
) -> None:
    ann, bob = (recognised(client, wav(), caller=name) for name in ("ann@a.example", "bob"))
    nobodys = recognised(client, wav())
    for name, made in (("ann@a.example", ann), ("bob", bob)):
        headers = {"X-Caller": name}
        listed = client.get(URL, headers=headers).json()
        assert [run["run_id"] for run in listed["runs"]] == [made["run_id"]]
        for other in (ann, bob, nobodys):
            status = 200 if other is made else 404
            assert client.get(f"{URL}/{other['run_id']}", headers=headers).status_code == status
            for address in other["files"].values():
                assert client.get(address, headers=headers).status_code == status
            if other is not made:
                answer = client.delete(f"{URL}/{other['run_id']}", headers=headers)
                assert answer.status_code == 404
    assert client.get(URL).json()["total"] == 3  # where nobody is told apart
    assert "ann@a.example" not in json.dumps(service.store.result(ann["run_id"]))


def test_a_shared_server_without_keys_shows_no_runs(service: RecognitionService, wav: Wav) -> None:
    with TestClient(app_of(service, configured(host="0.0.0.0"))) as client:
        made = recognised(client, wav())
        assert made["run_id"] and "files" not in made
        for url in (URL, f"{URL}/{made['run_id']}", f"{URL}/{made['run_id']}/result.json"):
            answer = client.get(url)
            assert (answer.status_code, answer.json()["code"]) == (403, "shared_server")
        assert client.delete(f"{URL}/{made['run_id']}").status_code == 403
        assert client.post(f"{URL}/{made['run_id']}/restore").status_code == 403
    assert service.store.ids() == [made["run_id"]]


def test_a_history_that_is_switched_off(service: RecognitionService, wav: Wav) -> None:
    with TestClient(app_of(service, configured(history=False))) as client:
        made = recognised(client, wav())  # which works as ever
        assert made["run_id"] and "files" not in made
        url = f"{URL}/{made['run_id']}"
        answers = [client.get(address) for address in (URL, url, f"{url}/result.json")]
        answers += [client.delete(url), client.post(f"{url}/restore")]
        items = [{"run_id": made["run_id"]}, {"embedding": [1.0]}]
        answers.append(client.post("/api/v1/similarity", json={"items": items}))
        for answer in answers:
            assert (answer.status_code, answer.json()["code"]) == (403, "history_off")
        zh = client.get(URL, headers={"Accept-Language": "zh-CN"}).json()
        assert zh["detail"] == "这台服务器关闭了历史记录"
        assert client.get("/api/v1/jobs").status_code == 200
    assert service.store.ids() == [made["run_id"]]
