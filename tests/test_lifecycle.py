from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emotion import download, engine, lifecycle
from emotion.config import Config, EngineConfig
from emotion.engine import Engine
from emotion.errors import (
    CancelledError,
    CheckpointError,
    DownloadError,
    ModelError,
    ModelMissingError,
    ModelUnknownError,
)
from emotion.lifecycle import ModelService, Status, open_model
from emotion.recognizer import Hooks
from emotion.registry import DEFAULT, EMBEDDED

CONFIG = Config(engine=EngineConfig(device="cpu"))


def named(model: str | Path) -> Config:
    return replace(CONFIG, engine=replace(CONFIG.engine, model=str(model)))


class Hub:
    """Stands for `weights` and `download`: where the models are, and what fetching one does."""

    def __init__(self, tiny: Path) -> None:
        self.tiny = tiny
        self.embedded: Path | None = tiny
        self.local: Path | None = None
        self.reached = threading.Event()
        self.go = threading.Event()
        self.error: Exception | None = None

    def locate(self, name: str, models_dir: Path) -> Path | None:
        if name == DEFAULT:
            return self.local
        if name == EMBEDDED:
            return self.embedded
        return self.tiny if Path(name).is_dir() else None

    def fetch(self, name: str, config: object, progress: Any = None, cancelled: Any = None) -> Path:
        if name == EMBEDDED:
            raise ModelMissingError(name=name, folder="x", reason="gone")
        progress(5, 10)
        self.reached.set()
        while not self.go.wait(0.01):
            if cancelled():
                raise CancelledError()
        if self.error is not None:
            raise self.error
        return self.tiny


