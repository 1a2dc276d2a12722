"""Downloads from two hubs that run here: complete or not there at all, whatever happens."""

from __future__ import annotations

import errno
import io
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from emotion.core.config import EngineConfig, Hub
from emotion.core.errors import (
    CancelledError,
    DownloadError,
    ModelMissingError,
)
from emotion.core.paths import PROJECT_DIR
from emotion.core.registry import EMBEDDED
from emotion.models import store as weights
from emotion.models.download import fetch
from emotion.models.hubs import Limits
from emotion.models.store import is_complete, status
from tests.hub_server import FILES, HubServer, refused, write_model

NAME = "emotion2vec_plus_large"
SIZE = len(FILES["model.pt"])
CHUNK = 64 * 1024
QUICK = Limits(answer_s=1.5, stall_s=1.5)  # enough for the hub that does answer
WANTED = [
    "config.yaml",
    "tokens.txt",
    "configuration.json",
    "README.md",
    "example/test.wav",
    "model.pt",
]


class Hubs(NamedTuple):
    ms: HubServer
    hf: HubServer


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hubs]:
    monkeypatch.delenv("MODELSCOPE_ENDPOINT", raising=False)
    with HubServer() as ms, HubServer() as hf:
        monkeypatch.setenv("MODELSCOPE_DOMAIN", ms.address)
        monkeypatch.setenv("HF_ENDPOINT", f"http://{hf.address}/")
        yield Hubs(ms, hf)


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(models_dir=tmp_path / "models")


@pytest.fixture
def models(config: EngineConfig) -> Path:
    return config.models_dir


def only(config: EngineConfig, hub: Hub) -> EngineConfig:
    return EngineConfig(models_dir=config.models_dir, hub=hub)


def assert_model(folder: Path) -> None:
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert sorted(map(str, found)) == sorted(WANTED)
    for name in WANTED:
        assert (folder / name).read_bytes() == FILES[name]


def partial_size(models: Path, hub: str = "ms") -> int:
    return (models / f".partial-{NAME}" / hub / "model.pt").stat().st_size


# Downloads that succeed.


def test_download_from_modelscope(both: Hubs, config: EngineConfig, models: Path) -> None:
    seen: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        assert not (models / NAME).exists()  # never half a model
        seen.append((done, total))

    folder = fetch(NAME, config, progress)
    assert folder == models / NAME
    assert_model(folder)
    total = sum(len(FILES[name]) for name in WANTED)
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert {total for _, total in seen} == {total}
    assert [asked for asked, _ in both.ms.gets] == ["list", *WANTED]
    assert both.ms.paths[0].startswith(f"/api/v1/models/iic/{NAME}/repo/files?Revision=master")
    assert not both.hf.gets
    assert not list(models.glob(".partial*"))


def test_download_from_hugging_face(both: Hubs, config: EngineConfig) -> None:
    assert_model(fetch(NAME, only(config, "hf")))
    assert both.hf.paths[0] == f"/api/models/emotion2vec/{NAME}/revision/main?blobs=true"
    assert both.hf.paths[1] == f"/emotion2vec/{NAME}/resolve/main/config.yaml"
    assert not both.ms.gets


def test_a_complete_model_needs_no_hub(both: Hubs, config: EngineConfig, models: Path) -> None:
    write_model(models / NAME)
    assert fetch(NAME, config) == models / NAME
    assert fetch(str(models / NAME), config) == models / NAME
    assert not both.ms.gets


def test_a_hub_id_is_downloaded_under_its_name(
    both: Hubs, config: EngineConfig, models: Path
) -> None:
    assert fetch(f"emotion2vec/{NAME}", config) == models / NAME


def test_progress_is_told_about_a_thousand_times(both: Hubs, config: EngineConfig) -> None:
    both.ms.files["model.pt"] = FILES["model.pt"] * 128
    seen: list[int] = []
    fetch(NAME, config, lambda done_bytes, total_bytes: seen.append(done_bytes))
    assert 500 < len(seen) < 1100


def test_files_that_loading_does_not_need_may_be_absent(both: Hubs, config: EngineConfig) -> None:
    del both.ms.files["README.md"], both.ms.files["configuration.json"]
    folder = fetch(NAME, config)
    assert is_complete(folder)
    assert not (folder / "README.md").exists()


