from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas
import pytest

from emotion.core.corpus_errors import JournalBusyError, JournalError, TableExistsError
from emotion.core.errors import ConfigError, OutputError
from emotion.corpus import tables
from emotion.corpus.inputs import Input, Inputs
from emotion.corpus.remote import Remote
from emotion.corpus.rows import Record
from emotion.corpus.shards import Part, Shards, is_complete, split
from tests.export_results import result

ABOUT = {"model": "mini", "labels": ("angry", "sad")}
Open = Callable[..., Shards]


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    for name in "abcde":
        (tmp_path / f"{name}.wav").write_text(name)
    items = [Input(f"{n}.wav", tmp_path / f"{n}.wav", {"who": n.upper()}) for n in "abcde"]
    return Inputs(tuple(items), ("who",))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def shards(out: Path, inputs: Inputs) -> Open:
    def make(**options: Any) -> Shards:
        given = {"folder": out, "inputs": inputs, "about": ABOUT, "size": 2, **options}
        return Shards(**given)

    return make


def _records(part: Part, failed: str = "") -> list[Record]:
    error = {"code": "x", "message": "broken", "hint": ""}
    return [
        Record(one.name, error=error, columns=one.columns)
        if one.name == failed
        else Record(one.name, result().to_dict(), columns=one.columns)
        for one in part.items
    ]


def test_parts_are_closed_by_number_and_by_size() -> None:
    small = [Input(str(n), Remote(f"s3://b/{n}", 10)) for n in range(5)]
    assert [len(part.items) for part in split(small, 2)] == [2, 2, 1]
    large = [Input(str(n), Remote(f"s3://b/{n}", 150 << 20)) for n in range(3)]
    assert [[one.name for one in part.items] for part in split(large)] == [["0"], ["1"], ["2"]]
    assert split([]) == []


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_table_in_parts_is_there_when_all_parts_are(shards: Open, out: Path, suffix: str) -> None:
    with shards(suffix=suffix) as table:
        assert [len(part.items) for part in table.left()] == [2, 2, 1]
        for part in reversed(table.left()):
            assert not is_complete(out)
            table.add(part, _records(part, "c.wav"))
        table.finish()
        assert table.outcomes() == {"sad": 4, "failed": 1}
    assert is_complete(out)
    names = sorted(path.name for path in out.iterdir())
    parts = [f"part-0000{k}{suffix}" for k in range(3)]
    assert names == ["_SUCCESS", "_plan.json", *parts]


def test_other_programs_read_the_folder_as_one_table(shards: Open, out: Path) -> None:
    with shards() as table:
        for part in table.left():
            table.add(part, _records(part))
        table.finish()
    read = pandas.read_parquet(out)
    assert list(read["file"]) == [f"{n}.wav" for n in "abcde"]
    assert list(read["who"]) == list("ABCDE")


def test_it_is_continued_where_it_ended(shards: Open, out: Path) -> None:
    with shards() as table:
        table.add(table.parts[1], _records(table.parts[1]))
        (out / ".abc.partial").write_text("of a process that was killed")
        with pytest.raises(ValueError, match="left"):
            table.finish()
    with pytest.raises(TableExistsError):
        shards()
    with shards(resume=True) as table:
        assert (table.done, [part.number for part in table.left()]) == (2, [0, 2])
        assert not list(out.glob(".*"))
    with shards(overwrite=True, resume=True) as table:
        assert (table.done, len(table.left())) == (0, 3)
        assert not list(out.glob("part-*"))


def test_parts_with_failures_are_done_again_where_asked(shards: Open) -> None:
    with shards() as table:
        for part in table.left():
            table.add(part, _records(part, "e.wav"))
        table.finish()
    with shards(resume=True) as table:
        assert table.left() == []
    with shards(resume=True, retry_failed=True) as table:
        assert [part.number for part in table.left()] == [2]
        assert table.path(table.parts[2]).exists()  # until it is replaced
        table.add(table.parts[2], _records(table.parts[2]))
        assert table.outcomes() == {"sad": 5}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"about": {**ABOUT, "model": "large"}}, "it has model 'mini', now it is 'large'"),
        ({"suffix": ".csv"}, "it has format 'parquet', now it is 'csv'"),
        ({"size": 3}, "sizes of the parts"),
    ],
)
def test_it_is_not_continued_as_another(shards: Open, change: dict[str, Any], words: str) -> None:
    shards().__exit__()
    with pytest.raises(JournalError, match=words):
        shards(resume=True, **change)


def test_recordings_that_changed_are_noticed(shards: Open, tmp_path: Path) -> None:
    shards().__exit__()
    (tmp_path / "b.wav").write_text("another")
    with pytest.raises(JournalError, match="not those that it began with"):
        shards(resume=True)


def test_a_plan_or_a_part_that_cannot_be_read(shards: Open, out: Path) -> None:
    with shards() as table:
        for part in table.left():
            table.add(part, _records(part))
        table.path(table.parts[0]).write_text("x")
    with (  # what an earlier run wrote is read
        shards(resume=True) as table,
        pytest.raises(JournalError, match=r"part-00000\.parquet: .* cannot be read"),
    ):
        table.outcomes()
    (out / "_plan.json").write_text(json.dumps({"about": 1}))
    with pytest.raises(JournalError, match="not the plan of a batch"):
        shards(resume=True)


def test_one_process_at_a_time(shards: Open) -> None:
    with shards(), pytest.raises(JournalBusyError):
        shards(resume=True)


def test_folders_of_others_are_left_alone(shards: Open, out: Path, tmp_path: Path) -> None:
    out.mkdir()
    (out / "thesis.txt").write_text("mine")
    (out / "part-00000.csv").write_text("mine")
    for options in ({}, {"overwrite": True}):
        with pytest.raises(ConfigError, match="a new or empty folder"):
            shards(**options)
    assert (out / "part-00000.csv").read_text() == "mine"
    with pytest.raises(ConfigError, match="a new or empty folder"):
        shards(folder=tmp_path / "a.wav")


def test_rows_of_other_recordings_are_refused(shards: Open) -> None:
    with shards() as table, pytest.raises(ValueError, match="other recordings"):
        table.add(table.parts[0], _records(table.parts[1]))


def test_a_full_disk_leaves_no_part(
    shards: Open, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object) -> None:
        path.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with shards() as table:
        monkeypatch.setitem(tables.WRITERS, ".parquet", full)
        with pytest.raises(OutputError, match="No space left"):
            table.add(table.parts[0], _records(table.parts[0]))
        assert table.done == 0
    assert sorted(path.name for path in out.iterdir()) == ["_plan.json"]
