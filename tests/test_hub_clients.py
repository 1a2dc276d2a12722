"""Downloads by the hubs' own packages, in a child process: real ones, then packages that fail."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emotion.core.config import EngineConfig, Hub
from emotion.core.errors import CancelledError, DownloadError
from emotion.core.paths import PROJECT_DIR
from emotion.core.registry import MODELS
from emotion.models import hub_clients
from emotion.models.download import fetch
from emotion.models.hubs import HubFailedError, Limits
from emotion.models.store import status
from tests.hub_server import FILES, HubServer, refused

NAME = "emotion2vec_plus_large"
EITHER = pytest.mark.parametrize("hub", ["ms", "hf"])
SHORT = Limits(client_stall_s=0.5)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A hub whose list of files only its own package understands."""
    monkeypatch.delenv("MODELSCOPE_ENDPOINT", raising=False)
    with HubServer() as running:
        running.faults.new_listing = True
        monkeypatch.setenv("MODELSCOPE_DOMAIN", running.address)
        monkeypatch.setenv("HF_ENDPOINT", f"http://{running.address}/")
        yield running


@pytest.fixture
def config(tmp_path: Path) -> Callable[[Hub], EngineConfig]:
    return lambda hub: EngineConfig(models_dir=tmp_path / "models", hub=hub)