def test_the_log_tells_size_and_seconds(
    both: Hubs, config: EngineConfig, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "emotion.models.download"):
        fetch(NAME, config)
    first, last = caplog.messages
    assert first == f"{NAME}: downloading 1.0 MB from ModelScope"
    assert last.startswith(f"{NAME}: downloaded 1.0 MB in ")


def test_an_incomplete_folder_of_that_name_is_kept_aside(
    both: Hubs, config: EngineConfig, models: Path
) -> None:
    write_model(models / NAME, "tokens.txt")
    assert_model(fetch(NAME, config))
    (aside,) = models.glob(f"{NAME}.incomplete-*")
    assert (aside / "model.pt").read_bytes() == FILES["model.pt"]


# Cut, damaged, cancelled, killed.


def test_the_next_call_resumes(both: Hubs, config: EngineConfig, models: Path) -> None:
    both.ms.faults.cut["model.pt"] = [4 * CHUNK + 9, 0]
    with pytest.raises(DownloadError, match=r"ModelScope at http://127.0.0.1:\d+: model.pt: "):
        fetch(NAME, only(config, "ms"))
    assert not (models / NAME).exists()
    assert partial_size(models) == 4 * CHUNK
    both.ms.gets.clear()
    assert_model(fetch(NAME, only(config, "ms")))
    assert both.ms.gets == [("list", None), ("model.pt", "bytes=262144-")]


@pytest.mark.parametrize("difference", [-5, 5])
def test_a_wrong_size(both: Hubs, config: EngineConfig, models: Path, difference: int) -> None:
    both.ms.faults.announce_size["model.pt"] = SIZE + difference
    expected = rf"announces {SIZE + 5}" if difference > 0 else rf"more than the {SIZE - 5} bytes"
    with pytest.raises(DownloadError, match=expected):
        fetch(NAME, only(config, "ms"))
    assert both.ms.count("model.pt") == 2  # once more, then no more
    assert not (models / NAME).exists()
    assert not (models / f".partial-{NAME}" / "ms" / "model.pt").exists()


def test_cancelling_keeps_what_is_here(both: Hubs, config: EngineConfig, models: Path) -> None:
    both.ms.files["model.pt"] = FILES["model.pt"] * 3
    done = [0]

    def progress(done_bytes: int, total_bytes: int) -> None:
        done[0] = done_bytes

    with pytest.raises(CancelledError):
        fetch(NAME, config, progress, lambda: done[0] > SIZE)
    assert not (models / NAME).exists()
    assert 0 < partial_size(models) < 3 * SIZE
    assert status(NAME, models).state == "partial"
    assert fetch(NAME, config) == models / NAME
    assert both.ms.ranges("model.pt")[-1] is not None


def test_cancelled_from_the_start(both: Hubs, config: EngineConfig) -> None:
    with pytest.raises(CancelledError):
        fetch(NAME, config, cancelled=lambda: True)
    assert not both.ms.gets


def test_a_killed_process_leaves_no_half_model(
    both: Hubs, config: EngineConfig, models: Path
) -> None:
    both.ms.faults.stall["model.pt"] = SIZE // 2
    code = (
        "import sys; from pathlib import Path; from emotion.core.config import EngineConfig;"
        "from emotion.models.download import fetch;"
        f"fetch({NAME!r}, EngineConfig(models_dir=Path(sys.argv[1])))"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(models)], cwd=PROJECT_DIR) as process:
        assert both.ms.stalled.wait(20)
        process.kill()
    assert not (models / NAME).exists()
    both.ms.go_on.set()
    assert_model(fetch(NAME, config))


def test_two_at_the_same_time(both: Hubs, config: EngineConfig) -> None:
    both.ms.faults.stall["model.pt"] = SIZE // 2
    waiting = threading.Event()
    folders: list[Path] = []

    def second_waits() -> bool:
        if both.ms.stalled.is_set():
            waiting.set()
        return False

    def run(cancelled: Callable[[], bool]) -> None:
        folders.append(fetch(NAME, config, cancelled=cancelled))

    first = threading.Thread(target=run, args=(lambda: False,))
    second = threading.Thread(target=run, args=(second_waits,))
    first.start()
    assert both.ms.stalled.wait(10)
    second.start()
    assert waiting.wait(10)
    both.ms.go_on.set()
    first.join()
    second.join()
    assert folders == [config.models_dir / NAME] * 2
    assert_model(folders[0])
    assert both.ms.count("model.pt") == 1


