from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from emotion.api.status import Status as StatusBody
from emotion.audio import ffmpeg_path
from emotion.core.config import Config, ServerConfig
from emotion.core.errors import (
    CancelledError,
    CheckpointError,
    ModelMissingError,
    TorchWithoutCudaError,
)
from emotion.core.paths import PROJECT_DIR
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.opening import Status
from emotion.server import Server, bind, create_app
from tests.fakes import FakeEngine, FakeService

Serve = Callable[..., str]


@pytest.fixture(scope="module")
def fake() -> FakeService:
    model = LoadedModel(FakeEngine(), name="fake", title="Fake")
    return FakeService(model)


@pytest.fixture(scope="module")
def address(fake: FakeService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running server with a fake model, its page built."""
    config = Config(server=ServerConfig(port=0, outputs_dir=tmp_path_factory.mktemp("outputs")))
    app = create_app(config, fake)  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while httpx.get(f"{url}/readyz").status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield url
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()


def events(address: str, name: str, data: list[Any]) -> str:
    """Calls a Gradio endpoint by hand and returns its event stream."""
    body = httpx.post(f"{address}/gradio_api/call/{name}", json={"data": data}).json()
    url = f"{address}/gradio_api/call/{name}/{body['event_id']}"
    return httpx.get(url, timeout=30).text


def test_health_status_and_etag(address: str) -> None:
    assert httpx.get(f"{address}/healthz").json() == {"status": "ok"}
    first = httpx.get(f"{address}/api/v1/status")
    assert first.json()["phase"] == "ready" and first.json()["model"] == "Fake"
    headers = {"If-None-Match": first.headers["etag"]}
    assert httpx.get(f"{address}/api/v1/status", headers=headers).status_code == 304


def test_the_page_is_gradio_with_our_script_and_headers(address: str) -> None:
    page = httpx.get(f"{address}/")
    assert page.status_code == 200
    assert page.text.index("ui_lang") < page.text.index("gradio")
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert page.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "/proc/self/environ", str(PROJECT_DIR / "run.sh")]
)
def test_no_file_of_the_machine_can_be_read(address: str, target: str) -> None:
    payload = {"path": target, "meta": {"_type": "gradio.FileData"}}
    answer = events(address, "recognize", [payload, "utterance", False])
    assert "event: error" in answer and "event: complete" not in answer
    assert httpx.get(f"{address}/gradio_api/file={target}").status_code == 403


def test_an_address_is_not_fetched(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from gradio import processing_utils

    fetched: list[str] = []

    async def fetch(url: str) -> Any:
        fetched.append(url)
        raise RuntimeError("fetched")

    monkeypatch.setattr(processing_utils, "async_ssrf_protected_get", fetch)
    for url in ("http://127.0.0.1:9/x.wav", "https://example.org/x.wav"):
        for route in ("file=", "file/", "proxy="):
            assert httpx.get(f"{address}/gradio_api/{route}{url}").status_code == 403
        payload = {"path": url, "meta": {"_type": "gradio.FileData"}}
        assert "event: error" in events(address, "recognize", [payload, "utterance", False])
    assert fetched == []


def test_other_origins_are_not_allowed(address: str) -> None:
    answer = httpx.get(f"{address}/config", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


def test_the_endpoint_for_programs(address: str, wav: Callable[..., Path], tmp_path: Path) -> None:
    client = Client(address, verbose=False, download_files=str(tmp_path))
    try:
        result, files = client.predict(
            handle_file(str(wav(1.0))), "frame", True, api_name="/recognize"
        )
        assert result["granularity"] == "frame" and sum(result["scores"].values()) > 0.999
        names = {Path(file).name: Path(file) for file in files}
        assert {"result.json", "processed_audio.wav", "embedding.npy"} <= set(names)
        assert json.loads(names["result.json"].read_text("utf-8"))["scores"] == result["scores"]
    finally:
        client.close()


def test_a_track_for_programs(address: str, wav: Callable[..., Path], tmp_path: Path) -> None:
    both = tmp_path / "both.mkv"
    inputs = [word for number in (1, 2) for word in ("-i", str(wav(float(number), seed=number)))]
    command = [ffmpeg_path(), "-v", "error", *inputs, "-map", "0", "-map", "1", str(both)]
    subprocess.run(command, check=True)
    client = Client(address, verbose=False, download_files=str(tmp_path))
    try:
        for options, track in (({}, 1), ({"track": 2}, 2)):
            result, _ = client.predict(
                handle_file(str(both)), "utterance", False, api_name="/recognize", **options
            )
            assert result["audio"]["track"] == track
            assert result["audio"]["duration_s"] == pytest.approx(track, abs=0.1)
        with pytest.raises(AppError, match=r"both\.mkv: there is no audio track 3, the file has 2"):
            client.predict(
                handle_file(str(both)), "utterance", False, track=3, api_name="/recognize"
            )
    finally:
        client.close()


def test_an_answer_in_two_pieces_does_not_wait_for_the_client() -> None:
    found: list[int] = []

    async def tell(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = writer.get_extra_info("socket")
        found.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    async def connect() -> None:
        with bind("127.0.0.1", 0) as listener:
            async with await asyncio.start_server(tell, sock=listener):
                reader, writer = await asyncio.open_connection(*listener.getsockname())
                await reader.read()
                writer.close()

    asyncio.run(connect())
    assert found and found[0] != 0


def test_events_are_not_summed_up(
    address: str, wav: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    sums: list[object] = []
    monkeypatch.setattr("gradio.queueing.Queue._get_df", sums.append)
    client = Client(address, verbose=False)
    try:
        client.predict(handle_file(str(wav(1.0))), "utterance", False, api_name="/recognize")
    finally:
        client.close()
    assert not sums


def test_what_the_status_tells(fake: FakeService) -> None:
    service: Any = FakeService(None, Status("downloading", 3, "Large", 25, 100))
    body = StatusBody.of(service).model_dump()
    assert (body["phase"], body["fraction"], body["memory"]) == ("downloading", 0.25, None)
    error = CheckpointError(folder="x", reason="broken")
    body = StatusBody.of(FakeService(None, Status("failed", 4, error=error))).model_dump()  # type: ignore[arg-type]
    assert body["error"]["code"] == "checkpoint_invalid"
    assert body["fetch_command"] == "bash run.sh download emotion2vec_plus_large"
    assert body["gpu"] is None
    gpu = TorchWithoutCudaError(card="Card", driver="1.2", torch="2+cpu", command="do this")
    body = StatusBody.of(FakeService(fake.current, Status("ready", 5, gpu=gpu))).model_dump()  # type: ignore[arg-type]
    assert body["gpu"]["code"] == "torch_without_cuda"
    assert body["gpu"]["en"].endswith("Install the build with CUDA: do this")
    assert body["gpu"]["zh"].endswith("请安装含 CUDA 的版本：do this")
    assert body["model"] == "Fake"


def test_the_status_tells_visitors_no_folders(fake: FakeService, tmp_path: Path) -> None:
    error = CheckpointError(folder=tmp_path / "large", reason=f"{tmp_path}/large/model.pt is gone")
    (tmp_path / "own.wav").touch()
    service: Any = FakeService(fake.current, Status("ready", 4, fallback=error, error=error))
    fake.current.example = tmp_path  # type: ignore[union-attr]
    try:
        body = StatusBody.of(service).model_dump()
    finally:
        fake.current.example = None  # type: ignore[union-attr]
    assert body["example"] == "own.wav"
    assert body["fallback"]["en"].startswith("large: model.pt is gone")
    assert body["fallback"]["zh"].startswith("large：model.pt is gone")
    assert str(tmp_path) not in json.dumps(body)


def test_the_command_that_fetches_a_missing_model_is_told_once(fake: FakeService) -> None:
    why = ModelMissingError(name="large", reason="offline")
    body = StatusBody.of(FakeService(fake.current, Status("ready", 6, fallback=why))).model_dump()  # type: ignore[arg-type]
    assert body["fallback"]["en"] == "large is not on this machine (offline)"
    assert body["fallback"]["zh"] == "这台机器上没有 large（离线模式）"


def test_before_the_page_is_built_a_short_one_waits(
    fake: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastapi.testclient import TestClient

    gate = threading.Event()

    async def held(self: Any, uploads: Path) -> Any:
        gate.wait(20)
        raise RuntimeError("enough")

    monkeypatch.setattr("emotion.server.PageHost._build", held)
    app = create_app(Config(), fake)  # type: ignore[arg-type]
    with TestClient(app, base_url="http://127.0.0.1") as client:
        page = client.get("/")
        assert page.status_code == 200 and 'http-equiv="refresh"' in page.text
        assert client.get("/config").status_code == 503
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        gate.set()
        deadline = time.monotonic() + 20
        while client.get("/").status_code == 200:
            assert time.monotonic() < deadline
        assert "could not be started" in client.get("/").text
        assert client.get("/readyz").status_code == 503


def test_programs_by_hand_need_not_name_a_track(address: str, wav: Callable[..., Path]) -> None:
    with wav(1.0).open("rb") as file:
        (path,) = httpx.post(f"{address}/gradio_api/upload", files={"files": file}).json()
    audio = {"path": path, "meta": {"_type": "gradio.FileData"}}
    assert "event: complete" in events(address, "recognize", [audio, "utterance", False])


def by_hand(address: str, path: Path) -> str:
    """Uploads a recording and asks for its recognition by HTTP alone; gives the event's id."""
    with path.open("rb") as file:
        (uploaded,) = httpx.post(f"{address}/gradio_api/upload", files={"files": file}).json()
    audio = {"path": uploaded, "meta": {"_type": "gradio.FileData"}}
    data = {"data": [audio, "utterance", False]}
    answer = httpx.post(f"{address}/gradio_api/call/recognize", json=data).json()
    return f"{address}/gradio_api/call/recognize/{answer['event_id']}"


def until(condition: Callable[[], bool]) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def complete(stream: str) -> Any:
    """The data of the event `complete`."""
    return json.loads(stream.split("event: complete\ndata: ", 1)[1].split("\n", 1)[0])


@pytest.mark.parametrize("duration_s", [1.0, 70.0])
def test_the_last_event_holds_the_whole_result(
    address: str, wav: Callable[..., Path], duration_s: float
) -> None:
    result, files = complete(httpx.get(by_hand(address, wav(duration_s)), timeout=30).text)
    assert result["audio"]["duration_s"] == pytest.approx(duration_s, abs=0.1)
    assert sum(result["scores"].values()) == pytest.approx(1, abs=1e-3)
    assert [file["orig_name"] for file in files] == ["result.json", "processed_audio.wav"]
    client = Client(address, verbose=False, download_files=False)
    try:
        path = handle_file(str(wav(duration_s)))
        again, _ = client.predict(path, "utterance", False, api_name="/recognize")
        assert again["scores"] == result["scores"]
    finally:
        client.close()


def test_without_audio_the_endpoint_says_so_in_plain_text(address: str) -> None:
    answer = events(address, "recognize", [None, "utterance", False])
    assert "There is no audio yet. Upload, drop or record some audio first" in answer


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[tuple[str, Server, threading.Thread, FakeEngine]]:
    """A server that a test may stop; it would wait a minute for open streams."""
    engine = FakeEngine()
    service: Any = FakeService(LoadedModel(engine, name="fake", title="Fake"))
    config = Config(server=ServerConfig(port=0, outputs_dir=tmp_path / "outputs"))
    app = create_app(config, service)
    server = Server(app, port=0, timeout_graceful_shutdown=60)
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started or not app.state.page.ready:
        assert thread.is_alive() and time.monotonic() < deadline
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}", server, thread, engine
    engine.gate.set()
    server.should_exit = True
    thread.join(70)


