"""Disks that are full or read-only, on small file systems made for the test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from emotion.audio import samples
from emotion.core.config import Config, ServerConfig
from emotion.core.errors import OutputError
from emotion.recognition.loaded_model import LoadedModel
from emotion.server import Server, create_app
from emotion.ui.files import HandOver
from tests.api import WAIT_S, below, until
from tests.fakes import FakeDetector, FakeEngine, FakeService


class Disk:
    """A file system of one megabyte.

    Attributes:
        path: Where it is mounted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, leave_bytes: int = 0) -> None:
        """Leaves only so much room."""
        disk = os.statvfs(self.path)
        free = disk.f_bavail * disk.f_bsize
        (self.path / "filler").write_bytes(bytes(free - leave_bytes))

    def free(self) -> None:
        """Gives the room back."""
        (self.path / "filler").unlink()

    def remount(self, mode: str) -> None:
        """``ro`` or ``rw``."""
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.path)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root on Linux can mount a small file system; nothing was tried")
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here ({mounted.stderr.strip()}); nothing was tried")
    yield Disk(path)
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Starts a server with these folders for runs and for temporary files; gives its address."""
    running: list[tuple[Server, threading.Thread]] = []

    def start(outputs: Path | None = None, temporary: Path | None = None) -> str:
        (tmp_path / "tmp").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(temporary or tmp_path / "tmp"))
        model = LoadedModel(FakeEngine(), name="fake", title="Fake", detector=FakeDetector())
        service: Any = FakeService(model)
        server = ServerConfig(port=0, outputs_dir=outputs or tmp_path / "outputs")
        app = create_app(Config(server=server), service)
        made = Server(app, port=0, timeout_graceful_shutdown=5)
        running.append((made, threading.Thread(target=made.run)))
        running[-1][1].start()
        until(lambda: made.started and app.state.page.ready)
        return f"http://127.0.0.1:{made.servers[0].sockets[0].getsockname()[1]}"

    yield start
    for made, thread in running:
        made.should_exit = True
        thread.join(60)
        assert not thread.is_alive()


def recognise(address: str, recording: Path, **query: str) -> httpx.Response:
    return httpx.post(
        f"{address}/api/v1/recognize",
        content=recording.read_bytes(),
        params=query,
        timeout=WAIT_S,
    )


def refused(answer: httpx.Response, reason: str) -> bool:
    problem = answer.json()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5"), problem
    return bool(problem["code"] == "output_unwritable" and problem["params"]["reason"] == reason)


def upload(address: str, recording: Path, **headers: str) -> httpx.Response:
    files = {"files": ("clip.wav", recording.read_bytes())}
    url = f"{address}/gradio_api/upload"
    return httpx.post(url, files=files, headers=headers, timeout=WAIT_S)


FULL = "No space left on device"


@pytest.mark.parametrize("query", [{}, {"exports": "all", "granularity": "frame"}], ids=str)
def test_full_outputs_are_told_and_work_again(
    disk: Disk, serve: Callable[..., str], wav: Callable[..., Path], query: dict[str, str]
) -> None:
    address, recording = serve(outputs=disk.path / "outputs"), wav(3.0)
    assert recognise(address, recording, **query).status_code == 200
    before = sorted(os.listdir(disk.path / "outputs"))
    for left in (0, 60_000, 96_000):  # nothing fits; half of the audio; the audio and no result
        disk.fill(left)
        assert refused(recognise(address, recording, **query), FULL)
        assert sorted(os.listdir(disk.path / "outputs")) == before  # no half run
        assert recognise(address, recording, store="false").status_code == 200
        disk.free()
    assert recognise(address, recording, **query).status_code == 200


def test_outputs_that_turn_read_only_are_told_and_work_again(
    disk: Disk, serve: Callable[..., str], wav: Callable[..., Path]
) -> None:
    address, recording = serve(outputs=disk.path), wav(1.0)
    disk.remount("ro")
    assert refused(recognise(address, recording), "Read-only file system")
    disk.remount("rw")
    assert recognise(address, recording).status_code == 200


def test_a_full_temporary_folder_is_told_and_works_again(
    disk: Disk, serve: Callable[..., str], wav: Callable[..., Path]
) -> None:
    address, recording = serve(temporary=disk.path), wav(3.0)
    disk.fill(40_000)
    assert refused(recognise(address, recording), FULL)
    files = {"file": ("clip.wav", recording.read_bytes())}
    form = httpx.post(f"{address}/api/v1/recognize", files=files, timeout=WAIT_S)
    assert refused(form, FULL)
    for language, words in (
        ("en", f"uploads: cannot be written ({FULL}). Check"),
        ("zh", "uploads：无法写入（磁盘空间不足）。请检查"),
    ):
        answer = upload(address, recording, **{"Accept-Language": language})
        assert answer.status_code == 503 and answer.headers["Retry-After"] == "5"
        assert words in answer.text and answer.headers["content-type"].startswith("text/plain")
    disk.free()
    left = [path for path in disk.path.rglob("*") if path.is_file() and path.stat().st_size]
    assert left == []  # of what did not fit
    assert recognise(address, recording).status_code == 200
    assert upload(address, recording).status_code == 200


def test_long_recordings_need_room_for_their_samples(
    disk: Disk,
    serve: Callable[..., str],
    wav: Callable[..., Path],
    convert: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(samples.SampleBuffer.__init__, "__defaults__", (100_000,))
    address, recording = serve(temporary=disk.path), convert(wav(20.0), "clip.mp3", "-b:a", "32k")
    assert refused(recognise(address, recording), FULL)  # 1.3 MB of samples
    short = convert(wav(5.0), "short.mp3", "-b:a", "32k")
    assert recognise(address, short).status_code == 200


def test_files_that_cannot_be_handed_over_are_told(
    disk: Disk, wav: Callable[..., Path], tmp_path: Path
) -> None:
    hand_over, recording = HandOver(disk.path / "cache"), wav(3.0)
    disk.fill(50_000)
    with pytest.raises(OutputError, match=FULL):
        hand_over([recording])
    assert list((disk.path / "cache").iterdir()) == []
    disk.free()
    assert Path(hand_over([recording])[0]).read_bytes() == recording.read_bytes()


def test_an_upload_that_is_broken_off_leaves_nothing(
    serve: Callable[..., str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = urlsplit(serve())
    (uploads,) = (tmp_path / "tmp").glob("emotion-uploads-*")

    def files() -> list[Path]:
        return [path for path in below(uploads) if path.is_file()]

    with socket.create_connection((url.hostname, url.port), timeout=WAIT_S) as client:
        client.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
            b"multipart/form-data; boundary=b\r\nContent-Length: 9999999\r\n\r\n--b\r\n"
            b'Content-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\n'
            + b"RIFF"
            * 50_000
        )
        until(lambda: any(path.stat().st_size for path in files()))
    until(lambda: not files())
    assert "Traceback" not in caplog.text
