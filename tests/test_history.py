"""What keeps the history in order: the index at start, deleted runs in the end."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from emotion.core.access_errors import HistoryOffError, SharedServerError
from emotion.core.config import ServerConfig
from emotion.services import history
from emotion.services.history import History, check_history
from emotion.storage.run_index import INDEX_FILE
from emotion.storage.run_store import RunStore
from emotion.storage.run_trash import TRASH
from tests.test_run_store import add
from tests.test_run_trash import age, hidden

WAIT_S = 20.0


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "outputs")


def after(store: RunStore, monkeypatch: pytest.MonkeyPatch, step: str) -> threading.Event:
    """Set once the history has done a step."""
    done = threading.Event()
    owner = store if hasattr(store, step) else store.trash
    plain = getattr(owner, step)

    def noted() -> object:
        try:
            return plain()
        finally:
            done.set()

    monkeypatch.setattr(owner, step, noted)
    return done


def test_who_may_see_it() -> None:
    check_history(ServerConfig())
    check_history(ServerConfig(host="0.0.0.0", api_key_file=Path("keys.txt")))
    with pytest.raises(SharedServerError):
        check_history(ServerConfig(host="0.0.0.0"))
    with pytest.raises(SharedServerError):
        check_history(ServerConfig(host="0.0.0.0", history=False))
    with pytest.raises(HistoryOffError):
        check_history(ServerConfig(history=False))


def test_the_index_is_there_before_anybody_asks(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store)
    searched = after(store, monkeypatch, "search")
    made = History(store, ServerConfig())
    made.start()
    assert searched.wait(WAIT_S) and (store.folder / INDEX_FILE).is_file()
    made.stop()


def test_there_is_no_index_where_nobody_may_ask(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "EVERY_S", 0.01)
    add(store)
    purged = after(store, monkeypatch, "purge")  # which comes after the index
    made = History(store, ServerConfig(history=False))
    made.start()
    assert purged.wait(WAIT_S)
    made.stop()
    assert not (store.folder / INDEX_FILE).exists()


def test_what_can_no_longer_be_restored_goes_by_itself(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "EVERY_S", 0.01)
    emptied = after(store, monkeypatch, "empty")
    made = History(store, ServerConfig())
    made.start()
    assert emptied.wait(WAIT_S)
    old, new = add(store, 1), add(store, 2)
    store.delete(old, undo=True)
    age(store, 1000)
    store.delete(new, undo=True)
    purged = after(store, monkeypatch, "purge")
    assert purged.wait(WAIT_S)
    assert [path.name for path in (store.folder / TRASH).glob("*/*")] == [new]
    made.stop()
    assert hidden(store) == [] and store.ids() == []  # at the end of the server, all goes


def test_a_start_removes_what_a_killed_server_left(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.delete(add(store), undo=True)  # as an earlier process of this id might have
    emptied = after(store, monkeypatch, "empty")
    made = History(store, ServerConfig())
    made.start()
    assert emptied.wait(WAIT_S) and hidden(store) == []
    made.stop()


def test_a_folder_that_is_read_only_for_now(
    store: RunStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(history, "EVERY_S", 0.01)
    store.folder.mkdir()
    monkeypatch.setattr(store.trash, "empty", lambda: os.rename("/none/a", "/none/b"))
    monkeypatch.setattr(store, "search", lambda: 1 / 0)
    purged = after(store, monkeypatch, "purge")
    made = History(store, ServerConfig())
    made.start()
    assert purged.wait(WAIT_S)
    made.stop()
    assert "cannot be kept in order: [Errno 2]" in caplog.text and "ZeroDivision" in caplog.text


def test_stopping_what_was_not_started(store: RunStore) -> None:
    History(store, ServerConfig()).stop()
    assert not store.folder.exists()
