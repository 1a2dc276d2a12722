"""Recognitions behind the page: their progress, limits, cancellation and errors."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emotion.errors import AudioDecodeError, CancelledError
from emotion.lifecycle import Status
from emotion.recognizer import Recognizer
from emotion.ui.runs import PROGRAM, Desk, Order, RefusedError
from tests.conftest import run_folders
from tests.fakes import FakeEngine, FakeService


def test_a_run_gives_progress_and_a_folder(desk: Desk, wav: Callable[..., Path]) -> None:
    run = desk.begin("me", Order(wav(70.0)))
    stages = [progress.stage for progress in run.follow()]
    finished = run.outcome()
    assert stages
    assert finished.recognition.result.emotion == "happy"
    assert run_folders(desk) == [finished.folder]
    assert run.log[0].startswith("[INFO] Audio validated: 70.0s")


def test_one_run_a_visitor(desk: Desk, fake_engine: FakeEngine, wav: Callable[..., Path]) -> None:
    fake_engine.gate.clear()
    run = desk.begin("me", Order(wav()))
    with pytest.raises(RefusedError) as refused:
        desk.begin("me", Order(wav()))
    assert refused.value.key == "running"
    other = desk.begin("you", Order(wav()))
    fake_engine.gate.set()
    assert run.outcome().folder != other.outcome().folder
    desk.begin("me", Order(wav())).outcome()


def test_programs_leave_places_to_visitors_and_closing_ends_all(
    fake_recognizer: Recognizer, fake_engine: FakeEngine, wav: Callable[..., Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    service: Any = FakeService(fake_recognizer)
    desk = Desk(service, tmp_path / "outputs", working=1, most=3, programs=1)
    fake_engine.gate.clear()
    runs = [desk.begin(PROGRAM + "a", Order(wav(65.0)))]
    with pytest.raises(RefusedError):
        desk.begin(PROGRAM + "b", Order(wav()))
    runs.append(desk.begin("visitor", Order(wav())))
    desk.close()
    with pytest.raises(RefusedError):
        desk.begin("late", Order(wav()))
    fake_engine.gate.set()
    for run in runs:
        with pytest.raises(CancelledError):
            run.outcome()
    assert run_folders(desk) == []


def test_too_many_are_refused(
    fake_recognizer: Recognizer, fake_engine: FakeEngine, wav: Callable[..., Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    service: Any = FakeService(fake_recognizer)
    desk = Desk(service, tmp_path / "outputs", working=1, most=2)
    fake_engine.gate.clear()
    first, second = (desk.begin(who, Order(wav())) for who in "ab")
    with pytest.raises(RefusedError) as refused:
        desk.begin("c", Order(wav()))
    assert refused.value.key == "busy" and refused.value.params == {"count": 2}
    assert next(second.follow()).stage == "queued"
    second.cancel()
    with pytest.raises(CancelledError):
        second.outcome()
    fake_engine.gate.set()
    first.outcome()
    desk.begin("c", Order(wav())).outcome()


def test_cancelling_stops_and_leaves_nothing(
    desk: Desk, fake_engine: FakeEngine, wav: Callable[..., Path]
) -> None:
    fake_engine.gate.clear()
    run = desk.begin("me", Order(wav(70.0)))
    assert fake_engine.entered.wait(10)
    assert not desk.cancel("somebody else")
    assert not desk.cancel("me", keep=run.order.path)
    assert desk.cancel("me")
    assert next(run.follow()).stage == "cancelling"
    fake_engine.gate.set()
    with pytest.raises(CancelledError):
        run.outcome()
    assert len(fake_engine.calls) == 1, "later windows were not begun"
    assert run_folders(desk) == []
    assert not desk.cancel("me")


def test_what_ends_a_run_reaches_the_caller(desk: Desk, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(os.urandom(3000))
    run = desk.begin("me", Order(broken))
    with pytest.raises(AudioDecodeError):
        run.outcome()
    assert run_folders(desk) == []


def test_loading_is_told(tmp_path: Path) -> None:
    told = threading.Event()

    class Loading(FakeService):
        def recognizer(self, hooks: Any = None, on_wait: Any = None) -> Recognizer:
            on_wait(Status("building", 3, "Large"))
            told.set()
            while True:
                hooks.check()
                time.sleep(0.01)

    desk = Desk(Loading(None), tmp_path)  # type: ignore[arg-type]
    run = desk.begin("me", Order(tmp_path / "a.wav"))
    assert told.wait(10)
    progress = next(run.follow())
    assert progress.stage == "loading" and progress.loading == Status("building", 3, "Large")
    desk.cancel("me")
    with pytest.raises(CancelledError):
        run.outcome()
