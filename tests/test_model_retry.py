"""A model that failed is loaded again: by the operator, or for a caller who comes later."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emotion.core.config import Config
from emotion.core.errors import (
    CheckpointError,
    DownloadError,
    ModelError,
    ModelNotReadyError,
)
from emotion.core.registry import DEFAULT, EMBEDDED
from emotion.core.request_errors import RetryRefusedError
from emotion.recognition import opening
from emotion.services.model_service import ModelService
from tests.fakes import CPU, FakeHub, named


def test_a_retry_replaces_the_embedded_model(
    hub: FakeHub, start: Callable[[Config], ModelService]
) -> None:
    hub.error = DownloadError(name=DEFAULT, reason="no route")
    hub.go.set()
    service = start(CPU)
    service._thread.join(20)
    embedded = service.model()
    assert embedded.info.name == EMBEDDED and isinstance(service.status.fallback, DownloadError)
    revision = service.status.revision
    hub.error = None
    hub.go.clear()
    hub.reached.clear()
    service.retry()
    assert hub.reached.wait(20)
    assert service.model() is embedded, "it answers during the download, and is not loaded again"
    assert "still being downloaded" in (embedded.info.fallback_reason or "")
    assert service.status.phase == "downloading"
    assert service.status.revision > revision
    with pytest.raises(RetryRefusedError, match="it is being loaded"):
        service.retry()
    hub.go.set()
    service._thread.join(20)
    assert service.model().info.name == DEFAULT
    assert service.status.phase == "ready" and service.status.fallback is None
    assert service.status.load_s is not None
    with pytest.raises(RetryRefusedError, match="it has not failed"):
        service.retry()


@pytest.mark.parametrize("local", [False, True], ids=["downloaded", "on the disk"])
def test_a_retry_that_fails_leaves_the_embedded_model(
    hub: FakeHub,
    start: Callable[[Config], ModelService],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    local: bool,
) -> None:
    hub.error = DownloadError(name=DEFAULT, reason="no route")
    hub.go.set()
    service = start(CPU)
    service._thread.join(20)
    embedded = service.model()
    if local:
        hub.local = tmp_path  # an empty folder is no checkpoint
    else:
        hub.error = DownloadError(name=DEFAULT, reason="disk full")
    service.retry()
    service._thread.join(20)
    assert service.model() is embedded and service.status.phase == "ready"
    reason = "tokens.txt" if local else "disk full"
    assert reason in str(service.status.fallback)
    assert reason in (embedded.info.fallback_reason or "")


def test_a_retry_after_a_failure(
    start: Callable[[Config], ModelService], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "later"
    folder.mkdir()
    service = start(named(folder))
    with pytest.raises(CheckpointError):
        service.model()
    service.retry()
    with pytest.raises(CheckpointError):
        service.model()  # waits for the second failure
    service._thread.join(20)
    assert service.status.phase == "failed"
    shutil.copytree(tiny_checkpoint, folder, dirs_exist_ok=True)
    service.retry()
    assert service.model().info.name == "later"
    assert service.status.phase == "ready" and service.status.error is None


def test_no_retry_while_the_server_stops(
    start: Callable[[Config], ModelService], tmp_path: Path
) -> None:
    service = start(named(tmp_path))
    service.stop()
    with pytest.raises(ModelNotReadyError, match="the server is stopping"):
        service.retry()


def test_of_many_retries_one_loads(
    hub: FakeHub, start: Callable[[Config], ModelService], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.error = DownloadError(name=DEFAULT, reason="no route")
    hub.go.set()
    service = start(named(DEFAULT))
    service._thread.join(20)
    hub.go.clear()
    hub.reached.clear()

    def retry() -> bool:
        try:
            service.retry()
        except RetryRefusedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        begun = list(pool.map(lambda _: retry(), range(8)))
    assert begun.count(True) == 1
    assert hub.reached.wait(20)


def test_a_failure_is_tried_again_by_a_caller_who_comes_later(
    hub: FakeHub, start: Callable[[Config], ModelService], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def located(*args: object) -> Path:
        calls.append(1)
        if len(calls) == 1:
            raise ZeroDivisionError("surprise")
        return hub.tiny

    monkeypatch.setattr(opening, "locate", located)
    service = start(named("x"))
    for _ in range(2):
        with pytest.raises(ModelError, match="surprise"):
            service.model()
    assert len(calls) == 1
    assert service.status.phase == "failed"
    monkeypatch.setattr(service, "_retry_at_s", 0.0)
    phases: list[str] = []
    assert service.model(on_wait=lambda status: phases.append(status.phase)) is service.current
    assert "failed" not in phases and service.status.error is None
    assert service.status.phase == "ready" and len(calls) == 2


def test_a_second_failure_is_told_to_all_who_wait(
    start: Callable[[Config], ModelService], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start(named(tmp_path))
    with pytest.raises(CheckpointError):
        service.model()
    monkeypatch.setattr(service, "_retry_at_s", 0.0)
    found: list[Exception] = []

    def ask() -> None:
        try:
            service.model()
        except CheckpointError as e:
            found.append(e)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(found) == 4


def test_nothing_is_tried_again_while_the_server_stops(
    start: Callable[[Config], ModelService], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start(named(tmp_path))
    with pytest.raises(CheckpointError):
        service.model()
    monkeypatch.setattr(service, "_retry_at_s", 0.0)
    service.stop()
    thread = service._thread
    with pytest.raises(CheckpointError):
        service.model()
    assert service._thread is thread
