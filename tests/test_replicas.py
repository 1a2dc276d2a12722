"""``serve --ray`` with two replicas, as a user starts it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from emotion.cli import main
from emotion.core.paths import PROJECT_DIR
from emotion.replicas import Directory
from tests.browser import Open, Site, finished, start, upload

pytest.importorskip("ray", reason="requirements-ray.txt is not installed")
pytestmark = [pytest.mark.ray, pytest.mark.skipif(sys.platform == "win32", reason="signals")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, int]]:
    """The server and its process's id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    outputs, log = tmp_path_factory.mktemp("replicas") / "outputs", tmp_path_factory.mktemp("log")
    command = [
        sys.executable, "-m", "emotion", "serve", "--ray", "--replicas", "2", "--port", str(port),
        "--model", "emotion2vec_mini", "--device", "cpu", "--output-dir", str(outputs),
    ]  # fmt: skip
    with (log / "log").open("w") as file:
        process = subprocess.Popen(command, cwd=PROJECT_DIR, stdout=file, stderr=file)
    site = Site(f"http://127.0.0.1:{port}", outputs)
    try:
        _wait_until_ready(site, process, log / "log")
        yield site, process.pid
    finally:
        process.terminate()
        assert process.wait(60) == 0


def _wait_until_ready(site: Site, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    ready = 0
    while ready < 20:  # in a row, so that both replicas are
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        try:
            ready = ready + 1 if httpx.get(f"{site.url}/readyz").json().get("ready") else 0
        except (httpx.HTTPError, ValueError):
            ready = 0
        time.sleep(0.1)


def _begin(client: httpx.Client, site: Site, clip: Path) -> str:
    answer = client.post(f"{site.url}/api/v1/jobs", files={"file": clip.read_bytes()})
    assert answer.status_code == 202
    return str(answer.json()["id"])


def _states(client: httpx.Client, site: Site, job: str) -> set[int]:
    return {client.get(f"{site.url}/api/v1/jobs/{job}").status_code for _ in range(6)}


def test_jobs_are_found_whichever_replica_answers(server: tuple[Site, int], clip: Path) -> None:
    site, _ = server
    with httpx.Client(timeout=60) as client:
        jobs = [_begin(client, site, clip) for _ in range(12)]
        assert len({job[:8] for job in jobs}) == 2  # both work
        assert all(_states(client, site, job) == {200} for job in jobs)
        listed = client.get(f"{site.url}/api/v1/jobs").json()["jobs"]
        assert {job["id"] for job in listed} == set(jobs)
        for job in jobs:  # until their ends
            (line,) = client.get(f"{site.url}/api/v1/jobs/{job}/results").text.splitlines()
            assert '"result"' in line
        runs = client.get(f"{site.url}/api/v1/runs").json()
        assert runs["total"] == len([name for name in site.runs() if name.startswith("outputs_")])


def test_the_model_is_not_switched_by_one_of_several(server: tuple[Site, int]) -> None:
    site, _ = server
    answer = httpx.post(
        f"{site.url}/api/v1/models/switch", json={"name": "emotion2vec_plus_base"}, timeout=30
    )
    assert answer.status_code == 409
    assert "several replicas" in answer.text


@pytest.mark.browser
def test_the_page_works(server: tuple[Site, int], visit: Open, clip: Path) -> None:
    for _ in range(2):
        page: Any = visit(server[0])
        upload(page, clip)
        start(page)
        assert clip.name in finished(page).inner_text()


def test_a_replica_that_is_killed_is_started_again(server: tuple[Site, int], clip: Path) -> None:
    site, pid = server
    with httpx.Client(timeout=60) as client:
        jobs = [_begin(client, site, clip) for _ in range(12)]
        replicas = _replicas(pid)
        replicas[0].kill()
        _states(client, site, jobs[0])  # what was on its way to it is answered with 503
        _states(client, site, next(job for job in jobs if job[:8] != jobs[0][:8]))
        found = [_states(client, site, job) for job in jobs]
        # Those of the other one are there still; those of the killed one are gone, and say so.
        assert {200} in found and {404} in found and all(len(codes) == 1 for codes in found)
        answer = client.post(f"{site.url}/api/v1/recognize", files={"file": clip.read_bytes()})
        assert answer.status_code == 200
        deadline = time.monotonic() + 60
        while len(_replicas(pid)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.2)


def _replicas(pid: int) -> list[psutil.Process]:
    found = []
    for one in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # one that has just ended
            if "ServeReplica" in " ".join(one.cmdline()):
                found.append(one)
    return found


def test_a_directory_of_replicas() -> None:
    directory = Directory()
    directory.add("a", "http://127.0.0.1:1")
    directory.add("b", "http://127.0.0.1:2")
    directory.remove("a")
    directory.remove("c")
    assert directory.all() == {"b": "http://127.0.0.1:2"}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--replicas", "2"), "given together with --ray"),
        (("--ray", "--replicas", "0"), "replicas is 0"),
        (("--ray", "127.0.0.1:9"), "Ray cannot be used (127.0.0.1:9"),
        (("--ray", "--host", "0.0.0.0"), "protect"),
    ],
)
def test_wrong_options(
    options: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["serve", "--model", "emotion2vec_mini", "--port", "0", *options]
    assert main(given) in (1, 2)
    assert told in capsys.readouterr().err
