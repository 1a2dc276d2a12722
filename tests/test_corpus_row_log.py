from __future__ import annotations

import csv
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from emotion.core.corpus_errors import JournalBusyError, JournalError
from emotion.core.errors import ConfigError, OutputError
from emotion.corpus.journal import journal_of
from emotion.corpus.row_log import RowLog
from emotion.corpus.rows import COLUMNS, Record
from tests.export_results import result

DONE = Record("录音 1.wav", result().to_dict())
FAILED = Record("b.wav", error={"code": "x", "message": "is\nempty", "hint": ""})


@pytest.fixture(params=[".csv", ".jsonl"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / "out" / f"results{request.param}"


def _files(table: Path) -> list[str]:
    text = table.read_text(encoding="utf-8-sig")
    if table.suffix == ".csv":
        rows = csv.DictReader(text.splitlines(keepends=True))
        assert rows.fieldnames == list(COLUMNS)
        return [row["file"] for row in rows]
    return [json.loads(line)["file"] for line in text.splitlines()]


def test_rows_are_added_and_remembered(table: Path) -> None:
    with RowLog(table) as log:
        assert _files(table) == []
        assert log.failed("one") is None
        log.add("one", DONE)
        log.add("two", FAILED)
        assert _files(table) == ["录音 1.wav", "b.wav"]
        assert (log.failed("one"), log.failed("two"), log.failed("three")) == (False, True, None)


def test_it_goes_on_after_a_restart_with_one_header(table: Path) -> None:
    for key in ("one", "two"):
        with RowLog(table) as log:
            log.add(key, DONE)
    with RowLog(table) as log:
        assert (log.failed("one"), log.failed("two")) == (False, False)
    assert _files(table) == ["录音 1.wav"] * 2
    assert table.read_bytes().count(b"\xef\xbb\xbf") == (table.suffix == ".csv")
    assert sorted(path.name for path in table.parent.iterdir()) == [
        table.name,
        f"{table.name}.journal",
    ]


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_row_that_was_not_written_to_its_end_is_taken_back(table: Path, cut: int) -> None:
    with RowLog(table) as log:
        log.add("one", DONE)
        before = table.stat().st_size
        log.add("two", FAILED)
    journal = journal_of(table)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-1]))  # killed before the row was noted
    table.write_bytes(table.read_bytes()[: max(before, table.stat().st_size - cut)])
    with RowLog(table) as log:
        assert table.stat().st_size == before
        assert (log.failed("one"), log.failed("two")) == (False, None)
        log.add("two", FAILED)
    assert _files(table) == ["录音 1.wav", "b.wav"]


def test_a_torn_line_of_the_journal_is_dropped(table: Path) -> None:
    with RowLog(table) as log:
        log.add("one", DONE)
    journal = journal_of(table)
    journal.write_bytes(journal.read_bytes()[:-3])  # the row is there, but it was not noted
    with RowLog(table) as log:
        assert log.failed("one") is None
        log.add("one", DONE)
    assert _files(table) == ["录音 1.wav"]


def test_rows_that_people_added_stay(table: Path) -> None:
    with RowLog(table) as log:
        log.add("one", DONE)
    own = b"mine.wav\r\n" if table.suffix == ".csv" else b'{"file": "mine.wav"}\n'
    with table.open("ab") as file:
        file.write(own)
    with RowLog(table) as log:
        log.add("two", FAILED)
    assert _files(table) == ["录音 1.wav", "mine.wav", "b.wav"]


def test_a_full_disk_leaves_whole_rows_and_the_next_try_succeeds(
    table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RowLog(table) as log:
        log.add("one", DONE)
        write = RowLog._write

        def full(file: Any, data: bytes) -> None:
            if file is log._rows:
                file.write(data[:10])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            write(file, data)

        monkeypatch.setattr(log, "_write", full)
        with pytest.raises(OutputError, match="No space left"):
            log.add("two", FAILED)
        assert log.failed("two") is None
        monkeypatch.undo()
        log.add("two", FAILED)
    assert _files(table) == ["录音 1.wav", "b.wav"]


def test_two_processes_do_not_write_one_table(table: Path) -> None:
    with RowLog(table), pytest.raises(JournalBusyError):
        RowLog(table)
    with RowLog(table):
        pass


def test_formats_that_cannot_grow_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"results\.parquet.*\.csv or \.jsonl"):
        RowLog(tmp_path / "results.parquet")


@pytest.mark.parametrize("text", ["x\n", "[]\n", '{"done": "a"}\n'])
def test_a_damaged_journal_is_refused(table: Path, text: str) -> None:
    table.parent.mkdir()
    journal_of(table).write_text(text)
    with pytest.raises(JournalError, match="not a journal"):
        RowLog(table)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError):
        RowLog(tmp_path / "file" / "results.csv")
