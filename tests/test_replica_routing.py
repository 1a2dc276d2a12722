"""Two replicas behind routers: whichever is asked, the right one answers."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from emotion.api.replica_forward import KEY_HEADER
from emotion.api.replica_routing import PeerGate, ReplicaRouter
from emotion.core.config import Config, ServerConfig
from emotion.recognition.loaded_model import LoadedModel
from emotion.server import bind, create_app
from tests.fakes import FakeEngine, FakeService

Wav = Callable[..., Path]
# Two pages are built at the same time here, which no program of ours does.
pytestmark = pytest.mark.filterwarnings("ignore:The 'alias' attribute")
KEY = "shared by all"
COOKIE = "emotion_replica_0"
TAGS = ("aaaaaaaa", "bbbbbbbb")


class Peers:
    """Knows where the replicas are."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    async def addresses(self) -> dict[str, str]:
        return dict(self.known)

    async def forget(self, tag: str) -> None:
        self.known.pop(tag, None)


@dataclass
class Replicas:
    """Addresses of the routers, and what they know."""

    urls: list[str]
    peers: Peers
    inner: list[uvicorn.Server]


@contextlib.contextmanager
def _running(app: Any, lifespan: str) -> Iterator[tuple[str, uvicorn.Server]]:
    listener: socket.socket = bind("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(
            app, lifespan=lifespan, log_level="warning", timeout_graceful_shutdown=1,  # type: ignore[arg-type]
            forwarded_allow_ips="*",
        )
    )  # fmt: skip
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive() and time.monotonic() < deadline
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", server
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[Replicas]:
    """Two of them, with one folder for results."""
    found = Replicas([], Peers(), [])
    with contextlib.ExitStack() as stack:
        for tag in TAGS:
            config = Config(server=ServerConfig(port=0, outputs_dir=tmp_path / "outputs"))
            model = LoadedModel(FakeEngine(), name="fake", title="Fake")
            app: FastAPI = create_app(config, FakeService(model), tag)  # type: ignore[arg-type]
            router = ReplicaRouter(app, tag, found.peers, KEY, COOKIE)
            # The routers answer first, so that the app's own lifespan has begun.
            url, _ = stack.enter_context(_running(router, "on"))
            inside, server = stack.enter_context(_running(PeerGate(app, KEY), "off"))
            found.urls.append(url)
            found.inner.append(server)
            found.peers.known[tag] = inside
        yield found


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30) as made:
        yield made


def _begin(client: httpx.Client, url: str, clip: Path, count: int = 2) -> dict[str, Any]:
    files = [("file", (f"{k}.wav", clip.read_bytes(), "audio/wav")) for k in range(count)]
    answer = client.post(f"{url}/api/v1/jobs", files=files)
    assert answer.status_code == 202
    return dict(answer.json())


def test_a_job_is_found_whichever_replica_is_asked(
    replicas: Replicas, client: httpx.Client, wav: Wav
) -> None:
    jobs = [_begin(client, url, wav(1.0)) for url in replicas.urls]
    assert [job["id"][:8] for job in jobs] == list(TAGS)
    for job in jobs:
        for url in replicas.urls:
            lines = client.get(f"{url}/api/v1/jobs/{job['id']}/results").text.splitlines()
            assert len(lines) == 2
            events = client.get(f"{url}/api/v1/jobs/{job['id']}/events").text
            assert "event: end" in events
            assert client.get(f"{url}/api/v1/jobs/{job['id']}").json()["state"] == "done"
    for url in replicas.urls:
        listed = client.get(f"{url}/api/v1/jobs").json()["jobs"]
        assert {job["id"] for job in listed} == {job["id"] for job in jobs}
        assert listed[0]["created_at"] >= listed[1]["created_at"]  # newest first
    gone = client.delete(f"{replicas.urls[1]}/api/v1/jobs/{jobs[0]['id']}")
    assert gone.status_code == 204
    assert client.get(f"{replicas.urls[0]}/api/v1/jobs/{jobs[0]['id']}").status_code == 404


def test_stored_runs_are_those_of_all(replicas: Replicas, client: httpx.Client, wav: Wav) -> None:
    clip = wav(1.0)
    for url in replicas.urls:
        files = {"file": ("a.wav", clip.read_bytes(), "audio/wav")}
        answer = client.post(f"{url}/api/v1/recognize", files=files, params={"store": "true"})
        assert answer.status_code == 200
    for url in replicas.urls:
        runs = client.get(f"{url}/api/v1/runs").json()["runs"]
        assert len(runs) == 2
        for run in runs:
            found = client.get(f"{url}/api/v1/runs/{run['run_id']}/result.json")
            assert found.json()["emotion"] == run["emotion"]


