"""What the process uses of the machine."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple
from pathlib import Path

import psutil
import pytest

from emotion.api.vitals import Vitals, cpu_s, usable_cores

Usage = namedtuple("Usage", "total used free")


def test_a_process_has_memory_time_and_files(tmp_path: Path) -> None:
    with (tmp_path / "open").open("w"):
        vitals = Vitals.read(tmp_path)
    assert 10_000_000 < vitals.resident_bytes < vitals.machine_bytes
    assert 0 < vitals.machine_free_bytes <= vitals.machine_bytes
    assert 0 < vitals.cpu_s <= cpu_s(psutil.Process())
    assert 0 <= vitals.disk_free_bytes <= vitals.disk_bytes
    assert vitals.open_files is not None and vitals.open_files >= 3


def test_one_more_open_file_is_one_more(tmp_path: Path) -> None:
    before = Vitals.read(tmp_path).open_files
    with (tmp_path / "open").open("w"):
        during = Vitals.read(tmp_path).open_files
    assert before is not None and during == before + 1


def test_where_the_system_does_not_tell_open_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(psutil.Process, "num_fds")
    assert Vitals.read(tmp_path).open_files is None


def test_the_disk_of_a_folder_that_is_not_there_yet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def usage(place: Path) -> Usage:
        asked.append(place)
        if not place.exists():
            raise FileNotFoundError(place)
        return Usage(1000, 600, 400)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    vitals = Vitals.read(tmp_path / "runs" / "later")
    assert (vitals.disk_bytes, vitals.disk_free_bytes) == (1000, 400)
    assert asked[-1] == tmp_path


def test_a_disk_that_cannot_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(place: Path) -> Usage:
        raise PermissionError(place)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    vitals = Vitals.read(tmp_path)
    assert (vitals.disk_bytes, vitals.disk_free_bytes) == (0, 0)


def test_cores_are_those_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 7}, raising=False)
    assert usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    assert usable_cores() == 16
