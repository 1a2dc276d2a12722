"""``POST /api/v1/recognize``: bodies, options, answers, limits, and what becomes of the job."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter

from emotion.api.answers import Recognition
from emotion.core.errors import DownloadError
from emotion.core.results import Result
from emotion.services.recognitions import RecognitionService
from tests.api import WAIT_S, app_of, configured, served, until
from tests.conftest import run_folders
from tests.fakes import FakeEngine

Wav = Callable[..., Path]
URL = "/api/v1/recognize"
_NOT_MULTIPART = "it is not valid multipart/form-data"


def post_file(client: TestClient, path: Path, **fields: Any) -> Any:
    return client.post(URL, files={"file": (path.name, path.read_bytes())}, data=fields)


def post_json(client: TestClient, **body: Any) -> Any:
    return client.post(URL, json=body)


def test_three_ways_to_send_a_recording(api: TestClient, wav: Wav) -> None:
    path = wav(1.5, "你好 clip.wav")
    encoded = base64.b64encode(path.read_bytes()).decode()
    answers = [
        post_file(api, path),
        api.post(f"{URL}?filename=你好 clip.wav", content=path.read_bytes()),
        post_json(api, audio_base64=encoded, filename=path.name),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["audio"]["file"] == "你好 clip.wav"
        assert body["scores"] == answers[0].json()["scores"]
        assert list(body)[:5] == ["emotion", "confidence", "scores", "granularity", "timestamp"]
        TypeAdapter(Recognition).validate_python(body)
        Result.from_dict(body)


@pytest.mark.parametrize(
    "content_type",
    [None, "audio/wav", "application/octet-stream", "application/x-www-form-urlencoded"],
)
def test_a_raw_body_of_any_type(api: TestClient, wav: Wav, content_type: str | None) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    headers["Content-Disposition"] = "attachment; filename*=UTF-8''a%20b.wav"
    answer = api.post(URL, content=wav().read_bytes(), headers=headers)
    assert (answer.status_code, answer.json()["audio"]["file"]) == (200, "a b.wav")


def test_the_answer_is_the_result_file_and_its_run(
    api: TestClient, service: RecognitionService, wav: Wav
) -> None:
    body = post_file(api, wav(), exports="srt", granularity="segment").json()
    (folder,) = run_folders(service)
    assert body["run_id"] == folder.name
    assert (folder / "emotions.srt").is_file()
    stored = json.loads((folder / "result.json").read_text("utf-8"))
    assert {key: body[key] for key in stored} == stored
    assert set(body) - set(stored) == {"run_id", "files"}
    assert set(body["files"]) == {"result.json", "processed_audio.wav", "emotions.srt"}
    for name, address in body["files"].items():
        assert api.get(address).content == (folder / name).read_bytes()


def test_the_embedding_inline(api: TestClient, service: RecognitionService, wav: Wav) -> None:
    path = wav()
    as_list = post_file(api, path, extract_embedding="true").json()
    run = service.store.folder / as_list["run_id"]
    stored = np.load(run / "embedding.npy")
    np.testing.assert_array_equal(np.float32(as_list["embedding"]), stored)
    encoded = post_file(api, path, extract_embedding="true", embedding_format="base64").json()[
        "embedding"
    ]
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(encoded), "<f4"), stored)
    without = post_file(api, path, extract_embedding="true", embedding_format="none").json()
    assert "embedding" not in without
    assert (service.store.folder / without["run_id"] / "embedding.npy").is_file()
    assert "embedding" not in post_file(api, path).json()


def test_unstored_leaves_no_files(
    api: TestClient, service: RecognitionService, wav: Wav, upload_roots: Callable[[], list[Path]]
) -> None:
    body = post_file(api, wav(), store="false", extract_embedding="true").json()
    assert body["run_id"] is None
    assert len(body["embedding"]) == 4
    assert run_folders(service) == []
    answer = post_file(api, wav(), store="false", exports="srt")
    assert answer.status_code == 422
    assert answer.json()["params"]["option"] == "exports"


def test_uploads_are_private_and_deleted(
    service: RecognitionService, wav: Wav, upload_roots: Callable[[], list[Path]]
) -> None:
    with TestClient(app_of(service)) as client:
        (root,) = upload_roots()
        assert root.name.startswith("emotion-api-") and root.stat().st_mode & 0o77 == 0
        assert post_file(client, wav()).status_code == 200
        assert post_file(client, Path(__file__)).status_code == 415
        assert client.post(URL, content=b"").status_code == 422
        assert upload_roots() == [root]
    assert upload_roots() == []


def test_options_of_the_body_come_before_those_of_the_query(api: TestClient, wav: Wav) -> None:
    path = wav(2.0)
    files = {"file": ("a.wav", path.read_bytes())}
    url = f"{URL}?granularity=frame&labels=happy,sad"
    body = api.post(url, files=files, data={"granularity": "segment"}).json()
    assert (body["granularity"], body["labels"]) == ("segment", ["happy", "sad"])
    encoded = base64.b64encode(path.read_bytes()).decode()
    body = api.post(url, json={"audio_base64": encoded, "labels": "primary"}).json()
    assert body["granularity"] == "frame" and len(body["labels"]) == 4


def test_every_option_reaches_the_result(api: TestClient, wav: Wav) -> None:
    body = api.post(
        f"{URL}?granularity=segment&labels=angry&labels=happy&min_confidence=0.999&first_s=1&track=1"
        "&channel=1&segment_min=0.5&segment_max=5&segment_pad=0.05",
        content=wav(3.0).read_bytes(),
    ).json()
    assert body["labels"] == ["angry", "happy"]
    assert body["uncertain"] and body["min_confidence"] == 0.999
    assert body["audio"]["channel"] == 1
    assert "first_only" in [warning["code"] for warning in body["warnings"]]


@pytest.mark.parametrize(
    ("fields", "option"),
    [
        ({"granularity": "word"}, "granularity"),
        ({"colour": "red"}, "colour"),
        ({"labels": "happy"}, "labels"),
        ({"exports": "pdf"}, "exports"),
        ({"exports": "npz"}, "exports"),
        ({"track": "0"}, "track"),
        ({"segment_min": "20"}, "segment_min"),
        ({"segment_max": "99"}, "segment_max"),
        ({"channels": "split"}, "granularity"),
        ({"min_confidence": "nan"}, "min_confidence"),
        ({"first_s": "-1"}, "first_s"),
        ({"embedding_format": "hex"}, "embedding_format"),
        ({"language": "fr"}, "language"),
        ({"store": ["true", "false"]}, "store"),
    ],
)
def test_a_wrong_option_is_named(
    api: TestClient, wav: Wav, fields: dict[str, Any], option: str
) -> None:
    for answer in (
        post_file(api, wav(), **fields),
        api.post(URL, content=wav().read_bytes(), params=fields),
        post_json(api, audio_base64="", **fields),
    ):
        if isinstance(fields.get("store"), list) and answer.status_code == 200:
            continue  # of a repeated query parameter the last one counts
        assert answer.status_code == 422, answer.text
        assert answer.json()["params"]["option"] == option


def test_the_language_of_the_body(api: TestClient, wav: Wav) -> None:
    note = Path(__file__)
    answer = post_file(api, note, language="zh")
    assert answer.json()["title"] == "不是可读取的录音"
    answer = post_json(api, audio_base64="!!", language="zh")
    assert "base64 编码" in answer.json()["detail"]
    body = post_file(api, wav(), language="zh", exports="srt").json()
    assert body["emotion"] == "happy"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "config_invalid"),
        ({"audio_base64": "UklGRg==", "audio_path": "a.wav"}, "config_invalid"),
        ({"audio_base64": "no base64!"}, "config_invalid"),
        ({"audio_base64": 5}, "config_invalid"),
        ({"audio_base64": ""}, "audio_empty"),
        ({"audio_path": "a.wav"}, "input_forbidden"),
        ({"audio_url": "https://example.org/a.wav"}, "address_forbidden"),
        ({"audio_url": "ftp://example.org/a.wav"}, "address_forbidden"),
        ({"audio_url": "::"}, "fetch_failed"),
    ],
)
def test_json_that_names_no_recording(api: TestClient, body: dict[str, Any], code: str) -> None:
    answer = post_json(api, **body)
    assert answer.json()["code"] == code
    assert answer.status_code == (403 if "forbidden" in code else 422)


def test_files_of_the_server(service: RecognitionService, wav: Wav, tmp_path: Path) -> None:
    config = configured(input_root=tmp_path)
    path = wav()
    with TestClient(app_of(service, config)) as client:
        body = post_json(client, audio_path=path.name).json()
        assert body["audio"]["file"] == path.name
        assert post_json(client, audio_path=str(path)).status_code == 200
        assert post_json(client, audio_path="none.wav").status_code == 404
        assert post_json(client, audio_path="../x.wav").status_code == 403
    assert path.is_file()


@pytest.mark.parametrize("name", ["empty.wav", "text.txt", "half.json"])
def test_what_is_not_a_recording(api: TestClient, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes({"empty.wav": b"", "text.txt": b"hello" * 500, "half.json": b"{"}[name])
    answer = post_file(api, path)
    assert answer.status_code == (422 if name == "empty.wav" else 415)
    assert name in answer.json()["detail"]


def test_bodies_that_are_damaged(api: TestClient) -> None:
    cases = [
        ("multipart/form-data", b"", _NOT_MULTIPART),
        ("multipart/form-data; boundary=x", b"nothing", _NOT_MULTIPART),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Dis", "the body ended too early"),
        ("application/json", b"{", "it is not JSON"),
        ("application/json", b"\xff", "it is not JSON"),
    ]
    for content_type, content, reason in cases:
        answer = api.post(URL, content=content, headers={"Content-Type": content_type})
        assert answer.status_code == 422 and answer.json()["params"]["reason"] == reason
    answer = api.post(URL, data={"granularity": "frame"}, files={"other": b"x"})
    assert answer.json()["params"]["reason"] == "there is no part named file"
    answer = api.post(URL, files=[("file", b"x"), ("file", b"y")])
    assert answer.json()["params"]["reason"] == "there is more than one file"


def test_a_body_that_is_too_large_is_not_read_on(service: RecognitionService) -> None:
    app = app_of(service, configured(maximum_bytes=100_000))
    with served(app) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), WAIT_S) as raw:
            # Announces a chunk of 1 GB and sends 200 kB of it.
            head = f"POST {URL} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            raw.sendall(head.encode() + b"40000000\r\n" + bytes(200_000))
            answer = raw.recv(65536).decode()
            assert answer.startswith("HTTP/1.1 413")
            assert "connection: close" in answer.lower()
        answers = [
            httpx.post(f"{address}{URL}", content=bytes(3_000_000)),
            httpx.post(f"{address}{URL}", files={"file": bytes(3_000_000)}),
            httpx.post(f"{address}{URL}", json={"audio_base64": "A" * 3_000_000}),
        ]
        for refused in answers:
            assert (refused.status_code, refused.json()["code"]) == (413, "request_too_large")
        assert httpx.post(f"{address}{URL}", content=bytes(90_000)).status_code == 415


def test_a_client_that_goes_cancels_its_job(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav
) -> None:
    fake_engine.gate.clear()
    with served(app_of(service)) as address:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{address}{URL}", content=wav().read_bytes(), timeout=0.5)
        assert fake_engine.entered.wait(WAIT_S)
        until(lambda: service.jobs.active() == [])
        fake_engine.gate.set()
    assert run_folders(service) == []


def test_a_time_out_cancels_the_job(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav
) -> None:
    fake_engine.gate.clear()
    with TestClient(app_of(service, configured(request_timeout_s=0.3))) as client:
        answer = post_file(client, wav())
        assert (answer.status_code, answer.json()["code"]) == (504, "request_timeout")
        assert "/api/v1/jobs" in answer.json()["hint"]
        until(lambda: service.jobs.active() == [])
    fake_engine.gate.set()
    assert run_folders(service) == []


def test_busy_and_stopping(
    service: RecognitionService, fake_engine: FakeEngine, api: TestClient, wav: Wav
) -> None:
    from emotion.services.recognitions import JobRequest

    fake_engine.gate.clear()
    path = wav()
    for _ in range(service.jobs.limits.programs):
        service.jobs.submit(JobRequest(path))
    answer = post_file(api, path)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert answer.headers["connection"] == "close"  # the recording was not waited for
    fake_engine.gate.set()
    service.close()
    answer = post_file(api, path)
    assert (answer.status_code, answer.json()["code"]) == (503, "model_not_ready")


def test_no_model(service: RecognitionService, api: TestClient, wav: Wav) -> None:
    models: Any = service.models
    models.error = DownloadError(name="large", reason="/srv/models: no route")
    answer = post_file(api, wav())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "/srv" not in answer.text


def test_an_owner_is_noted_on_the_job(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav
) -> None:
    app = app_of(service)

    async def guard(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope.setdefault("state", {})["caller"] = "ann"
        await app(scope, receive, send)

    fake_engine.gate.clear()
    with served(guard) as address, ThreadPoolExecutor() as pool:  # type: ignore[arg-type]
        answer = pool.submit(httpx.post, f"{address}{URL}", content=wav().read_bytes())
        assert fake_engine.entered.wait(WAIT_S)
        assert [job.request.owner for job in service.jobs.active()] == ["ann"]
        fake_engine.gate.set()
        assert answer.result(WAIT_S).status_code == 200