@pytest.fixture
def hub(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub = Hub(tiny_checkpoint)
    monkeypatch.setattr(lifecycle, "locate", hub.locate)
    monkeypatch.setattr(download, "fetch", hub.fetch)
    return hub


@pytest.fixture
def start() -> Iterator[Callable[[Config], ModelService]]:
    services: list[ModelService] = []

    def run(config: Config) -> ModelService:
        services.append(ModelService(config))
        services[-1].start()
        return services[-1]

    yield run
    for service in services:
        service.stop()


def test_auto_takes_the_local_default(hub: Hub) -> None:
    hub.local = hub.tiny
    phases: list[str] = []
    recognizer = open_model(CONFIG, lambda status: phases.append(status.phase))
    assert recognizer.model.name == DEFAULT
    assert recognizer.model.title == "Emotion2Vec+ Large"
    assert recognizer.model.fallback_reason is None
    assert phases == ["reading", "building", "warming"]


def test_auto_falls_back_and_says_so(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    hub.error = DownloadError(name=DEFAULT, reason="hub unreachable")
    hub.go.set()
    with caplog.at_level(logging.WARNING):
        recognizer = open_model(CONFIG)
    assert recognizer.model.name == EMBEDDED
    assert "hub unreachable" in (recognizer.model.fallback_reason or "")
    assert "emotion2vec_mini answers" in caplog.text


def test_a_model_asked_for_by_name_never_falls_back(hub: Hub) -> None:
    hub.error = DownloadError(name=DEFAULT, reason="hub unreachable")
    hub.go.set()
    with pytest.raises(DownloadError, match="hub unreachable"):
        open_model(named(DEFAULT))


def test_an_unknown_name_and_a_broken_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelUnknownError, match="'emotion2vec_huge' is neither"):
        open_model(named("emotion2vec_huge"))
    with pytest.raises(CheckpointError):
        open_model(named(tmp_path))


def test_a_folder_keeps_its_own_name(tiny_checkpoint: Path) -> None:
    recognizer = open_model(named(tiny_checkpoint))
    assert recognizer.model.name == recognizer.model.title == tiny_checkpoint.name


def test_the_embedded_model_answers_while_the_default_is_downloaded(
    hub: Hub, start: Callable[[Config], ModelService]
) -> None:
    service = start(CONFIG)
    assert hub.reached.wait(20)
    interim = service.recognizer()
    assert interim.model.name == EMBEDDED
    assert "still being downloaded" in (interim.model.fallback_reason or "")
    assert (service.status.phase, service.status.fraction) == ("downloading", 0.5)
    hub.go.set()
    waited: list[Status] = []
    while (final := service.recognizer(on_wait=waited.append)) is interim:
        pass
    assert final.model.name == DEFAULT and final.model.fallback_reason is None
    assert service.status.phase == "ready" and service.status.fallback is None
    assert service.status.load_s is not None


def test_a_failed_download_leaves_the_embedded_model_with_the_reason(
    hub: Hub, start: Callable[[Config], ModelService]
) -> None:
    service = start(CONFIG)
    hub.error = DownloadError(name=DEFAULT, reason="disk full")
    hub.go.set()
    while service.status.phase != "ready":
        service.recognizer()
    assert service.recognizer().model.name == EMBEDDED
    assert isinstance(service.status.fallback, DownloadError)
    assert "disk full" in (service.recognizer().model.fallback_reason or "")


def test_a_missing_embedded_model_does_not_keep_the_default_away(
    hub: Hub, start: Callable[[Config], ModelService]
) -> None:
    hub.embedded = None
    hub.go.set()
    assert start(CONFIG).recognizer().model.name == DEFAULT
    hub.error = DownloadError(name=DEFAULT, reason="no route")
    with pytest.raises(ModelError, match=r"no route.*gone"):
        start(CONFIG).recognizer()
    with pytest.raises(ModelError, match=r"no route.*gone"):
        open_model(CONFIG)


def test_no_memory_on_the_device_falls_back(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.local = hub.tiny
    load = engine.load_checkpoint
    calls: list[Path] = []

    def full_once(folder: Path, precision: str, **options: Any) -> Any:
        calls.append(folder)
        if len(calls) == 1:
            raise RuntimeError("CUDA out of memory")
        return load(folder, precision, **options)

    monkeypatch.setattr(engine, "load_checkpoint", full_once)
    recognizer = open_model(CONFIG)
    assert recognizer.model.name == EMBEDDED
    assert "CUDA out of memory" in (recognizer.model.fallback_reason or "")


def test_a_click_waits_while_the_model_is_only_loading(
    tiny_checkpoint: Path,
    start: Callable[[Config], ModelService],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()
    load = Engine.load

    def slow(folder: Path, **options: Any) -> Any:
        options["on_phase"]("reading")
        gate.wait(20)
        return load(folder, **options)

    monkeypatch.setattr(Engine, "load", slow)
    service = start(named(tiny_checkpoint))
    seen: list[str] = []

    def on_wait(status: Status) -> None:
        seen.append(status.phase)
        if status.phase == "reading":
            gate.set()

    assert service.recognizer(on_wait=on_wait).model.name == tiny_checkpoint.name
    assert "reading" in seen
    assert service.current is not None


def test_waiting_can_be_cancelled(hub: Hub, start: Callable[[Config], ModelService]) -> None:
    service = start(named(DEFAULT))
    assert hub.reached.wait(20)
    with pytest.raises(CancelledError):
        service.recognizer(Hooks(cancelled=lambda: True))


def test_a_failure_reaches_those_who_wait(
    start: Callable[[Config], ModelService], tmp_path: Path
) -> None:
    service = start(named(tmp_path))
    with pytest.raises(CheckpointError):
        service.recognizer()
    assert service.status.phase == "failed" and service.current is None


def test_an_unexpected_failure_too(
    hub: Hub, start: Callable[[Config], ModelService], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(lifecycle, "locate", broken)
    with pytest.raises(ModelError, match="ZeroDivisionError: surprise"):
        start(named("x")).recognizer()


def test_stopping_ends_a_download(hub: Hub, start: Callable[[Config], ModelService]) -> None:
    service = start(named(DEFAULT))
    assert hub.reached.wait(20)
    service.stop()
    assert isinstance(service.status.error, CancelledError)
