"""What the system is asked to read while torch is being imported."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from emotion.weights import read_ahead

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system cannot")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    calls: list[tuple[str, int, int]] = []

    def advise(handle: int, start: int, length: int, advice: int) -> None:
        assert advice == os.POSIX_FADV_WILLNEED
        calls.append((Path(os.readlink(f"/proc/self/fd/{handle}")).name, start, start + length))

    monkeypatch.setattr(os, "posix_fadvise", advise)
    return calls


def sized(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def test_all_of_the_preferred_file_is_asked_for(
    asked: list[tuple[str, int, int]], tmp_path: Path
) -> None:
    sized(tmp_path / "model.pt", 30_000_000)
    read_ahead(tmp_path)
    assert {name for name, _, _ in asked} == {"model.pt"}
    sized(tmp_path / "model.safetensors", 20_000_001)
    asked.clear()
    read_ahead(tmp_path)
    assert {name for name, _, _ in asked} == {"model.safetensors"}
    assert asked[0][1] == 0
    assert [end for _, _, end in asked[:-1]] == [start for _, start, _ in asked[1:]]
    assert asked[-1][2] >= 20_000_001


def test_nothing_is_asked_where_there_is_nothing(
    asked: list[tuple[str, int, int]], tmp_path: Path
) -> None:
    read_ahead(tmp_path / "missing")
    (tmp_path / "model.pt").touch()
    read_ahead(tmp_path)
    assert not asked


def test_a_system_that_refuses_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(29, "Illegal seek")

    monkeypatch.setattr(os, "posix_fadvise", refuse)
    sized(tmp_path / "model.pt", 10)
    read_ahead(tmp_path)


def test_a_system_that_cannot_is_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delattr(os, "posix_fadvise")
    sized(tmp_path / "model.pt", 10)
    read_ahead(tmp_path)
