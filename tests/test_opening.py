from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from emotion.core.config import Config, EngineConfig
from emotion.core.errors import (
    CheckpointError,
    DeviceError,
    DownloadError,
    ModelUnknownError,
    TorchWithoutCudaError,
)
from emotion.core.registry import DEFAULT, EMBEDDED
from emotion.inference import engine, gpu_check
from emotion.recognition.opening import fetch_model, open_model
from tests.fakes import CPU, FakeHub, named


def test_auto_takes_the_local_default(hub: FakeHub) -> None:
    hub.local = hub.tiny
    phases: list[str] = []
    model = open_model(CPU, lambda status: phases.append(status.phase))
    assert model.info.name == DEFAULT
    assert model.info.title == "Emotion2Vec+ Large"
    assert model.info.fallback_reason is None
    assert phases == ["reading", "building", "warming"]


def test_auto_falls_back_and_says_so(hub: FakeHub, caplog: pytest.LogCaptureFixture) -> None:
    hub.error = DownloadError(name=DEFAULT, reason="hub unreachable")
    hub.go.set()
    with caplog.at_level(logging.WARNING):
        model = open_model(CPU)
    assert model.info.name == EMBEDDED
    assert "hub unreachable" in (model.info.fallback_reason or "")
    assert "emotion2vec_mini answers" in caplog.text


def test_a_model_asked_for_by_name_never_falls_back(hub: FakeHub) -> None:
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
    model = open_model(named(tiny_checkpoint))
    assert model.info.name == model.info.title == tiny_checkpoint.name


def test_no_memory_on_the_device_falls_back(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.local = hub.tiny
    load = engine.load_checkpoint
    calls: list[Path] = []

    def full_once(folder: Path, precision: str, **options: Any) -> Any:
        calls.append(folder)
        if len(calls) == 1:
            raise RuntimeError("CUDA out of memory")
        return load(folder, precision, **options)

    monkeypatch.setattr(engine, "load_checkpoint", full_once)
    model = open_model(CPU)
    assert model.info.name == EMBEDDED
    assert "CUDA out of memory" in (model.info.fallback_reason or "")


# Devices.


@pytest.fixture
def no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(gpu_check, "find_card", lambda: None)


@pytest.mark.usefixtures("no_cuda")
@pytest.mark.parametrize("model", ["auto", DEFAULT])
@pytest.mark.parametrize(
    "options", [{"device": "cuda"}, {"device": "cuda:1"}, {"precision": "fp16"}], ids=str
)
def test_a_device_that_is_not_there_fails_before_a_download(
    hub: FakeHub, model: str, options: dict[str, Any]
) -> None:
    config = Config(engine=EngineConfig(model=model, **options))
    with pytest.raises(DeviceError, match="was asked for, but"):
        open_model(config)
    assert not hub.reached.is_set()


@pytest.mark.usefixtures("no_cuda")
def test_the_device_does_not_matter_where_a_model_is_only_fetched(hub: FakeHub) -> None:
    hub.go.set()
    config = Config(engine=EngineConfig(device="cuda"))
    assert fetch_model(DEFAULT, config) == hub.tiny


def test_a_card_that_is_not_used_is_told_once(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub.local = hub.tiny
    why = TorchWithoutCudaError(card="Card", driver="1.2", torch="2+cpu", command="do this")
    monkeypatch.setattr(gpu_check, "unused_gpu", lambda: why)
    told: list[object] = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with caplog.at_level(logging.WARNING):
        open_model(Config(), lambda status: told.append(status.gpu))
    assert told[-1] is why
    assert caplog.text.count("Card (driver 1.2) is not used") == 1
    caplog.clear()
    open_model(CPU, lambda status: told.append(status.gpu))  # the CPU was asked for
    assert told[-1] is None and "is not used" not in caplog.text