def test_a_page_stays_with_the_replica_that_sent_it(
    replicas: Replicas, client: httpx.Client, wav: Wav
) -> None:
    first = client.get(f"{replicas.urls[0]}/")
    assert first.headers["set-cookie"] == f"{COOKIE}={TAGS[0]}; Path=/; HttpOnly; SameSite=Lax"
    assert "set-cookie" not in client.get(f"{replicas.urls[0]}/").headers
    job = _begin(client, replicas.urls[1], wav(1.0), 1)  # with the cookie of the first
    assert job["id"].startswith(TAGS[0])


def test_large_bodies_and_answers_pass_through(
    replicas: Replicas, client: httpx.Client, wav: Wav
) -> None:
    client.cookies.set(COOKIE, TAGS[0], "127.0.0.1")
    clip = wav(120.0)
    answer = client.post(
        f"{replicas.urls[1]}/api/v1/recognize",
        content=(clip.read_bytes() for _ in range(1)),  # in chunks of unknown number
        headers={"content-type": "audio/wav", "accept-encoding": "gzip"},
        params={"granularity": "frame"},
    )
    assert answer.status_code == 200
    assert answer.json()["audio"]["duration_s"] == 120.0


def test_errors_come_back_as_they_are(replicas: Replicas, client: httpx.Client) -> None:
    client.cookies.set(COOKIE, TAGS[0], "127.0.0.1")
    answer = client.post(
        f"{replicas.urls[1]}/api/v1/recognize",
        content=b"RIFF no",
        headers={"content-type": "audio/wav", "accept-language": "zh"},
    )
    assert answer.status_code == 415
    assert answer.headers["content-type"] == "application/problem+json"
    assert "FFmpeg" in answer.text or "音频" in answer.text


def test_where_a_replica_is_gone_another_answers(
    replicas: Replicas, client: httpx.Client, wav: Wav
) -> None:
    job = _begin(client, replicas.urls[0], wav(1.0))
    client.get(f"{replicas.urls[0]}/")
    replicas.peers.known[TAGS[0]] = "http://127.0.0.1:9"
    other = replicas.urls[1]
    assert client.get(f"{other}/api/v1/jobs/{job['id']}").json()["code"] == "job_not_found"
    assert TAGS[0] not in replicas.peers.known
    assert client.get(f"{other}/").headers["set-cookie"].startswith(f"{COOKIE}={TAGS[1]};")
    replicas.peers.known[TAGS[0]] = "http://127.0.0.1:9"
    listed = client.get(f"{other}/api/v1/jobs")
    assert (listed.status_code, listed.json()) == (200, {"jobs": []})


def test_a_replica_that_ends_while_it_answers_is_told(
    replicas: Replicas, client: httpx.Client
) -> None:
    client.cookies.set(COOKIE, TAGS[0], "127.0.0.1")
    with bind("127.0.0.1", 0) as listener:
        replicas.peers.known[TAGS[0]] = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def break_off() -> None:
            connection, _ = listener.accept()
            connection.recv(100)
            connection.close()

        thread = threading.Thread(target=break_off)
        thread.start()
        answer = client.get(f"{replicas.urls[1]}/api/v1/runs", headers={"accept-language": "zh"})
        thread.join()
    assert answer.status_code == 503
    assert answer.json()["code"] == "model_not_ready"


def test_a_client_that_leaves_ends_what_it_asked_for(
    replicas: Replicas, client: httpx.Client, wav: Wav
) -> None:
    job = _begin(client, replicas.urls[0], wav(1.0))
    address = f"{replicas.urls[1]}/api/v1/jobs/{job['id']}/events"
    with client.stream("GET", address) as stream:
        next(stream.iter_lines())
    deadline = time.monotonic() + 10
    while replicas.inner[0].server_state.tasks:  # requests that the other replica still answers
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nobody_else_comes_in_through_the_inner_address(
    replicas: Replicas, client: httpx.Client
) -> None:
    inside = replicas.peers.known[TAGS[0]]
    assert client.get(f"{inside}/healthz").status_code == 403
    wrong = {KEY_HEADER.decode(): "guessed"}
    assert client.get(f"{inside}/healthz", headers=wrong).status_code == 403
    right = {KEY_HEADER.decode(): KEY}
    assert client.get(f"{inside}/healthz", headers=right).status_code == 200
