"""``POST /api/v1/audio-classification``, with Hugging Face's own client too."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError

from emotion.core.errors import DownloadError
from emotion.core.labels import LABELS
from emotion.services.recognitions import RecognitionService
from tests.api import app_of, configured, served
from tests.conftest import run_folders
from tests.fakes import FakeEngine

Wav = Callable[..., Path]
PATH = "/api/v1/audio-classification"
TOKEN = "hf_MyOwnSecretToken"


@pytest.fixture
def url(service: RecognitionService) -> Iterator[str]:
    """The route behind a real socket."""
    with served(app_of(service)) as address:
        yield address + PATH


def pairs(found: Any) -> list[tuple[str, float]]:
    return [(one.label, one.score) for one in found]


@pytest.mark.parametrize("way", [Path, str, Path.read_bytes], ids=["path", "text", "bytes"])
def test_the_python_client(
    url: str, service: RecognitionService, wav: Wav, way: Callable[[Path], Any]
) -> None:
    client = InferenceClient(base_url=url, token=TOKEN)
    found = pairs(client.audio_classification(way(wav())))
    assert sorted(label for label, _ in found) == sorted(LABELS)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True) and sum(scores) == pytest.approx(1, abs=1e-5)
    assert found[0][0] == "happy"
    assert run_folders(service) == []


def test_the_python_client_with_parameters(url: str, wav: Wav) -> None:
    path = wav()
    client = InferenceClient(token=TOKEN)
    everything = pairs(client.audio_classification(path, model=url))
    for audio in (path, path.read_bytes()):
        few = client.audio_classification(audio, model=url, top_k=3)
        assert pairs(few) == everything[:3]
    softmax = client.audio_classification(path, model=url, function_to_apply="softmax")
    assert pairs(softmax) == everything
    assert len(client.audio_classification(path, model=url, top_k=100)) == len(LABELS)


@pytest.mark.parametrize("function", ["sigmoid", "none"])
def test_another_function_is_refused(url: str, wav: Wav, function: Any) -> None:
    client = InferenceClient(base_url=url, token=TOKEN)
    with pytest.raises(HfHubHTTPError) as caught:
        client.audio_classification(wav(), function_to_apply=function)
    assert caught.value.response.status_code == 422
    assert f"'{function}', but must be 'softmax'" in str(caught.value)  # the client shows the body


def test_errors_reach_the_python_client(url: str) -> None:
    client = InferenceClient(base_url=url, token=TOKEN)
    with pytest.raises(HfHubHTTPError) as caught:
        client.audio_classification(b"no audio at all")
    assert caught.value.response.status_code == 415
    assert caught.value.response.json()["code"] == "audio_undecodable"


def test_the_token_is_never_logged(
    service: RecognitionService,
    wav: Wav,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    path = wav()
    with served(app_of(service)) as address:
        client = InferenceClient(base_url=address + PATH, token=TOKEN)
        client.audio_classification(path)
        client.audio_classification(path, top_k=1)
        with pytest.raises(HfHubHTTPError):
            client.audio_classification(b"nonsense")

        def broken(*args: object, **options: object) -> None:
            raise ZeroDivisionError("surprise")

        monkeypatch.setattr(service.jobs, "submit", broken)
        with pytest.raises(HfHubHTTPError) as caught:
            client.audio_classification(path)
        assert caught.value.response.status_code == 500
    told = "\n".join(
        [logging.Formatter().format(record) for record in caplog.records] + list(capfd.readouterr())
    )
    assert f"POST {PATH} 200" in told and "surprise" in told
    assert TOKEN not in told and "Bearer" not in told


def test_json_and_its_parameters(api: TestClient, wav: Wav) -> None:
    encoded = base64.b64encode(wav().read_bytes()).decode()
    everything = api.post(PATH, content=wav().read_bytes()).json()
    assert [set(one) for one in everything] == [{"label", "score"}] * len(LABELS)
    bodies: list[tuple[dict[str, Any], int]] = [
        ({"inputs": encoded}, 9),
        ({"inputs": f"data:audio/wav;base64,{encoded}", "parameters": None}, 9),
        ({"inputs": encoded, "parameters": {"top_k": 2}, "options": {"use_cache": False}}, 2),
        ({"inputs": encoded, "parameters": {"top_k": None, "function_to_apply": None}}, 9),
    ]
    for body, count in bodies:
        answer = api.post(PATH, json=body)
        assert answer.status_code == 200 and answer.json() == everything[:count]
    few = api.post(PATH, params={"top_k": 4}, json={"inputs": encoded})
    assert len(few.json()) == 4
    fewer = api.post(PATH, params={"top_k": 4}, json=bodies[2][0])
    assert len(fewer.json()) == 2, "what the body says comes first"


def test_raw_and_multipart(api: TestClient, wav: Wav) -> None:
    data = wav().read_bytes()
    for content_type in (None, "audio/x-wav", "application/octet-stream"):
        headers = {"Content-Type": content_type} if content_type else {}
        answer = api.post(f"{PATH}?top_k=1", content=data, headers=headers)
        assert [one["label"] for one in answer.json()] == ["happy"]
    form = api.post(PATH, files={"file": ("a.wav", data)}, data={"top_k": "5"})
    assert len(form.json()) == 5


@pytest.mark.parametrize(
    ("body", "option", "expected"),
    [
        ({}, "inputs", "given"),
        ({"inputs": "no base64!"}, "inputs", "base64"),
        ({"inputs": "", "parameters": {"top_k": 0}}, "parameters.top_k", "1 or more"),
        ({"inputs": "", "parameters": {"top_k": "x"}}, "parameters.top_k", "a whole number"),
        (
            {"inputs": "", "parameters": {"topk": 3}},
            "parameters.topk",
            "absent: there is no such option",
        ),
        (
            {"inputs": "", "parameters": {"function_to_apply": "sigmoid"}},
            "parameters.function_to_apply",
            "'softmax'",
        ),
    ],
)
def test_what_is_refused(api: TestClient, body: Any, option: str, expected: str) -> None:
    answer = api.post(PATH, json=body)
    assert answer.status_code == 422
    assert answer.json()["params"]["option"] == option
    assert answer.json()["params"]["expected"] == expected
    chinese = api.post(PATH, json=body, headers={"Accept-Language": "zh"}).json()
    assert "但应为" in chinese["detail"]


def test_other_refusals(api: TestClient, service: RecognitionService, wav: Wav) -> None:
    assert api.post(PATH, content=b"").status_code == 422
    assert api.post(f"{PATH}?function_to_apply=none", content=b"").status_code == 422
    assert api.post(PATH, data={"top_k": "1"}, files={"other": b"x"}).status_code == 422
    form = api.post(PATH, files={"file": b"x"}, data={"top_k": "many"})
    assert form.json()["params"]["option"] == "top_k"
    assert api.get(PATH).status_code == 405
    service.models.error = DownloadError(name="large", reason="no route")  # type: ignore[attr-defined]
    failed = api.post(PATH, content=wav().read_bytes())
    assert failed.status_code == 503 and int(failed.headers["retry-after"]) > 0


def test_limits(service: RecognitionService, fake_engine: FakeEngine, wav: Wav) -> None:
    data = wav().read_bytes()
    with TestClient(app_of(service, configured(maximum_bytes=1000))) as client:
        assert client.post(PATH, content=data).status_code == 413
    fake_engine.gate.clear()
    with TestClient(app_of(service, configured(request_timeout_s=0.1))) as client:
        assert client.post(PATH, content=data).status_code == 504
    fake_engine.gate.set()


def test_the_root_is_no_longer_the_apis(api: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert api.post("/").status_code == 404
    assert "POST / " not in caplog.text