def test_waiting_for_another_can_be_cancelled(both: Hubs, config: EngineConfig) -> None:
    both.ms.faults.stall["model.pt"] = 1
    first = threading.Thread(target=fetch, args=(NAME, config))
    first.start()
    assert both.ms.stalled.wait(10)
    answers = iter([False, False, True])
    with pytest.raises(CancelledError):
        fetch(NAME, config, cancelled=lambda: next(answers))
    both.ms.go_on.set()
    first.join()


# Hubs that cannot be reached.


def test_modelscope_refuses_then_hugging_face(
    both: Hubs, config: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELSCOPE_DOMAIN", refused())
    assert_model(fetch(NAME, config))
    assert both.hf.count("model.pt") == 1


def test_both_refuse(config: EngineConfig, monkeypatch: pytest.MonkeyPatch, models: Path) -> None:
    monkeypatch.setenv("MODELSCOPE_DOMAIN", refused())
    monkeypatch.setenv("HF_ENDPOINT", f"http://{refused()}")
    started_s = time.monotonic()
    with pytest.raises(DownloadError) as caught:
        fetch(NAME, config)  # with the limits that users have
    assert time.monotonic() - started_s < 5
    reason = str(caught.value.params["reason"])
    assert reason.startswith("ModelScope at http://127.0.0.1:")
    assert "; Hugging Face at http://127.0.0.1:" in reason
    assert reason.count("Connection refused") == 2
    assert not (models / NAME).exists()


def test_a_silent_hub_is_noticed(
    both: Hubs, config: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HubServer(silent=True) as silent:
        monkeypatch.setenv("MODELSCOPE_DOMAIN", silent.address)
        started_s = time.monotonic()
        with pytest.raises(DownloadError, match=r"no answer within 1.5 s"):
            fetch(NAME, only(config, "ms"), limits=QUICK)
        assert time.monotonic() - started_s < 3
        assert_model(fetch(NAME, config, limits=QUICK))


def test_a_transfer_that_stalls_is_noticed(both: Hubs, config: EngineConfig, models: Path) -> None:
    both.ms.faults.stall["model.pt"] = 0
    assert_model(fetch(NAME, config, limits=QUICK))
    assert both.hf.count("model.pt") == 1


@pytest.mark.parametrize("name", [NAME, "emotion2vec_plus_seed"])
def test_offline(both: Hubs, models: Path, name: str) -> None:
    with pytest.raises(
        ModelMissingError, match=rf"{name} is not on this machine \(offline\)"
    ) as caught:
        fetch(name, EngineConfig(models_dir=models, offline=True))
    assert f"download {name}" in caught.value.hint
    assert not both.ms.gets
    assert not models.exists()


def test_the_embedded_model_is_on_no_hub(
    config: EngineConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "bundled_model", lambda name: tmp_path / "models" / name)
    with pytest.raises(ModelMissingError, match="comes with the source code"):
        fetch(EMBEDDED, config)


# The disk.


class _Disk(NamedTuple):
    total: int
    used: int
    free: int


def test_too_little_space_is_noticed_first(
    both: Hubs, config: EngineConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Disk(10, 10, 1000))
    with pytest.raises(DownloadError, match=r"needs 1\.0 MB more, but 0\.0 MB are free"):
        fetch(NAME, config)
    assert not both.ms.count("model.pt")
    assert not both.hf.gets  # another hub would need the same


class _Full(io.BytesIO):
    def write(self, data: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_disk_fills_up(
    both: Hubs, config: EngineConfig, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both.ms.faults.cut["model.pt"] = [4 * CHUNK + 9, 0]
    with pytest.raises(DownloadError):
        fetch(NAME, only(config, "ms"))
    open_file = Path.open

    def open_full(self: Path, mode: str = "r", **kwargs: Any) -> Any:
        full = self.name == "model.pt" and mode == "ab"
        return _Full() if full else open_file(self, mode, **kwargs)

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(DownloadError, match=r"needs 0\.8 MB more, but .* MB are free"):
        fetch(NAME, config)
    assert not (models / NAME).exists()
    assert partial_size(models) == 4 * CHUNK
    assert not both.hf.gets


def test_a_models_folder_that_cannot_be_made(both: Hubs, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadError, match=r"file/models: Not a directory"):
        fetch(NAME, EngineConfig(models_dir=tmp_path / "file" / "models"))
