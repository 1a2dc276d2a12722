"""Which row of a user's table is about which recording."""

from __future__ import annotations

from emotion.corpus.joining import Joined, join
from emotion.corpus.kinds import is_table, may_be_recording, suffix_of
from emotion.corpus.manifests import Entry, UserTable


def table(*rows: tuple[str, str]) -> UserTable:
    return UserTable(("who",), tuple(Entry(file, {"who": who}) for file, who in rows))


def found(files: list[str], joined: Joined) -> list[str | None]:
    return [joined.of_files.get(place, {}).get("who") for place in range(len(files))]


def test_by_path_end_of_path_and_base_name() -> None:
    files = ["a.wav", "sub/a.wav", "top/sub/b.wav", "c.wav"]
    rows = table(("a.wav", "1"), ("./sub\\a.wav", "2"), ("sub/b.wav", "3"), ("/data/x/c.wav", "4"))
    joined = join(files, [("list.csv", rows)])
    assert found(files, joined) == ["1", "2", "3", "4"]
    assert (joined.rows, joined.rows_alone, joined.columns) == (4, (), ("who",))


def test_a_path_beside_the_table_comes_first() -> None:
    files = ["x/a.wav", "y/a.wav"]
    tables = [("x/l.csv", table(("a.wav", "x"))), ("y/l.csv", table(("a.wav", "y")))]
    assert found(files, join(files, tables)) == ["x", "y"]


def test_what_has_no_counterpart_is_told() -> None:
    files = ["a.wav", "b.wav"]
    joined = join(files, [("l.csv", table(("a.wav", "1"), ("gone.wav", "2"), ("a.wav", "3")))])
    assert found(files, joined) == ["1", None]
    assert joined.rows_alone == ("gone.wav", "a.wav")  # the first row of a recording counts


def test_a_base_name_that_is_there_twice_is_nobodys() -> None:
    joined = join(["a.wav"], [("l.csv", table(("p/a.wav", "1"), ("q/a.wav", "2")))])
    assert joined.of_files == {} and joined.rows_alone == ("p/a.wav", "q/a.wav")


def test_kinds_by_name() -> None:
    assert suffix_of("a/b.WAV") == "wav" and suffix_of("a.d/b") == ""
    assert is_table("x/List.CSV") and is_table("a.tsv") and not is_table("a.csv.wav")
    assert all(map(may_be_recording, ("a.opus", "voice", "x/y.SILK", "film.mkv")))
    assert not any(map(may_be_recording, ("a.txt", "cover.jpg", "x/list.csv", "a.zip")))