def published(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


# The real packages.


@EITHER
def test_a_listing_in_another_form_is_left_to_the_client(
    server: HubServer,
    config: Callable[[Hub], EngineConfig],
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "secret")
    server.files["train.py"] = b"not of the model"
    seen: list[tuple[int, int]] = []
    folder = fetch(NAME, config(hub), lambda done, total: seen.append((done, total)))
    assert published(folder) == FILES
    assert sorted(os.listdir(folder.parent)) == [f".lock-{NAME}", NAME]
    assert seen[-1] == (MODELS[NAME].size_bytes, MODELS[NAME].size_bytes)
    package = {"ms": "modelscope_hub/", "hf": "hf_hub/"}[hub]
    assert package not in server.agents[0]
    assert all(package in agent for agent in server.agents[1:])
    assert not any("train.py" in path for path in server.paths)
    assert not any("secret" in headers for headers in server.headers)
    assert list(home.iterdir()) == []
    assert f"trying its client {hub_clients.PACKAGES[hub]}" in caplog.text


@EITHER
@pytest.mark.parametrize("fault", ["html", "error", "404"])
def test_what_neither_understands_is_one_error_with_both_reasons(
    server: HubServer, config: Callable[[Hub], EngineConfig], hub: Hub, fault: str
) -> None:
    server.faults.new_listing = False
    if fault == "404":
        server.faults.status[""] = 404
    else:
        texts = {"html": b"<html>Please sign in</html>", "error": b'{"Code": 500, "Data": null}'}
        server.faults.listing = texts[fault]
    package = hub_clients.PACKAGES[hub]
    with pytest.raises(DownloadError, match=f"; and its client {package} (failed|did not)") as e:
        fetch(NAME, config(hub))
    assert "Traceback" not in str(e.value)
    assert status(NAME, config(hub).models_dir).state != "ready"


def test_a_web_page_instead_of_a_file_is_left_to_the_client(
    server: HubServer, config: Callable[[Hub], EngineConfig], caplog: pytest.LogCaptureFixture
) -> None:
    server.faults.new_listing = False
    server.faults.content_type["config.yaml"] = "text/html; charset=utf-8"
    assert published(fetch(NAME, config("ms"))) == FILES
    assert "config.yaml: the answer is a web page, not the file" in caplog.text


# Hubs that cannot be reached are none of the client's business.


@EITHER
@pytest.mark.parametrize(
    ("kind", "expected"),
    [("refused", "refused"), ("silent", r"no answer within 0\.3 s"), ("busy", "HTTP 503")],
)
def test_no_client_for_a_hub_that_cannot_be_reached(
    config: Callable[[Hub], EngineConfig],
    hub: Hub,
    kind: str,
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*args: Any) -> Any:
        raise AssertionError("the client was asked")

    monkeypatch.setattr(hub_clients, "download", never)
    with HubServer(silent=kind == "silent") as running:
        running.faults.status[""] = 503
        address = refused() if kind == "refused" else running.address
        monkeypatch.setenv("MODELSCOPE_DOMAIN", address)
        monkeypatch.setenv("HF_ENDPOINT", address)
        limits = Limits(answer_s=0.3 if kind == "silent" else 20.0)
        with pytest.raises(DownloadError, match=expected):
            fetch(NAME, config(hub), limits=limits)


# Packages that stand in for the real ones.


class Fake:
    """Packages named ``modelscope`` and ``huggingface_hub`` whose download runs a test's code."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fifo = folder / "fifo"
        os.mkfifo(self.fifo)
        self._reader = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.modules = [
            folder / "modelscope" / "hub" / "snapshot_download.py",
            folder / "huggingface_hub" / "__init__.py",
        ]
        for module in self.modules:
            module.parent.mkdir(parents=True)
        for package in ("modelscope", "modelscope/hub"):
            (folder / package / "__init__.py").touch()

    def does(self, code: str) -> None:
        """Sets the body of ``snapshot_download(repo, **options)``."""
        lines = "".join(f"    {line}\n" for line in code.splitlines())
        head = "import os, sys, json, time, subprocess\nfrom pathlib import Path\n"
        for module in self.modules:
            module.write_text(f"{head}def snapshot_download(repo, **options):\n{lines}")

    def hangs(self, *, in_a_child: bool) -> None:
        """Its download never ends; it, and perhaps a child of its own, hold the pipe open."""
        hang = "subprocess.run(['sleep', '600'], pass_fds=[pipe])"
        self.does(
            f"pipe = os.open({str(self.fifo)!r}, os.O_WRONLY)\n"
            "Path(options['local_dir'], 'model.pt').write_bytes(b'half')\n"
            "os.write(pipe, b'begun')\n" + (hang if in_a_child else "time.sleep(600)")
        )

    def begun(self) -> bool:
        """Waits until a download that hangs has begun."""
        ready, _, _ = select.select([self._reader], [], [], 30)
        return bool(ready) and os.read(self._reader, 5) == b"begun"

    def ended(self) -> bool:
        """Waits until nobody holds the pipe open any more."""
        ready, _, _ = select.select([self._reader], [], [], 30)
        return bool(ready) and os.read(self._reader, 1) == b""

    def close(self) -> None:
        os.close(self._reader)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    (tmp_path / "packages").mkdir()
    made = Fake(tmp_path / "packages")
    monkeypatch.syspath_prepend(made.folder)
    yield made
    made.close()


def write(*names: str) -> str:
    return "".join(
        f"Path(options['local_dir'], {name!r}).write_bytes(b'{name}')\n" for name in names
    )


def test_cancelling_kills_the_client_and_what_it_started(
    server: HubServer, config: Callable[[Hub], EngineConfig], fake: Fake
) -> None:
    fake.hangs(in_a_child=True)
    withdrawn = threading.Event()
    caught: list[BaseException] = []

    def run() -> None:
        try:
            fetch(NAME, config("ms"), cancelled=withdrawn.is_set)
        except CancelledError as e:
            caught.append(e)

    thread = threading.Thread(target=run)
    thread.start()
    assert fake.begun()
    withdrawn.set()
    thread.join(30)
    assert len(caught) == 1
    assert fake.ended()
    assert status(NAME, config("ms").models_dir).state == "partial"


def test_a_client_that_writes_nothing_is_killed(
    server: HubServer, config: Callable[[Hub], EngineConfig], fake: Fake
) -> None:
    fake.does("time.sleep(600)")
    with pytest.raises(DownloadError, match=r"client modelscope made no progress for 0\.5 s"):
        fetch(NAME, config("ms"), limits=SHORT)


class Running:
    """A process that ends after so many looks, each a second after the one before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: int, step_s: int) -> None:
        self.now_s = 0
        self.seconds = seconds
        monkeypatch.setattr(hub_clients.time, "monotonic", lambda: self.now_s)
        monkeypatch.setattr(hub_clients, "tree_size", lambda folder: self.now_s // step_s)

    def poll(self) -> int | None:
        return 0 if self.now_s >= self.seconds else None

    def wait(self, timeout: float) -> None:
        self.now_s += 1
        raise subprocess.TimeoutExpired("client", timeout)


def watch(running: Running) -> list[int]:
    seen: list[int] = []
    limits = Limits(client_stall_s=5)
    hub_clients._watch(running, Path(), limits, seen.append)  # type: ignore[arg-type]
    return seen


def test_a_slow_client_is_left_alone_as_long_as_it_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert watch(Running(monkeypatch, seconds=40, step_s=5)) == [i // 5 for i in range(40)]
    with pytest.raises(HubFailedError, match="made no progress for 5 s"):
        watch(Running(monkeypatch, seconds=40, step_s=7))


def test_a_client_ends_with_its_parent(server: HubServer, fake: Fake, tmp_path: Path) -> None:
    fake.hangs(in_a_child=False)
    code = (
        f"import sys; sys.path[:] = {[str(fake.folder), str(PROJECT_DIR), *sys.path]!r}\n"
        "from pathlib import Path; from emotion.core.config import EngineConfig\n"
        "from emotion.models.download import fetch\n"
        f"fetch({NAME!r}, EngineConfig(models_dir=Path({str(tmp_path / 'm')!r}), hub='ms'))"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        assert fake.begun()
        parent.kill()
    assert fake.ended()


def test_what_the_client_did_not_bring_is_named(
    server: HubServer, config: Callable[[Hub], EngineConfig], fake: Fake
) -> None:
    fake.does(write("config.yaml"))
    expected = "its client huggingface_hub did not bring tokens.txt, model.pt"
    with pytest.raises(DownloadError, match=expected):
        fetch(NAME, config("hf"))


@EITHER
def test_only_the_models_files_are_published(
    server: HubServer, config: Callable[[Hub], EngineConfig], fake: Fake, hub: Hub
) -> None:
    fake.does(write("config.yaml", "tokens.txt", "model.pt", "extra.py"))
    folder = fetch(NAME, config(hub))
    assert sorted(published(folder)) == ["config.yaml", "model.pt", "tokens.txt"]


@EITHER
def test_what_the_client_is_told(
    server: HubServer,
    config: Callable[[Hub], EngineConfig],
    fake: Fake,
    hub: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "corp.example")
    told = tmp_path / "told"
    fake.does(
        f"Path({str(told)!r}).write_text(json.dumps([repo, options, dict(os.environ)]))\n"
        + write("config.yaml", "tokens.txt", "model.pt")
    )
    fetch(NAME, config(hub))
    repo, options, environment = json.loads(told.read_text())
    model = MODELS[NAME]
    assert repo == (model.modelscope_id if hub == "ms" else model.huggingface_id)
    assert options["revision"] == ("master" if hub == "ms" else "main")
    assert options["allow_patterns"] == list(model.files)
    assert options["endpoint"] == f"http://{server.address}" and not options["token"]
    partial = str(tmp_path / "models" / f".partial-{NAME}" / f"{hub}-client")
    names = ("MODELSCOPE_HOME", "MODELSCOPE_CACHE") if hub == "ms" else ("HF_HOME", "HF_HUB_CACHE")
    for name in names:
        assert environment[name].startswith(partial)
    assert options["local_dir"].startswith(partial)
    assert environment["no_proxy"] == environment["NO_PROXY"]
    assert {"corp.example", "127.0.0.1"} <= set(environment["no_proxy"].split(","))


def test_a_full_disk_is_one_clear_error(
    server: HubServer, config: Callable[[Hub], EngineConfig], fake: Fake
) -> None:
    fake.does(
        "try:\n    raise OSError(28, 'No space left on device')\n"
        "except OSError as e:\n    raise RuntimeError('download failed') from e"
    )
    with pytest.raises(DownloadError, match="MB more, but"):
        fetch(NAME, config("ms"))


def test_a_client_that_is_not_installed(
    server: HubServer, config: Callable[[Hub], EngineConfig], fake: Fake
) -> None:
    fake.modules[0].write_text("raise ModuleNotFoundError(\"No module named 'modelscope'\")")
    with pytest.raises(DownloadError, match=r"failed \(ModuleNotFoundError: No module named"):
        fetch(NAME, config("ms"))
