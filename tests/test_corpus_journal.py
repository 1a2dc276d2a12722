from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emotion.core.corpus_errors import JournalBusyError, JournalError, TableExistsError
from emotion.core.errors import AudioNotFoundError, OutputError
from emotion.corpus.inputs import Input, Packed
from emotion.corpus.journal import Journal, journal_of
from emotion.corpus.rows import Record

ABOUT = {"granularity": "utterance", "labels": ("angry", "sad"), "model": "mini"}


@pytest.fixture
def inputs(tmp_path: Path) -> list[Input]:
    for name in "abc":
        (tmp_path / f"{name}.wav").write_text(name)
    return [Input(f"{name}.wav", tmp_path / f"{name}.wav") for name in "abc"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "out" / "results.csv"


@pytest.fixture
def journal(table: Path, inputs: list[Input]) -> Callable[..., Journal]:
    def make(**options: Any) -> Journal:
        given = {"inputs": inputs, "about": ABOUT, **options}
        return Journal(table, given.pop("inputs"), given.pop("about"), **given)

    return make


def _failed(name: str) -> Record:
    return Record(name, error={"code": "x", "message": f"{name} is broken", "hint": ""})


def test_records_come_back_in_the_order_of_the_inputs(journal: Callable[..., Journal]) -> None:
    with journal() as one:
        assert (one.done, one.left()) == (0, [0, 1, 2])
        one.add(2, _failed("c.wav"))
        one.add(0, _failed("a.wav"))
        assert (one.done, one.left()) == (2, [1])
        assert list(one.records()) == [_failed("a.wav"), _failed("c.wav")]
        one.add(1, _failed("b.wav"))
        assert [record.file for record in one.records()] == ["a.wav", "b.wav", "c.wav"]


def test_another_process_continues_where_it_ended(journal: Callable[..., Journal]) -> None:
    with journal() as one:
        one.add(1, _failed("b.wav"))
    with journal(resume=True) as two:
        assert two.left() == [0, 2]
        two.add(0, _failed("a.wav"))
    with journal(resume=True) as three:
        assert three.left() == [2]
        assert [record.file for record in three.records()] == ["a.wav", "b.wav"]


@pytest.mark.parametrize("cut", [1, 2, 20])
def test_a_line_that_was_not_written_to_its_end_is_dropped(
    journal: Callable[..., Journal], cut: int
) -> None:
    with journal() as one:
        one.add(0, _failed("a.wav"))
        one.add(1, _failed("b.wav"))
        path = one.path
    path.write_bytes(path.read_bytes()[:-cut])
    with journal(resume=True) as two:
        assert two.left() == [1, 2]
        two.add(1, _failed("b.wav"))
        assert [record.file for record in two.records()] == ["a.wav", "b.wav"]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_files_that_changed_are_done_again_and_new_ones_too(
    journal: Callable[..., Journal], inputs: list[Input], tmp_path: Path
) -> None:
    with journal() as one:
        for index, item in enumerate(inputs):
            one.add(index, _failed(item.name))
    (tmp_path / "b.wav").write_text("longer")
    (tmp_path / "d.wav").write_text("d")
    now = [inputs[2], inputs[1], Input("d.wav", tmp_path / "d.wav")]
    with journal(resume=True, inputs=now) as two:
        assert two.left() == [1, 2]
        assert [record.file for record in two.records()] == ["c.wav"]


def test_the_same_name_several_times_is_several_recordings(
    journal: Callable[..., Journal], inputs: list[Input]
) -> None:
    twice = [inputs[0], inputs[0]]
    with journal(inputs=twice) as one:
        one.add(1, _failed("a.wav"))
    with journal(inputs=twice, resume=True) as two:
        assert two.left() == [0]


def test_missing_files_and_members_of_zip_files_have_keys(
    journal: Callable[..., Journal], tmp_path: Path
) -> None:
    (tmp_path / "c.zip").write_text("x")
    odd = [
        Input("gone.wav", AudioNotFoundError(file="gone.wav", reason="No such file")),
        Input("m.wav", Packed(tmp_path / "c.zip", "m.wav")),
        Input("lost.wav", tmp_path / "lost.wav"),
    ]
    with journal(inputs=odd) as one:
        one.add(0, _failed("gone.wav"))
        one.add(1, _failed("m.wav"))
    with journal(inputs=odd, resume=True) as two:
        assert two.left() == [2]


def test_failures_are_tried_again_where_asked(journal: Callable[..., Journal]) -> None:
    result = {"emotion": "sad"}
    with journal() as one:
        one.add(0, _failed("a.wav"))
        one.add(1, Record("b.wav", result))
    with journal(resume=True) as two:
        assert two.left() == [2]
    with journal(resume=True, retry_failed=True) as three:
        assert three.left() == [0, 2]
        three.add(0, Record("a.wav", result))
    with journal(resume=True, retry_failed=True) as four:
        assert four.left() == [2]
        assert [record.result for record in four.records()] == [result, result]


def test_other_options_are_refused_by_name(journal: Callable[..., Journal]) -> None:
    journal().close()
    with pytest.raises(JournalError, match="it has granularity 'utterance', now it is 'frame'"):
        journal(resume=True, about={**ABOUT, "granularity": "frame"})
    with pytest.raises(JournalError, match="it has model 'mini', now it is None"):
        journal(resume=True, about={"granularity": "utterance", "labels": ("angry", "sad")})
    journal(resume=True).close()


@pytest.mark.parametrize("text", ["", "x\n", '{"a": 1}\n', '{"version": 1, "about": {}}'])
def test_what_is_no_journal_is_refused(
    journal: Callable[..., Journal], table: Path, text: str
) -> None:
    journal().close()
    journal_of(table).write_text(text)
    with pytest.raises(JournalError, match="not a journal"):
        journal(resume=True)


def test_a_journal_of_another_version(journal: Callable[..., Journal], table: Path) -> None:
    journal().close()
    journal_of(table).write_text('{"version": 99, "about": {}}\n')
    with pytest.raises(JournalError, match="another version"):
        journal(resume=True)


def test_what_is_there_is_never_replaced_unasked(
    journal: Callable[..., Journal], table: Path
) -> None:
    journal().close()
    with pytest.raises(TableExistsError, match=r"results\.csv\.journal is there already"):
        journal()
    journal(overwrite=True).finish()
    table.write_text("old")
    with pytest.raises(TableExistsError, match=r"results\.csv is there already"):
        journal()
    assert table.read_text() == "old"
    journal(overwrite=True).close()


def test_overwriting_forgets_what_was_done(journal: Callable[..., Journal]) -> None:
    with journal() as one:
        one.add(0, _failed("a.wav"))
    with journal(overwrite=True) as two:
        assert two.left() == [0, 1, 2]
    with journal(resume=True) as three:
        assert three.left() == [0, 1, 2]


def test_resuming_what_never_began_is_beginning(journal: Callable[..., Journal]) -> None:
    with journal(resume=True) as one:
        assert one.left() == [0, 1, 2]


def test_two_processes_do_not_write_one_table(journal: Callable[..., Journal]) -> None:
    with (
        journal(),
        pytest.raises(JournalBusyError, match=r"another process is writing .*results\.csv"),
    ):
        journal(resume=True)
    journal(resume=True).close()


def test_finishing_leaves_nothing_behind(journal: Callable[..., Journal], table: Path) -> None:
    with journal() as one:
        one.finish()
    assert list(table.parent.iterdir()) == []


def test_a_full_disk_leaves_whole_lines_only(
    journal: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch
) -> None:
    with journal() as one:
        one.add(0, _failed("a.wav"))
        file = one._file

        class Full:
            def __getattr__(self, name: str) -> Any:
                return getattr(file, name)

            def write(self, data: bytes) -> int:
                file.write(data[:7])
                file.flush()
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(one, "_file", Full())
        with pytest.raises(OutputError, match="No space left"):
            one.add(1, _failed("b.wav"))
        monkeypatch.setattr(one, "_file", file)
        assert one.left() == [1, 2]
        one.add(2, _failed("c.wav"))
    with journal(resume=True) as two:
        assert [record.file for record in two.records()] == ["a.wav", "c.wav"]
