from __future__ import annotations

from pathlib import Path

import pytest

from emotion.core.corpus_errors import ManifestError
from emotion.core.errors import AudioNotFoundError
from emotion.corpus.manifests import Entry, UserTable, read_table


def _read(tmp_path: Path, text: str | bytes, name: str = "list.csv") -> UserTable:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_columns_pass_through_whatever_separates_them(tmp_path: Path, delimiter: str) -> None:
    text = "speaker,path,emotion\nAnn,a.wav,sad\nBob,b/c.wav,\n".replace(",", delimiter)
    table = _read(tmp_path, text)
    assert table.columns == ("speaker", "emotion")
    assert table.entries == (
        Entry("a.wav", {"speaker": "Ann", "emotion": "sad"}),
        Entry("b/c.wav", {"speaker": "Bob", "emotion": ""}),
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_chinese_in_every_encoding_that_excel_writes(tmp_path: Path, encoding: str) -> None:
    table = _read(tmp_path, "文件,说话人\n录音一.wav,张三\n".encode(encoding))
    assert table.entries == (Entry("录音一.wav", {"说话人": "张三"}),)


@pytest.mark.parametrize("column", ["path", "Path", "FILE", "filename", "wav", "音频", " file "])
def test_the_recording_is_found_by_the_name_of_its_column(tmp_path: Path, column: str) -> None:
    assert _read(tmp_path, f"label,{column}\nsad,a.wav\n").entries[0].file == "a.wav"


def test_path_comes_before_file_where_both_are_there(tmp_path: Path) -> None:
    table = _read(tmp_path, "file,path\nname,real.wav\n")
    assert table.entries == (Entry("real.wav", {"file": "name"}),)


def test_quoted_cells_may_hold_separators_and_lines(tmp_path: Path) -> None:
    table = _read(tmp_path, 'path,note\n"a,b.wav","one\ntwo"\n')
    assert table.entries == (Entry("a,b.wav", {"note": "one\ntwo"}),)


def test_short_long_and_empty_rows(tmp_path: Path) -> None:
    table = _read(tmp_path, "path,note\na.wav\n\n  ,x\nb.wav,y,z\n")
    assert table.entries == (Entry("a.wav", {"note": ""}), Entry("b.wav", {"note": "y"}))


def test_columns_without_a_name_and_twice_the_same(tmp_path: Path) -> None:
    table = _read(tmp_path, "path,,note,note,\na.wav,1,2,3,4\n")
    assert table.columns == ("column_2", "note", "note_2", "column_5")
    assert list(table.entries[0].columns.values()) == ["1", "2", "3", "4"]


def test_windows_line_ends(tmp_path: Path) -> None:
    assert _read(tmp_path, "path,x\r\na.wav,1\r\n").entries == (Entry("a.wav", {"x": "1"}),)


def test_a_table_without_a_column_of_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"list\.csv: .*no column is named path or file"):
        _read(tmp_path, "name,label\na.wav,sad\n")


@pytest.mark.parametrize("data", [b"", b"\n\n"])
def test_an_empty_file_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ManifestError, match="no column"):
        _read(tmp_path, data)


def test_a_recording_in_place_of_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="it is not a text file"):
        _read(tmp_path, b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\xff\xff")


def test_a_table_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(AudioNotFoundError, match="No such file"):
        read_table(tmp_path / "list.csv")
