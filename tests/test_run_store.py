"""Run folders: complete or not there, found by id, listed, deleted; and their index."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.core.errors import ModelError, OutputError, RunNotFoundError
from emotion.storage import own_folders, run_index, run_store
from emotion.storage.own_folders import make_own
from emotion.storage.run_index import INDEX_FILE, RunFilter
from emotion.storage.run_store import EMBEDDING_FILE, RESULT_FILE, RunStore, RunWriter

NOW = datetime(2026, 3, 4, 5, 6, 7)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "outputs")


def result(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "emotion": "happy",
        "confidence": 0.75,
        "granularity": "utterance",
        "timestamp": "2026-03-04 05:06:07",
        "audio": {"file": "clip.wav", "duration_s": 2.5},
        "model": {"name": "emotion2vec_mini"},
    }
    return data | changes


def add(store: RunStore, day: int = 4, **changes: Any) -> str:
    now = NOW.replace(day=day)
    with store.create(now) as run:
        run.write_json(result(timestamp=now.strftime("%Y-%m-%d %H:%M:%S"), **changes))
        return run.commit().name


def test_a_run_is_complete_or_not_there(store: RunStore) -> None:
    with store.create(NOW) as run:
        run.write_array(EMBEDDING_FILE, np.arange(3, dtype=np.float32))
        run.write_json(result(audio={"file": "你好.wav", "duration_s": 1.0}))
        assert store.ids() == []
        final = run.commit()
    assert final.name == "outputs_20260304_050607" and store.ids() == [final.name]
    assert sorted(os.listdir(final)) == [EMBEDDING_FILE, RESULT_FILE]
    assert "你好" in (final / RESULT_FILE).read_text(encoding="utf-8")
    assert store.result(final.name)["confidence"] == 0.75
    assert oct(final.stat().st_mode & 0o777) == "0o755"


def test_the_second_run_of_a_second_gets_a_suffix(store: RunStore) -> None:
    assert [add(store) for _ in range(3)] == [
        "outputs_20260304_050607",
        "outputs_20260304_050607_001",
        "outputs_20260304_050607_002",
    ]
    assert store.ids()[0] == "outputs_20260304_050607_002"  # newest first


def test_many_runs_of_a_second_at_once(store: RunStore) -> None:
    names: list[str] = []
    threads = [threading.Thread(target=lambda: names.append(add(store))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(names)) == 12 and sorted(names, reverse=True) == store.ids()


def test_an_error_leaves_nothing_and_stays_what_it_is(store: RunStore) -> None:
    for error in (ModelError(reason="the network overflowed"), OSError("a broken socket")):
        with pytest.raises(type(error)) as caught, store.create(NOW):
            raise error
        assert caught.value is error
    assert os.listdir(store.folder) == []


def test_a_disk_that_is_full(store: RunStore) -> None:
    def fill(run: RunWriter) -> None:
        with run.writing("a.csv") as path:
            path.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"), store.create(NOW) as run:
        fill(run)
    assert os.listdir(store.folder) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        RunStore(tmp_path / "file" / "outputs").create()


def test_when_no_name_is_left(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_store, "_SUFFIXES", 2)
    add(store)
    add(store)
    with pytest.raises(OutputError, match="2 runs in outputs_20260304_050607"):
        add(store)


def test_folders_of_dead_processes_are_removed(tmp_path: Path) -> None:
    mine = make_own(tmp_path, ".partial-")
    prefix = mine.name[: mine.name.index(f"-{os.getpid()}-")]
    (tmp_path / f"{prefix}-4194304999-x").mkdir()
    (tmp_path / ".partial-elsewhere-1-x").mkdir()
    other = make_own(tmp_path, ".partial-")
    assert {p.name for p in tmp_path.iterdir()} == {mine.name, other.name, ".partial-elsewhere-1-x"}


@pytest.mark.parametrize(
    "run_id", ["", "..", "../x", "outputs_20260304_050608", "outputs_20260304_050607/..", "/etc"]
)
def test_no_other_folder_is_found(store: RunStore, run_id: str) -> None:
    add(store)
    for call in (store.find, store.result, store.delete):
        with pytest.raises(RunNotFoundError):
            call(run_id)


def test_listing_newest_first_in_pages(store: RunStore) -> None:
    names = [add(store, day) for day in range(1, 8)]
    found, count = store.search(limit=3)
    assert [run.run_id for run in found] == names[:-4:-1] and count == 7
    found, _ = store.search(limit=3, offset=6)
    assert [run.run_id for run in found] == names[:1]
    assert (found[0].file, found[0].duration_s, found[0].model) == (
        "clip.wav",
        2.5,
        "emotion2vec_mini",
    )
    assert RunStore(store.folder / "none").search() == ([], 0)


@pytest.mark.parametrize(
    ("where", "days"),
    [
        (RunFilter(emotion="sad"), [2]),
        (RunFilter(model="large"), [3]),
        (RunFilter(name="100%"), [4]),
        (RunFilter(name="CALL"), [4, 1]),
        (RunFilter(since="2026-03-03"), [4, 3]),
        (RunFilter(until="2026-03-02"), [2, 1]),
        (RunFilter(since="2026-03-02", until="2026-03-03", emotion="happy"), [3]),
        (RunFilter(emotion="' OR 1=1 --"), []),
    ],
)
def test_filters(store: RunStore, where: RunFilter, days: list[int]) -> None:
    add(store, 1, audio={"file": "call_1.wav", "duration_s": 1.0})
    add(store, 2, emotion="sad")
    add(store, 3, model={"name": "large"})
    add(store, 4, audio={"file": "Call 100%.wav", "duration_s": 1.0})
    found, count = store.search(where=where)
    assert [int(run.run_id[14:16]) for run in found] == days and count == len(days)


def test_a_listing_reads_each_run_once(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store, 1)
    assert store.search()[1] == 1
    read: list[str] = []
    plain = Path.read_text

    def counted(self: Path, *args: Any, **options: Any) -> str:
        if self.name == RESULT_FILE:
            read.append(self.parent.name)
        return plain(self, *args, **options)

    monkeypatch.setattr(Path, "read_text", counted)
    new = add(store, 2)
    other = RunStore(store.folder)  # of another process
    assert other.search()[1] == 2 and read == [new]
    assert store.search()[1] == 2 and read == [new]


def test_runs_that_are_gone_are_forgotten(store: RunStore) -> None:
    names = [add(store, day) for day in (1, 2)]
    assert store.search()[1] == 2
    store.delete(names[0])
    assert [run.run_id for run in store.search()[0]] == names[1:]
    assert not (store.folder / names[0]).exists()
    assert not [p for p in store.folder.iterdir() if p.name.startswith(".partial")]


def test_damaged_results_are_left_out(store: RunStore) -> None:
    names = [add(store, day) for day in (1, 2, 3)]
    (store.folder / names[0] / RESULT_FILE).write_text("{")
    (store.folder / names[1] / RESULT_FILE).write_text(json.dumps({"emotion": "sad"}))
    assert [run.run_id for run in store.search()[0]] == names[2:]
    with pytest.raises(RunNotFoundError):
        store.result(names[0])


@pytest.mark.parametrize("content", [b"", b"not a database, but long enough to be one" * 40])
def test_a_damaged_index_is_made_again(store: RunStore, content: bytes) -> None:
    add(store)
    assert store.search()[1] == 1
    (store.folder / INDEX_FILE).write_bytes(content)
    assert store.search()[1] == 1


def test_an_index_of_another_version_is_made_again(store: RunStore) -> None:
    add(store)
    db = sqlite3.connect(store.folder / INDEX_FILE)
    with db:
        db.execute("CREATE TABLE runs (other)")
        db.execute("PRAGMA user_version = 99")
    db.close()
    assert store.search()[1] == 1


def test_a_folder_that_cannot_be_written_is_listed(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store)
    (store.folder / INDEX_FILE).mkdir()  # cannot be opened as a database
    assert store.search()[1] == 1
    add(store)
    assert store.search()[1] == 2


def test_only_old_runs_are_deleted(store: RunStore) -> None:
    old, new = add(store, 1), add(store, 4)
    for name in ("outputs_19990101_000000.txt", "notes", "outputs_19990101"):
        (store.folder / name).mkdir()
    assert store.delete_older_than(2, now=NOW.replace(day=5)) == [old]
    assert store.ids() == [new]
    assert (store.folder / "notes").is_dir() and (store.folder / "outputs_19990101").is_dir()


def test_two_that_delete_a_run_at_once(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    name = add(store)
    plain = Path.rename

    def late(self: Path, target: Path) -> Path:
        monkeypatch.setattr(Path, "rename", plain)
        store.delete(name)
        return plain(self, target)

    monkeypatch.setattr(Path, "rename", late)
    with pytest.raises(RunNotFoundError):
        store.delete(name)
    assert os.listdir(store.folder) == []


def test_a_deletion_that_was_killed_is_finished_by_the_next_run(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = add(store)
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: 4194304999)
        patch.setattr(run_store.shutil, "rmtree", lambda *args, **options: None)
        store.delete(name)
    assert [path.name[:9] for path in store.folder.iterdir()] == [".partial-"]
    other = add(store, 5)
    assert os.listdir(store.folder) == [other]


def test_only_what_was_deleted_is_told(store: RunStore) -> None:
    add(store, 1)
    (store.folder / "outputs_19990101_000000").mkdir()  # no run: it has no result
    assert store.delete_older_than(2, now=NOW.replace(day=5)) == ["outputs_20260301_050607"]


@pytest.mark.parametrize("content", ["[]", "1", "null"])
def test_a_result_that_is_no_object_is_damaged(store: RunStore, content: str) -> None:
    name = add(store)
    (store.folder / name / RESULT_FILE).write_text(content)
    with pytest.raises(RunNotFoundError):
        store.result(name)


def test_an_index_that_another_process_holds_is_not_discarded(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, 1)
    assert store.search()[1] == 1
    name = add(store, 2)
    monkeypatch.setattr(run_index, "_LOCK_TIMEOUT_S", 0.0)
    index = store.folder / INDEX_FILE
    other = sqlite3.connect(index)
    plain = Path.read_text

    def locked_meanwhile(self: Path, *args: Any, **options: Any) -> str:
        if not other.in_transaction:
            other.execute("BEGIN IMMEDIATE")
        return plain(self, *args, **options)

    monkeypatch.setattr(Path, "read_text", locked_meanwhile)
    inode = index.stat().st_ino
    found, count = store.search()
    assert found[0].run_id == name and count == 2
    assert index.stat().st_ino == inode
    other.rollback()
    other.close()


def test_what_dead_processes_left_is_removed_by_itself(tmp_path: Path) -> None:
    mine = make_own(tmp_path, "live-")
    prefix = mine.name[: mine.name.index(f"-{os.getpid()}-")]
    (tmp_path / f"{prefix}-4194304999-x").mkdir()
    own_folders.remove_dead(tmp_path, "live-")
    assert list(tmp_path.iterdir()) == [mine]


def test_completed_runs_are_told(store: RunStore) -> None:
    told: list[str] = []
    store.on_commit = told.append
    with store.create(NOW):
        pass  # not completed
    assert told == []
    assert add(store) == told[0]


def test_many_are_deleted_at_once(store: RunStore) -> None:
    names = [add(store, day) for day in (1, 2, 3)]
    assert store.size_bytes(names[0]) > 100 and store.age_s(names[0]) < 100
    assert store.delete_all([names[0], "outputs_19990101_000000", names[2]]) == names[::2]
    assert os.listdir(store.folder) == [names[1]]
    assert store.size_bytes(names[0]) == 0 and store.age_s(names[0]) == float("inf")


def test_a_run_that_cannot_be_deleted_is_an_error(
    store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = add(store)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="Read-only"):
        store.delete(name)
    assert store.ids() == [name]
