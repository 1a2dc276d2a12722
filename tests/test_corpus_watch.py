from __future__ import annotations

import csv
import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile

from emotion.core.errors import OutputError
from emotion.core.options import RecognitionOptions
from emotion.corpus.executor import Executor, Work
from emotion.corpus.row_log import RowLog
from emotion.corpus.watch import Watch, WatchOptions, move
from emotion.recognition.loaded_model import LoadedModel
from emotion.storage.run_store import RunStore
from tests.conftest import tone

WAIT_S = 30.0
Make = Callable[..., Watch]


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    return made


@pytest.fixture
def rows(tmp_path: Path) -> Iterator[RowLog]:
    with RowLog(tmp_path / "results.csv") as log:
        yield log


@pytest.fixture
def make(
    folder: Path, rows: RowLog, clock: Clock, fake_model: LoadedModel, tmp_path: Path
) -> Iterator[Make]:
    work = Work(fake_model, RecognitionOptions(), RunStore(tmp_path / "outputs"))
    with Executor(work, 2) as executor:
        yield lambda **options: Watch(
            folder, executor, rows, WatchOptions(settle_s=5, every_s=0, **options), clock
        )


def _put(folder: Path, name: str, seconds: float = 1.0) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seconds), 16000, format="WAV", subtype="PCM_16")
    return path


def _rows(tmp_path: Path) -> dict[str, str]:
    with (tmp_path / "results.csv").open(encoding="utf-8-sig", newline="") as file:
        return {row["file"]: row["status"] for row in csv.DictReader(file)}


def _settled(watch: Watch, clock: Clock) -> int:
    watch.look()
    clock.now += 5
    return watch.look()


def test_a_recording_is_recognised_once_it_has_settled(
    make: Make, clock: Clock, folder: Path, tmp_path: Path
) -> None:
    watch = make()
    _put(folder, "sub/a.wav")
    assert watch.look() == 0
    clock.now = 4.9
    assert watch.look() == 0
    clock.now = 5
    assert watch.look() == 1
    clock.now = 50
    assert watch.look() == 0
    assert _rows(tmp_path) == {"sub/a.wav": "done"}


def test_a_recording_that_still_grows_is_left_alone(
    make: Make, clock: Clock, folder: Path, tmp_path: Path
) -> None:
    watch = make()
    for second in range(1, 4):
        _put(folder, "a.wav", second)
        assert watch.look() == 0
        clock.now += 4
    clock.now += 1
    assert watch.look() == 1
    assert _rows(tmp_path) == {"a.wav": "done"}


@pytest.mark.parametrize(
    "name", ["a.wav.part", ".a.wav", "a.wav.crdownload", "notes.txt", ".x/a.wav"]
)
def test_unfinished_and_other_files_are_left_alone(
    make: Make, clock: Clock, folder: Path, name: str
) -> None:
    _put(folder, name)
    assert _settled(make(), clock) == 0


def test_broken_recordings_get_a_row_and_stop_nothing(
    make: Make, clock: Clock, folder: Path, tmp_path: Path
) -> None:
    (folder / "broken.wav").write_text("x")
    (folder / "empty.wav").touch()
    _put(folder, "good.wav")
    assert _settled(make(), clock) == 3
    assert _rows(tmp_path) == {"broken.wav": "failed", "empty.wav": "failed", "good.wav": "done"}


def test_a_restart_does_nothing_twice_but_new_content(
    make: Make, clock: Clock, folder: Path, tmp_path: Path
) -> None:
    path = _put(folder, "a.wav")
    assert _settled(make(), clock) == 1
    assert _settled(make(), clock) == 0
    _put(folder, "a.wav", 2.0)
    os.utime(path, ns=(1, 1))
    assert _settled(make(), clock) == 1


def test_recordings_are_moved_and_nothing_is_replaced(
    make: Make, clock: Clock, folder: Path, tmp_path: Path
) -> None:
    done, failed = folder / "done", tmp_path / "failed"
    watch = make(done=done, failed=failed)
    for _ in range(2):
        _put(folder, "sub/a.wav")
        (folder / "b.wav").write_text("x")
        assert _settled(watch, clock) == 2
        clock.now += 5
        assert watch.look() == 0  # what was moved into the folder is not done again
    assert sorted(path.name for path in (done / "sub").iterdir()) == ["a (2).wav", "a.wav"]
    assert sorted(path.name for path in failed.iterdir()) == ["b (2).wav", "b.wav"]
    assert [path for path in folder.rglob("*") if path.is_file() and done not in path.parents] == []


def test_what_has_its_row_but_was_not_moved_is_moved_after_a_restart(
    make: Make, clock: Clock, folder: Path, tmp_path: Path
) -> None:
    _put(folder, "a.wav")
    (folder / "b.wav").write_text("x")
    assert _settled(make(), clock) == 2
    done, failed = tmp_path / "done", tmp_path / "failed"
    assert _settled(make(done=done, failed=failed), clock) == 0
    assert (done / "a.wav").is_file() and (failed / "b.wav").is_file()


def test_a_target_that_cannot_be_written_is_told_once(
    make: Make, clock: Clock, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "done").write_text("a file")
    _put(folder, "a.wav")
    watch = make(done=tmp_path / "done")
    assert _settled(watch, clock) == 1
    assert watch.look() == 0
    assert caplog.text.count("cannot be moved to") == 1
    assert (folder / "a.wav").is_file()


def test_a_folder_that_goes_away_comes_back(
    make: Make, clock: Clock, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    watch = make()
    folder.rename(tmp_path / "away")
    assert (watch.look(), watch.look()) == (0, 0)
    assert caplog.text.count("trying again") == 1
    (tmp_path / "away").rename(folder)
    _put(folder, "a.wav")
    assert _settled(watch, clock) == 1


def test_a_full_disk_is_waited_for(
    make: Make,
    clock: Clock,
    folder: Path,
    rows: RowLog,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    _put(folder, "a.wav")
    watch = make()
    watch.look()
    clock.now = 5
    stop = threading.Event()
    add, tries = rows.add, []

    def full(key: str, record: object) -> None:
        tries.append(key)
        if len(tries) == 1:
            raise OutputError(path="results.csv", reason="No space left on device")
        add(key, record)  # type: ignore[arg-type]
        stop.set()

    monkeypatch.setattr(rows, "add", full)
    watch.run(stop)
    assert len(tries) == 2 and "No space left on device" in caplog.text


def test_files_move_between_file_systems_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "a.wav"
    source.write_text("x")
    rename = os.rename

    def other(path: Path, target: Path) -> None:
        if Path(path) == source:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        rename(path, target)

    monkeypatch.setattr(os, "rename", other)
    assert move(source, tmp_path / "out" / "a.wav").read_text() == "x"
    assert not source.exists()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.wav"]
