"""Old runs go, young ones and everything else in the folder stay."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from emotion.core.config import ServerConfig
from emotion.core.errors import OutputError
from emotion.services import retention
from emotion.services.retention import Retention
from emotion.storage.run_store import RESULT_FILE, RunStore

WAIT_S = 20.0
DAY_S = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "outputs")


def add(store: RunStore, age_s: float, size: int = 1000, ended_s: float | None = None) -> str:
    """A run that began, and ended, so many seconds ago."""
    now = datetime.now() - timedelta(seconds=age_s)
    with store.create(now) as run:
        (run.path / RESULT_FILE).write_bytes(b" " * size)
        folder = run.commit()
    ended = time.time() - (age_s if ended_s is None else ended_s)
    os.utime(folder, (ended, ended))
    return folder.name


def keeping(
    store: RunStore, days: float | None = None, kilobytes: float | None = None
) -> Retention:
    most_gb = None if kilobytes is None else kilobytes / 1e6
    return Retention(store, ServerConfig(keep_days=days, max_outputs_gb=most_gb))


def test_what_is_too_old_goes(store: RunStore, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    old = [add(store, (9 - n) * DAY_S) for n in range(2)]
    kept = [add(store, 6 * DAY_S), add(store, 0)]
    for name in ("notes", "outputs_19990101", "outputs_19990101_000000"):  # no runs
        (store.folder / name).mkdir()
    keeping(store, days=7).look()
    there = sorted(os.listdir(store.folder))
    assert there == sorted([*kept, "notes", "outputs_19990101", "outputs_19990101_000000"])
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == f"2 runs deleted, older than 7 days: {old[0]} to {old[1]}"
    keeping(store, days=7).look()
    assert len(caplog.records) == 1  # nothing deleted, nothing told


def test_the_oldest_go_where_all_take_too_much(
    store: RunStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    names = [add(store, (9 - n) * DAY_S) for n in range(5)]
    keeping(store, kilobytes=3.5).look()
    assert store.ids() == names[:1:-1]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("2 runs deleted, because all took more than 3.5e-06 GB")
    keeping(store, kilobytes=3).look()
    assert len(store.ids()) == 3


def test_young_runs_stay_whatever_they_take(store: RunStore) -> None:
    old, young = add(store, 1200), [add(store, 300 - n) for n in range(3)]
    made = keeping(store, kilobytes=0.5)
    made.look()
    assert sorted(store.ids()) == young and old not in store.ids()


def test_a_run_that_took_long_is_young_when_it_ends(store: RunStore) -> None:
    name = add(store, 9 * DAY_S, ended_s=5)
    keeping(store, days=1, kilobytes=0.5).look()
    assert store.ids() == [name]


def test_no_run_is_read(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(300):
        folder = store.folder / f"outputs_20200101_{n // 3600:02}{n // 60 % 60:02}{n % 60:02}"
        folder.mkdir(parents=True)
        (folder / RESULT_FILE).write_bytes(b" " * 1000)
        os.utime(folder, (1e9, 1e9))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file was opened")

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr("io.open", refuse)
    keeping(store, kilobytes=100).look()
    assert len(store.ids()) == 100 and store.ids()[-1] == "outputs_20200101_000320"


def until_there_are(store: RunStore, names: list[str]) -> None:
    deadline = time.monotonic() + WAIT_S
    while sorted(store.ids()) != sorted(names):
        assert time.monotonic() < deadline, store.ids()


def test_a_run_that_makes_it_too_much_has_room_made(store: RunStore) -> None:
    names = [add(store, (9 - n) * DAY_S) for n in range(2)]
    made = keeping(store, kilobytes=2.5)
    looked = threading.Event()
    plain = made.look

    def look() -> None:
        plain()
        looked.set()

    made.look = look  # type: ignore[method-assign]
    made.start()
    assert looked.wait(WAIT_S)
    assert sorted(store.ids()) == names
    looked.clear()
    new = add(store, 0)
    until_there_are(store, [names[1], new])
    assert not looked.is_set()  # the sum was known
    made.stop()


def test_a_run_that_ends_during_a_look_is_counted(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = keeping(store, kilobytes=2.5)
    add(store, DAY_S)
    plain = store.ids
    monkeypatch.setattr(store, "ids", lambda: (plain(), add(store, 2 * DAY_S))[0])
    made.look()
    assert made._total_bytes == 2000


def test_a_folder_that_is_read_only_for_now(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retention, "EVERY_S", 0.01)
    name = add(store, 9 * DAY_S)
    refused = threading.Event()
    plain = store.delete_all

    def delete_all(runs: object) -> list[str]:
        if not refused.is_set():
            refused.set()
            raise OutputError(path=store.folder, reason="Read-only file system")
        return plain(runs)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "delete_all", delete_all)
    made = keeping(store, days=1)
    made.start()
    until_there_are(store, [])
    made.stop()
    assert refused.is_set() and name not in store.ids()
    assert "old runs cannot be deleted" in caplog.text and "Read-only" in caplog.text


def test_what_nobody_foresaw_ends_nothing(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(retention, "EVERY_S", 0.01)
    add(store, 9 * DAY_S)
    failing = [ZeroDivisionError("surprise")]
    plain = store.ids

    def ids() -> list[str]:
        if failing and threading.current_thread().name == "retention":
            raise failing.pop()
        return plain()

    monkeypatch.setattr(store, "ids", ids)
    made = keeping(store, days=1)
    made.start()
    until_there_are(store, [])
    made.stop()
    assert "surprise" in caplog.text


def test_without_limits_nothing_runs(store: RunStore) -> None:
    made = keeping(store)
    made.start()
    made.look()
    made.stop()
    assert not made._thread.is_alive() and add(store, 999 * DAY_S) in store.ids()


def test_what_people_delete_makes_room_too(store: RunStore) -> None:
    names = [add(store, (9 - n) * DAY_S) for n in range(3)]
    made = keeping(store, kilobytes=3.5)
    made.look()
    store.delete(names[2])
    store.delete(names[1], undo=True)
    new = [add(store, 2 * DAY_S), add(store, DAY_S)]
    made._make_room(3500)
    assert sorted(store.ids()) == [names[0], *new] and made._total_bytes == 3000


def test_what_can_be_restored_is_neither_counted_nor_deleted(store: RunStore) -> None:
    old, new = add(store, 9 * DAY_S), add(store, 0)
    store.delete(old, undo=True)
    made = keeping(store, days=1, kilobytes=1.5)
    made.look()
    assert store.ids() == [new] and made._total_bytes == 1000
    assert store.restore(old) == old
    assert made._total_bytes == 2000
    made.look()  # it is an old run again
    assert store.ids() == [new]
