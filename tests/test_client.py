"""The client of the REST API: what it sends, retries, streams that break; and against the API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from emotion.client import ApiError, AsyncClient, Client, ServerPath
from emotion.client.calls import form
from emotion.client.retries import Retries
from emotion.core.errors import ConfigError
from emotion.core.options import RecognitionOptions
from emotion.services.recognitions import RecognitionService
from tests.api import app_of, served
from tests.export_results import result

Handler = Callable[[httpx.Request], httpx.Response]
NO_WAIT = Retries(first_wait_s=0)
PROBLEM = {"status": 415, "code": "audio_undecodable", "detail": "no audio", "hint": "send some"}


def client_of(handler: Handler, **options: Any) -> Client:
    options.setdefault("retries", NO_WAIT)
    return Client("http://server", transport=httpx.MockTransport(handler), **options)


def recognition(**more: Any) -> dict[str, Any]:
    return {**result().to_dict(), "run_id": "outputs_1", **more}


def line(index: int, **more: Any) -> bytes:
    """A line of a job's results."""
    data = {"index": index, "file": f"{index}.wav", "status": "done", "result": recognition()}
    return json.dumps({**data, **more}).encode() + b"\n"


class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body whose connection breaks."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        yield from self._parts
        raise httpx.ReadError("broken")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part


def test_options_that_differ_from_the_defaults_are_sent() -> None:
    assert form(RecognitionOptions()) == {}
    options = RecognitionOptions(
        "segment", embedding=True, labels=("happy", "sad"), segment_min_s=0.5, channel=2
    )
    assert form(options) == {
        "granularity": "segment", "extract_embedding": True, "embedding_format": "base64",
        "labels": ["happy", "sad"], "segment_min": 0.5, "channel": 2,
    }  # fmt: skip


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_comparing_sends_items_as_json_and_files_as_a_form(
    kind: type[Client] | type[AsyncClient], wav: Callable[..., Path]
) -> None:
    path, seen = wav(), []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers["content-type"], request.read()))
        return httpx.Response(200, json={"names": ["a", "b"]})

    items = [{"run_id": "outputs_1"}, {"job_id": "x", "index": 1}]

    async def ask() -> None:
        async with AsyncClient("http://server", transport=httpx.MockTransport(handler)) as client:
            assert await client.compare(items, clusters=2) == {"names": ["a", "b"]}
            await client.compare([*items, path])

    if kind is AsyncClient:
        asyncio.run(ask())
    else:
        with client_of(handler) as client:
            assert client.compare(items, clusters=2) == {"names": ["a", "b"]}
            client.compare([*items, path])
    (json_type, body), (form_type, parts) = seen
    assert json_type == "application/json"
    assert json.loads(body) == {"clusters": 2, "items": items, "language": "en"}
    assert form_type.startswith("multipart/form-data")
    assert path.read_bytes() in parts and b'name="request"' in parts and b"outputs_1" in parts


def test_a_file_is_sent_as_a_form_with_the_key(wav: Callable[..., Path]) -> None:
    path, seen = wav(), []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=recognition(embedding="AACAPwAAAEA=", new_field=1))

    with client_of(handler, key="emo_1", language="zh") as client:
        found = client.recognize(path, RecognitionOptions("frame"), store=False)
    body = seen[0].read()
    assert path.read_bytes() in body and f'filename="{path.name}"'.encode() in body
    assert b'name="granularity"\r\n\r\nframe' in body and b'name="store"\r\n\r\nfalse' in body
    assert seen[0].headers["authorization"] == "Bearer emo_1"
    assert seen[0].headers["accept-language"] == "zh"
    assert found.result == result() and found.run_id == "outputs_1"
    assert found.embedding is not None
    np.testing.assert_array_equal(found.embedding, np.float32([1, 2]))


@pytest.mark.parametrize(
    ("recording", "field"),
    [(ServerPath("a/b.wav"), "audio_path"), ("https://example.org/a.wav", "audio_url")],
)
def test_what_the_server_has_is_named(recording: Any, field: str) -> None:
    bodies: list[Any] = []

    def handler(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.read()))
        many = request.url.path.endswith("/jobs")
        return httpx.Response(200, json={"id": "1", "state": "queued", "total": 1}
                              if many else recognition())  # fmt: skip

    with client_of(handler) as client:
        client.recognize(recording)
        client.submit([recording])
        with pytest.raises(ValueError, match="cannot be sent together"):
            client.submit([recording, b"RIFF"])
    value = recording.path if isinstance(recording, ServerPath) else recording
    assert bodies[0][field] == value and bodies[1]["items"] == [{field: value}]


