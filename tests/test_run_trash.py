"""Deleted runs that can be restored: out of sight, back under their name, gone in the end."""

from __future__ import annotations

import os
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from emotion.core.errors import OutputError, RunNotFoundError
from emotion.storage import run_trash
from emotion.storage.own_folders import PARTIAL
from emotion.storage.run_store import RESULT_FILE, RunStore
from emotion.storage.run_trash import TRASH, UNDO_S
from tests.test_run_store import add, result

NOW = datetime(2026, 3, 4, 5, 6, 7)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "outputs")


def owned(store: RunStore, owner: str) -> str:
    with store.create(NOW, owner) as run:
        run.write_json(result(emotion="sad"))
        return run.commit().name


def hidden(store: RunStore) -> list[str]:
    """What lies beside the runs, but for the index."""
    return sorted(
        name for name in os.listdir(store.folder) if name[0] == "." and "sqlite" not in name
    )


def age(store: RunStore, seconds: float) -> None:
    """Makes all deletions so much older."""
    for slot in (store.folder / TRASH).iterdir():
        then = slot.stat().st_mtime - seconds
        os.utime(slot, (then, then))


def test_a_deleted_run_is_out_of_sight_and_comes_back(store: RunStore) -> None:
    first, second = add(store, 1), add(store, 2)
    before = (store.folder / first / RESULT_FILE).read_bytes()
    store.delete(first, undo=True)
    assert store.ids() == [second] and store.search()[1] == 1
    assert store.size_bytes(first) == 0
    with pytest.raises(RunNotFoundError):
        store.find(first)
    with pytest.raises(RunNotFoundError):
        store.delete(first, undo=True)
    assert store.restore(first) == first
    assert store.ids() == [second, first] and store.search()[1] == 2
    assert (store.folder / first / RESULT_FILE).read_bytes() == before
    assert hidden(store) == []
    with pytest.raises(RunNotFoundError):
        store.restore(first)


def test_without_undo_it_is_gone(store: RunStore) -> None:
    name = add(store)
    store.delete(name)
    with pytest.raises(RunNotFoundError):
        store.restore(name)
    assert hidden(store) == []


def test_a_name_that_was_taken_gets_the_next_suffix(store: RunStore) -> None:
    names = [add(store) for _ in range(2)]
    for name in names:
        store.delete(name, undo=True)
    taken = [add(store, model={"name": "other"}) for _ in range(2)]
    assert taken == names
    told: list[str] = []
    store.on_commit = told.append
    assert store.restore(names[1]) == f"{names[0]}_002"
    assert store.restore(names[0]) == f"{names[0]}_003"
    assert told == [f"{names[0]}_002", f"{names[0]}_003"]
    assert store.result(names[0])["model"] == {"name": "other"}


def test_of_two_with_one_name_the_last_deleted_comes_first(store: RunStore) -> None:
    name = add(store, emotion="angry")
    store.delete(name, undo=True)
    age(store, 10)
    assert add(store, emotion="sad") == name
    store.delete(name, undo=True)
    assert store.result(store.restore(name))["emotion"] == "sad"
    assert store.result(store.restore(name))["emotion"] == "angry"


def test_only_its_owner_deletes_and_restores_a_run(store: RunStore) -> None:
    name = owned(store, "ann")
    with pytest.raises(RunNotFoundError):
        store.delete(name, "bob", undo=True)
    store.delete(name, "ann", undo=True)
    assert owned(store, "bob") == name  # the same second
    store.delete(name, "bob", undo=True)
    with pytest.raises(RunNotFoundError):
        store.restore(name, "eve")
    assert store.restore(name, "ann") == name
    assert store.find(name, "ann") == store.folder / name


@pytest.mark.parametrize("run_id", ["", "..", "../x", ".", "/etc", "outputs_20260304_050607/.."])
def test_only_ids_of_runs_are_restored(store: RunStore, run_id: str) -> None:
    store.delete(add(store), undo=True)
    with pytest.raises(RunNotFoundError):
        store.restore(run_id)


