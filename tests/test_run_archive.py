"""Run folders as a ZIP file that is made while it is sent."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import pytest

from emotion.storage import zipping
from emotion.storage.run_archive import zipped


def run_folder(tmp_path: Path, name: str, **files: bytes) -> Path:
    folder = tmp_path / name
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return folder


def opened(blocks: list[bytes]) -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(b"".join(blocks)))


def test_each_run_has_a_folder_and_hidden_files_stay(tmp_path: Path) -> None:
    folders = [run_folder(tmp_path, name, a=name.encode()) for name in ("one", "two")]
    (folders[0] / ".owner").write_text("ann")
    with opened(list(zipped(folders))) as archive:
        assert archive.namelist() == ["one/a", "two/a"]
        assert archive.read("two/a") == b"two" and archive.testzip() is None


def test_large_files_come_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zipping, "_BLOCK_BYTES", 1000)
    content = bytes(range(256)) * 40
    blocks = list(zipped([run_folder(tmp_path, "one", a=content, b=b"")]))
    assert max(map(len, blocks)) < 1500 and len(blocks) > 10
    with opened(blocks) as archive:
        assert archive.read("one/a") == content and archive.read("one/b") == b""


def test_a_run_that_is_deleted_meanwhile_is_left_out(tmp_path: Path) -> None:
    folders = [run_folder(tmp_path, name, a=b"1", b=b"2") for name in ("one", "two", "three")]
    blocks = zipped(folders)
    first = next(blocks)
    shutil.rmtree(folders[0])
    shutil.rmtree(folders[1])
    with opened([first, *blocks]) as archive:
        assert archive.namelist() == ["one/a", "three/a", "three/b"]
        assert archive.testzip() is None


def test_a_client_that_goes_away(tmp_path: Path) -> None:
    blocks = zipped([run_folder(tmp_path, "one", a=b"1")])
    next(blocks)
    blocks.close()  # type: ignore[attr-defined]


def test_no_runs_are_an_empty_archive() -> None:
    with opened(list(zipped([]))) as archive:
        assert archive.namelist() == []
