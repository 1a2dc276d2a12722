from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emotion.core.config import Config, EngineConfig
from emotion.core.engine_errors import WorkerEndedError
from emotion.core.errors import (
    CancelledError,
    CheckpointError,
    DeviceError,
    DownloadError,
    ModelError,
    TorchWithoutCudaError,
)
from emotion.core.registry import DEFAULT, EMBEDDED
from emotion.inference import gpu_check
from emotion.inference.engine import Engine
from emotion.recognition import opening
from emotion.recognition.opening import Status, open_model
from emotion.services import model_service
from emotion.services.model_service import ModelService
from tests.fakes import CPU, FakeHub, named


def test_the_embedded_model_answers_while_the_default_is_downloaded(
    hub: FakeHub, start: Callable[[Config], ModelService]
) -> None:
    service = start(CPU)
    assert hub.reached.wait(20)
    interim = service.model()
    assert interim.info.name == EMBEDDED
    assert "still being downloaded" in (interim.info.fallback_reason or "")
    assert (service.status.phase, service.status.fraction) == ("downloading", 0.5)
    hub.go.set()
    waited: list[Status] = []
    while (final := service.model(on_wait=waited.append)) is interim:
        pass
    assert final.info.name == DEFAULT and final.info.fallback_reason is None
    assert service.status.phase == "ready" and service.status.fallback is None
    assert service.status.load_s is not None


def test_a_failed_download_leaves_the_embedded_model_with_the_reason(
    hub: FakeHub, start: Callable[[Config], ModelService]
) -> None:
    service = start(CPU)
    hub.error = DownloadError(name=DEFAULT, reason="disk full")
    hub.go.set()
    while service.status.phase != "ready":
        service.model()
    assert service.model().info.name == EMBEDDED
    assert isinstance(service.status.fallback, DownloadError)
    assert "disk full" in (service.model().info.fallback_reason or "")


def test_a_missing_embedded_model_does_not_keep_the_default_away(
    hub: FakeHub, start: Callable[[Config], ModelService]
) -> None:
    hub.embedded = None
    hub.go.set()
    assert start(CPU).model().info.name == DEFAULT
    hub.error = DownloadError(name=DEFAULT, reason="no route")
    with pytest.raises(ModelError, match=r"no route.*gone"):
        start(CPU).model()
    with pytest.raises(ModelError, match=r"no route.*gone"):
        open_model(CPU)


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

    assert service.model(on_wait=on_wait).info.name == tiny_checkpoint.name
    assert "reading" in seen
    assert service.current is not None


def test_waiting_can_be_cancelled(hub: FakeHub, start: Callable[[Config], ModelService]) -> None:
    service = start(named(DEFAULT))
    assert hub.reached.wait(20)
    with pytest.raises(CancelledError):
        service.model(lambda: True)


def test_a_failure_reaches_those_who_wait(
    start: Callable[[Config], ModelService], tmp_path: Path
) -> None:
    service = start(named(tmp_path))
    with pytest.raises(CheckpointError):
        service.model()
    assert service.status.phase == "failed" and service.current is None


def test_an_error_that_many_callers_get_does_not_grow(
    start: Callable[[Config], ModelService], tmp_path: Path
) -> None:
    service = start(named(tmp_path))
    depths = []
    for _ in range(3):
        with pytest.raises(CheckpointError) as caught:
            service.model()
        depths.append(len(caught.traceback))
    assert depths[0] == depths[1] == depths[2]


