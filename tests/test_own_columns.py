from __future__ import annotations

from pathlib import Path

import pytest

from emotion.analysis.items import Compared
from emotion.core.corpus_errors import ManifestError
from emotion.corpus.own_columns import with_tables

ITEMS = [Compared("sub/a.wav", [1.0]), Compared("b.wav", [1.0]), Compared("c.wav", [1.0])]


def _table(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_dates_and_speakers_by_name(tmp_path: Path) -> None:
    text = "file,speaker,Date,room\na.wav,Ann,2026/01/31,A\nb.wav,,31 Jan,B\n"
    a, b, c = with_tables(ITEMS, [_table(tmp_path, text)])
    assert (a.date, a.speaker, a.columns["room"]) == ("2026-01-31", "Ann", "A")
    assert (b.date, b.speaker) == (None, None)
    assert b.columns == {"speaker": "", "Date": "31 Jan", "room": "B"}
    assert c == ITEMS[2]


def test_chinese_columns(tmp_path: Path) -> None:
    (item, *_) = with_tables(ITEMS, [_table(tmp_path, "文件,说话人,日期\na.wav,张三,2026-01-31\n")])
    assert (item.speaker, item.date) == ("张三", "2026-01-31")


def test_what_a_recording_says_itself_counts_more(tmp_path: Path) -> None:
    own = Compared("b.wav", [1.0], date="2025-01-01", speaker="Bob", columns={"room": "own"})
    table = _table(tmp_path, "file,speaker,date,room\nb.wav,Ann,2026-01-31,A\n")
    (item,) = with_tables([own], [table])
    assert (item.date, item.speaker, item.columns["room"]) == ("2025-01-01", "Bob", "own")


def test_several_tables_and_none(tmp_path: Path) -> None:
    one = _table(tmp_path, "file,x\nb.wav,1\n", "one.csv")
    two = _table(tmp_path, "file\ty\nc.wav\t2\n", "two.tsv")
    _, b, c = with_tables(ITEMS, [one, two])
    assert (b.columns, c.columns) == ({"x": "1"}, {"y": "2"})
    assert with_tables(ITEMS, []) == ITEMS


def test_what_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(ManifestError):
        with_tables(ITEMS, [_table(tmp_path, "name\nx\n")])