def test_a_program_that_disconnects_cancels_its_job(
    own_server: tuple[str, Server, threading.Thread, FakeEngine],
    wav: Callable[..., Path],
    tmp_path: Path,
) -> None:
    address, server, _, engine = own_server
    jobs = server.config.app.state.service.jobs  # type: ignore[union-attr]
    engine.gate.clear()
    with httpx.stream("GET", by_hand(address, wav(70.0)), timeout=30) as stream:
        lines = stream.iter_lines()  # the connection ends with it
        assert next(lines) == "event: generating"
        assert engine.entered.wait(20)
        (job,) = jobs.active()
    until(lambda: job.cancelled)
    engine.gate.set()
    with pytest.raises(CancelledError):
        job.result(20)
    assert list((tmp_path / "outputs").iterdir()) == []


def test_stopping_does_not_wait_for_open_pages_and_jobs(
    own_server: tuple[str, Server, threading.Thread, FakeEngine],
    wav: Callable[..., Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    address, server, thread, engine = own_server
    engine.gate.clear()
    url = by_hand(address, wav(70.0))
    assert engine.entered.wait(20)
    (job,) = server.config.app.state.service.jobs.active()  # type: ignore[union-attr]
    page = f"{address}/gradio_api/heartbeat/some-page"
    with httpx.stream("GET", page, timeout=60) as heart, httpx.stream("GET", url, timeout=60) as it:
        assert "ALIVE" in next(heart.iter_lines())
        server.should_exit = True
        until(lambda: job.cancelled)
        engine.gate.set()
        assert "event: complete" not in it.read().decode()
        thread.join(20)
        assert not thread.is_alive()
    assert list((tmp_path / "outputs").iterdir()) == []
    assert "Exception in ASGI" not in caplog.text


def test_stopping_does_not_wait_for_a_page_that_is_being_built(
    fake: FakeService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from fastapi.testclient import TestClient

    gate = threading.Event()
    waited: list[bool] = []
    left: list[Path] = []

    async def held(self: Any, uploads: Path) -> Any:
        gate.wait(20)
        raise RuntimeError("enough")

    monkeypatch.setattr("emotion.server.PageHost._build", held)
    monkeypatch.setattr("emotion.server._PAGE_S", 0.01)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with TestClient(create_app(Config(), fake)):  # type: ignore[arg-type]
        until(lambda: bool(list(tmp_path.glob("emotion-uploads-*"))))

        def stopped() -> None:  # after the page
            left.extend(tmp_path.glob("emotion-uploads-*"))
            waited.append(gate.is_set())
            gate.set()  # the client waits for all threads of its loop

        monkeypatch.setattr(fake, "stop", stopped)
    assert waited == [False] and left == []