def test_an_unexpected_failure_too(
    hub: FakeHub, start: Callable[[Config], ModelService], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(opening, "locate", broken)
    with pytest.raises(ModelError, match="ZeroDivisionError: surprise"):
        start(named("x")).model()


def test_stopping_ends_a_download(hub: FakeHub, start: Callable[[Config], ModelService]) -> None:
    service = start(named(DEFAULT))
    assert hub.reached.wait(20)
    service.stop()
    assert isinstance(service.status.error, CancelledError)


@pytest.mark.parametrize("failing", [False, True], ids=["downloaded", "failed"])
def test_a_click_is_answered_whenever_the_download_ends(
    hub: FakeHub,
    start: Callable[[Config], ModelService],
    monkeypatch: pytest.MonkeyPatch,
    failing: bool,
) -> None:
    """Lets loading end at each line of `ModelService.model` in turn."""
    loaded = open_model(named(hub.tiny))
    for module in (opening, model_service):
        monkeypatch.setattr(module, "load_model", lambda *args: loaded)  # in no time
    code = ModelService.model.__code__
    lines = sorted({line for _, _, line in code.co_lines() if line is not None})
    held = set()
    for line in lines:
        hub.reached.clear()
        hub.go.clear()
        hub.error = DownloadError(name=DEFAULT, reason="disk full") if failing else None
        service = start(CPU)
        assert hub.reached.wait(20)

        def trace(frame: Any, event: str, _: object, at: int = line) -> Any:
            if frame.f_code is not code:
                return None
            if event == "line" and frame.f_lineno == at and at not in held:
                held.add(at)
                hub.go.set()
                service._thread.join(20)  # noqa: B023  # called within this turn
            return trace

        tracer = sys.gettrace()
        sys.settrace(trace)
        try:
            answer = service.model()
        finally:
            sys.settrace(tracer)
        assert answer is loaded, f"loading ended at line {line - code.co_firstlineno}"
        hub.go.set()
    assert len(held) > 5


@pytest.mark.parametrize("model", ["auto", DEFAULT])
def test_a_device_that_is_not_there_fails_before_a_download(
    hub: FakeHub,
    start: Callable[[Config], ModelService],
    monkeypatch: pytest.MonkeyPatch,
    model: str,
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(gpu_check, "find_card", lambda: None)
    service = start(Config(engine=EngineConfig(model=model, device="cuda")))
    with pytest.raises(DeviceError, match="no CUDA device is available"):
        service.model()
    assert service.status.phase == "failed"
    assert not hub.reached.is_set()


def test_a_card_that_is_not_used_is_in_the_status(
    hub: FakeHub, start: Callable[[Config], ModelService], monkeypatch: pytest.MonkeyPatch
) -> None:
    why = TorchWithoutCudaError(card="Card", driver="1.2", torch="2+cpu", command="do this")
    monkeypatch.setattr(gpu_check, "unused_gpu", lambda: why)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    service = start(Config())
    assert hub.reached.wait(20)
    assert service.status.gpu is why  # told while the default is still being downloaded
    hub.go.set()
    service._thread.join(20)
    assert service.status.phase == "ready" and service.status.gpu is why


def test_a_loader_that_is_ended_is_told_and_started_again(
    hub: FakeHub, start: Callable[[Config], ModelService], monkeypatch: pytest.MonkeyPatch
) -> None:
    def deadly(*args: object) -> None:
        raise SystemExit(3)

    with monkeypatch.context() as patch:
        patch.setattr(opening, "locate", deadly)
        service = start(named("x"))
        with pytest.raises(WorkerEndedError, match=r"the model loader was ended .*SystemExit: 3"):
            service.model()
        service._thread.join(20)
    assert service.restarts.count == 1
    monkeypatch.setattr(opening, "locate", lambda *args: hub.tiny)
    monkeypatch.setattr(service, "_retry_at_s", 0.0)
    assert service.model() is service.current


def test_stopping_does_not_wait_for_a_load_forever(
    hub: FakeHub, start: Callable[[Config], ModelService], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    monkeypatch.setattr(opening, "locate", lambda *args: held.wait(20) and hub.tiny)
    monkeypatch.setattr(model_service, "_STOP_S", 0.0)
    service = start(named("x"))
    service.stop()
    assert service._thread.is_alive()
    held.set()
    service._thread.join(20)
