"""Lines in a file: written one by one, read from any of them on."""

from __future__ import annotations

import threading
from array import array
from pathlib import Path

import pytest

from emotion.services import line_spool
from emotion.services.line_spool import LineSpool


def read_all(spool: LineSpool, start: int = 0) -> tuple[bytes, int]:
    found = b""
    while True:
        data, start = spool.read(start)
        if not data:
            return found, start
        found += data


def test_lines_from_any_of_them_on(tmp_path: Path) -> None:
    spool = LineSpool(tmp_path / "lines")
    assert (len(spool), spool.read(0)) == (0, (b"", 0))
    for line in (b"one", b"", "三".encode()):
        spool.append(line)
    assert len(spool) == 3
    assert read_all(spool) == ("one\n\n三\n".encode(), 3)
    assert spool.read(2) == ("三\n".encode(), 3)
    assert spool.read(3) == (b"", 3)
    assert spool.read(9) == (b"", 9)


def test_large_lines_come_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_spool, "_READ_BYTES", 10)
    spool = LineSpool(tmp_path / "lines")
    for size in (4, 4, 50, 1):
        spool.append(b"x" * size)
    assert [spool.read(start)[1] for start in range(4)] == [2, 2, 3, 4]
    assert len(spool.read(2)[0]) == 51


def test_what_a_full_disk_left_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    spool = LineSpool(path)
    spool.append(b"one")
    with path.open("ab") as file:
        file.write(b"half a li")
    spool.append(b"two")
    assert path.read_bytes() == b"one\ntwo\n"
    assert spool.read(1) == (b"two\n", 2)


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    spool = LineSpool(tmp_path / "lines")
    spool.append(b"one")
    (tmp_path / "lines").unlink()
    with pytest.raises(FileNotFoundError):
        spool.read(0)
    with pytest.raises(FileNotFoundError):
        LineSpool(tmp_path / "none" / "lines").append(b"one")


def test_a_line_is_in_the_file_before_readers_see_its_end(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    sizes = []

    class Watching(array):  # type: ignore[type-arg]
        def append(self, end: int) -> None:
            sizes.append((end, path.stat().st_size))
            super().append(end)

    spool = LineSpool(path)
    spool._ends = Watching("Q", [0])
    spool.append(b"one")
    spool.append(b"two")
    assert sizes == [(4, 4), (8, 8)]


def test_many_writers_and_a_reader(tmp_path: Path) -> None:
    spool = LineSpool(tmp_path / "lines")

    def write(name: str) -> None:
        for number in range(50):
            spool.append(f"{name}{number}".encode())

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    at, seen = 0, b""
    while at < 200:
        data, at = spool.read(at)
        seen += data
    for thread in threads:
        thread.join()
    lines = seen.decode().split()
    assert sorted(lines) == sorted(f"{name}{number}" for name in "abcd" for number in range(50))
    assert [line for line in lines if line.startswith("a")] == [f"a{n}" for n in range(50)]