def test_a_busy_server_is_asked_again_after_as_long_as_it_says(
    monkeypatch: pytest.MonkeyPatch, wav: Callable[..., Path]
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("emotion.client.sync.time.sleep", waits.append)
    answers = iter([
        httpx.Response(429, headers={"Retry-After": "7"}, json={}),
        httpx.Response(503, json={}),
        httpx.ConnectError("refused"),
        httpx.Response(200, json=recognition()),
    ])  # fmt: skip
    sizes = []

    def handler(request: httpx.Request) -> httpx.Response:
        sizes.append(len(request.read()))
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with client_of(handler, retries=Retries(first_wait_s=1)) as client:
        assert client.recognize(wav()).run_id == "outputs_1"
    assert waits == [7, 2, 4]
    assert len(set(sizes)) == 1 and sizes[0] > 10_000  # the file is whole each time


def test_it_gives_up_in_the_end_and_says_what_the_server_says() -> None:
    tried: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        tried.append(request.url.path)
        if request.url.path.endswith("/status"):
            return httpx.Response(503, text="<html>a proxy</html>")
        return httpx.Response(415, json={**PROBLEM, "request_id": "r1", "params": {"file": "x"}})

    with client_of(handler, retries=Retries(most=2, first_wait_s=0)) as client:
        with pytest.raises(ApiError, match="the server answered 503") as caught:
            client.status()
        assert caught.value.status == 503 and len(tried) == 3
        with pytest.raises(ApiError, match=r"no audio\. send some") as caught:
            client.recognize(b"text")
        assert len(tried) == 4  # it would not become better
    error = caught.value
    assert (error.status, error.code, error.request_id) == (415, "audio_undecodable", "r1")
    assert error.params == {"file": "x"}


def test_a_server_that_is_not_there() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    with (
        client_of(handler, retries=Retries(most=1, first_wait_s=0)) as client,
        pytest.raises(httpx.ConnectError),
    ):
        client.status()


def streaming(seen: list[str]) -> Handler:
    """A job of three whose stream breaks after the first and in the middle of a line."""
    bodies = iter([
        Broken(line(0)), Broken(line(2)[:20]),
        httpx.ByteStream(line(2) + line(1, result=None, status="failed", problem=PROBLEM)),
    ])  # fmt: skip

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.method} {request.url.raw_path.decode()}")
        if request.method == "POST":
            return httpx.Response(202, json={"id": "j", "state": "queued", "total": 3, "new": 1})
        if request.method == "DELETE":
            return httpx.Response(204)
        return httpx.Response(200, stream=next(bodies))

    return handler


SEEN = [
    "POST /api/v1/jobs",
    "GET /api/v1/jobs/j/results?from=0",
    "GET /api/v1/jobs/j/results?from=1",
    "GET /api/v1/jobs/j/results?from=1",
    "DELETE /api/v1/jobs/j",
]


def test_many_recordings_over_a_connection_that_breaks() -> None:
    seen: list[str] = []
    told: list[tuple[int, int]] = []
    with client_of(streaming(seen)) as client:
        found = list(
            client.recognize_many([b"a", b"b", b"c"], progress=lambda *now: told.append(now))
        )
    assert seen == SEEN and told == [(1, 3), (2, 3), (3, 3)]
    assert [one.index for one in found] == [0, 2, 1]
    assert found[0].recognition is not None and found[0].recognition.result == result()
    assert found[2].error is not None and found[2].error.code == "audio_undecodable"


def test_the_same_with_asyncio() -> None:
    seen: list[str] = []

    async def run() -> list[int]:
        transport = httpx.MockTransport(streaming(seen))
        async with AsyncClient("http://server", transport=transport, retries=NO_WAIT) as client:
            return [one.index async for one in client.recognize_many([b"a", b"b", b"c"])]

    assert asyncio.run(run()) == [0, 2, 1]
    assert seen == SEEN


def test_leaving_early_cancels_the_rest() -> None:
    seen: list[str] = []
    with client_of(streaming(seen)) as client:
        for _ in client.recognize_many([b"a", b"b", b"c"]):
            break
        assert seen[-1] == "DELETE /api/v1/jobs/j"


@pytest.mark.parametrize("wrong", [{"most": -1}, {"first_wait_s": -1}, {"first_wait_s": 61}])
def test_retries_that_make_no_sense(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="retries is"):
        Retries(**wrong)


@pytest.fixture
def address(service: RecognitionService) -> Iterator[str]:
    with served(app_of(service)) as url:
        yield url


def test_against_the_api(address: str, wav: Callable[..., Path], tmp_path: Path) -> None:
    path = wav(2.0)
    with Client(address) as client:
        found = client.recognize(path, RecognitionOptions("frame", embedding=True))
        assert found.result.frames is not None and found.embedding is not None
        assert client.recognize(path.read_bytes(), store=False).run_id is None
        (item,) = client.runs(name=path.stem)
        assert (item.run_id, item.emotion) == (found.run_id, found.result.emotion)
        assert client.run(item.run_id).result == found.result
        saved = client.download(found.files["embedding.npy"], tmp_path / "saved.npy")
        np.testing.assert_array_equal(np.load(saved), found.embedding)
        with pytest.raises(ApiError) as caught:
            client.download("/api/v1/runs/none/result.json", tmp_path / "none")
        assert caught.value.status == 404 and not list(tmp_path.glob("*none*"))
        client.delete_run(item.run_id, undo=True)
        assert client.runs() == [] and client.restore_run(item.run_id) == item.run_id
        assert client.runs() == [item]
        client.delete_run(item.run_id)
        assert client.runs() == []
        with pytest.raises(ApiError) as caught:
            client.restore_run(item.run_id)
        assert caught.value.status == 404


def test_against_the_api_with_asyncio(
    address: str, wav: Callable[..., Path], tmp_path: Path
) -> None:
    async def run() -> None:
        async with AsyncClient(address) as client:
            found = await client.recognize(wav(), RecognitionOptions(embedding=True))
            assert found.embedding is not None and found.run_id is not None
            saved = await client.download(found.files["result.json"], tmp_path / "saved")
            assert json.loads(saved.read_bytes())["emotion"] == found.result.emotion
            with pytest.raises(ApiError) as caught:
                await client.download("/api/v1/runs/none/result.json", tmp_path / "none")
            assert caught.value.status == 404
            assert [run.run_id for run in await client.runs()] == [found.run_id]
            assert (await client.run(found.run_id)).result == found.result
            await client.delete_run(found.run_id, undo=True)
            assert await client.runs() == []
            assert await client.restore_run(found.run_id) == found.run_id
            await client.delete_run(found.run_id)
            assert await client.runs() == []

    asyncio.run(run())