def test_after_ten_minutes_it_is_deleted_for_good(store: RunStore) -> None:
    old, new, kept = add(store, 1), add(store, 2), add(store, 3)
    store.delete(old, undo=True)
    age(store, UNDO_S)
    store.delete(new, undo=True)
    assert store.trash.purge() == 1 and store.trash.purge() == 0
    with pytest.raises(RunNotFoundError):
        store.restore(old)
    assert store.restore(new) == new and store.ids() == [kept, new]
    assert hidden(store) == []


def test_nothing_else_in_the_folder_is_deleted(store: RunStore) -> None:
    store.delete(add(store), undo=True)
    for name in ("notes", "a-b-c", "x"):
        (store.folder / TRASH / name).mkdir()
    (store.folder / TRASH / "file").write_text("")
    age(store, 10 * UNDO_S)
    assert store.trash.purge() == 1
    store.trash.empty()
    assert sorted(os.listdir(store.folder / TRASH)) == ["a-b-c", "file", "notes", "x"]


def test_what_killed_servers_left_goes_at_the_next_start(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, dead, elsewhere = add(store, 1), add(store, 2), add(store, 3)
    for name in (elsewhere, dead, mine):
        store.delete(name, undo=True)
    slots = {run.name: run.parent for run in (store.folder / TRASH).glob("*/outputs_*")}
    here, number = slots[dead].name.split("-")[:2]
    slots[dead].rename(slots[dead].with_name(f"{here}-4194304999-abcdefgh"))
    slots[elsewhere].rename(slots[elsewhere].with_name(f"else-{number}-abcdefgh"))
    RunStore(store.folder).trash.empty()
    for name in (mine, dead):
        with pytest.raises(RunNotFoundError):
            store.restore(name)
    assert os.listdir(store.folder / TRASH) == [f"else-{number}-abcdefgh"]
    age(store, UNDO_S)
    assert store.trash.purge() == 1 and hidden(store) == []  # by its age, wherever it is from


def test_a_folder_that_is_not_there(store: RunStore) -> None:
    store.trash.empty()
    assert store.trash.purge() == 0 and store.trash.find("outputs_20260304_050607") == []
    assert not store.folder.exists()


def test_a_deletion_that_fails_leaves_the_run(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = add(store)

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(OutputError, match="Read-only"):
            store.delete(name, undo=True)
    assert store.ids() == [name]
    store.trash.empty()
    assert hidden(store) == []


def test_two_that_delete_a_run_at_once(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    name = add(store)
    plain = store.trash.put

    def late(run: Path) -> None:
        store.delete(name)
        plain(run)

    monkeypatch.setattr(store.trash, "put", late)
    with pytest.raises(RunNotFoundError):
        store.delete(name, undo=True)


def test_a_trash_that_another_process_removes_is_made_again(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = add(store)
    plain = run_trash.make_own

    def late(parent: Path, prefix: str) -> Path:
        monkeypatch.setattr(run_trash, "make_own", plain)
        parent.rmdir()
        return plain(parent, prefix)

    monkeypatch.setattr(run_trash, "make_own", late)
    store.delete(name, undo=True)
    assert store.restore(name) == name


def test_a_run_is_restored_whole_or_not_at_all(store: RunStore) -> None:
    names = [add(store, day) for day in range(1, 21)]
    for name in names:
        store.delete(name, undo=True)
    restored: list[str] = []

    def restore() -> None:
        for name in names:
            try:
                restored.append(store.restore(name))
            except RunNotFoundError:
                continue

    thread = threading.Thread(target=restore)
    thread.start()
    count = store.trash.purge(0)
    thread.join()
    assert len(restored) + count == len(names)
    assert sorted(store.ids()) == sorted(restored)
    assert all((store.folder / name / RESULT_FILE).is_file() for name in restored)
    assert not any(name.startswith(PARTIAL) for name in hidden(store))


def test_a_disk_that_is_read_only_is_told(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    name = add(store)
    store.delete(name, undo=True)

    def refuse(*_: Any) -> None:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        with pytest.raises(OutputError, match="Read-only"):
            store.restore(name)
    assert store.restore(name) == name
