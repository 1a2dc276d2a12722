"""The cache of converted tensors: what is in it, where it lies, what is refused."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import platformdirs
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from emotion.models import checkpoint
from emotion.models.checkpoint import load_checkpoint
from emotion.models.converted import (
    cache_path,
    converted_path,
    fingerprint,
    open_converted,
    write_converted,
)

STATE = {
    "a": torch.arange(6.0).reshape(2, 3),
    "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
    "brain": torch.tensor([[0.25]], dtype=torch.bfloat16),
    "scalar": torch.tensor(3.0),
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache folder of the test's own."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: folder / name)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "model.pt").write_bytes(b"weights")
    write_converted(made, STATE, "fp32", fingerprint(made))
    return made


def test_what_was_written_is_read(folder: Path, cache: Path) -> None:
    found = open_converted(folder, "fp32")
    assert found is not None and found.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor)
    assert open_converted(folder, "bf16") is None
    assert sorted(os.listdir(folder)) == ["emotion-fp32.safetensors", "model.pt"]
    assert not cache.exists()


def test_a_matrix_keeps_its_layout(folder: Path) -> None:
    by_columns = torch.arange(6.0).reshape(2, 3).t()
    tensors = {"a": by_columns, "b": by_columns.contiguous()}
    write_converted(folder, tensors, "bf16", fingerprint(folder))
    found = open_converted(folder, "bf16")
    assert found is not None
    for name, stride in (("a", (1, 3)), ("b", (2, 1))):
        assert torch.equal(found[name], by_columns) and found[name].stride() == stride


def test_a_change_of_a_tensor_stays_in_this_process(folder: Path) -> None:
    before = converted_path(folder, "fp32").read_bytes()
    found = open_converted(folder, "fp32")
    assert found is not None
    found["a"].zero_()
    assert converted_path(folder, "fp32").read_bytes() == before


def test_files_that_are_not_ours_are_left_alone(tiny_checkpoint: Path, tmp_path: Path) -> None:
    folder = tmp_path / "with_a_foreign_file"
    shutil.copytree(tiny_checkpoint, folder, ignore=shutil.ignore_patterns("emotion-*"))
    foreign = folder / "model.safetensors"
    save_file({"theirs": torch.ones(2)}, foreign)
    for precision in ("fp32", "bf16"):
        load_checkpoint(folder, precision)
        assert converted_path(folder, precision).is_file()
    assert list(load_file(foreign)) == ["theirs"]


@pytest.mark.skipif(os.name == "nt", reason="a read-only folder on Windows takes files")
def test_a_read_only_folder_is_cached_elsewhere(
    tiny_checkpoint: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "read_only"
    shutil.copytree(tiny_checkpoint, folder, ignore=shutil.ignore_patterns("emotion-*"))
    refuse_writes_to(folder, monkeypatch)
    expected = load_checkpoint(tiny_checkpoint).model.state_dict()
    load_checkpoint(folder)
    assert not list(folder.glob("*emotion-*"))
    path = cache_path(folder, "fp32")
    assert path.is_file() and cache in path.parents
    (folder / "model.pt").write_bytes((folder / "model.pt").read_bytes())
    found = load_checkpoint(folder).model.state_dict()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    twin = tmp_path / "other" / "read_only"
    shutil.copytree(folder, twin)
    assert cache_path(twin, "fp32") != path


def test_where_nothing_can_be_cached_the_load_succeeds(
    tiny_checkpoint: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_checkpoint, folder, ignore=shutil.ignore_patterns("emotion-*"))
    refuse_writes_to(tmp_path, monkeypatch)
    with caplog.at_level(logging.INFO):
        load_checkpoint(folder)
    assert "model is not cached for faster loading" in caplog.text
    assert not list(folder.glob("*emotion-*"))
    assert not list(cache.rglob("*.safetensors"))


def refuse_writes_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a read-only file system does; root may write anywhere else."""
    import tempfile

    make = tempfile.mkstemp

    def mkstemp(*, dir: Path, prefix: str, suffix: str) -> tuple[int, str]:
        if folder in (dir, *dir.parents):
            raise OSError(30, "Read-only file system")
        return make(dir=dir, prefix=prefix, suffix=suffix)

    monkeypatch.setattr("emotion.models.converted.tempfile.mkstemp", mkstemp)


def test_the_second_load_does_not_read_the_weights(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_checkpoint(tiny_checkpoint)

    def read(folder: Path) -> None:
        raise AssertionError(f"{folder} was read again")

    monkeypatch.setattr("emotion.models.checkpoint.read_weights", read)
    load_checkpoint(tiny_checkpoint)
    with safe_open(converted_path(tiny_checkpoint, "fp32"), "pt") as file:
        names = set(file.keys())
    assert not any("_ema" in name or "decoder" in name for name in names)


@pytest.mark.parametrize("size", [0, 1, 8, 20, -1])
def test_a_truncated_file_is_made_again(
    folder: Path, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    path = converted_path(folder, "fp32")
    path.write_bytes(path.read_bytes()[:size])
    assert open_converted(folder, "fp32") is None
    assert f"{path} is damaged" in caplog.text


@pytest.mark.parametrize("content", [b"[1, 2]", b"null", b"\xff\xfe", b"{"])
def test_a_header_that_is_not_one_is_refused(folder: Path, content: bytes) -> None:
    data = len(content).to_bytes(8, "little") + content
    converted_path(folder, "fp32").write_bytes(data)
    assert open_converted(folder, "fp32") is None


def test_other_weights_or_another_format_are_not_used(folder: Path) -> None:
    path = converted_path(folder, "fp32")
    data = path.read_bytes()
    assert open_converted(folder, "fp32") is not None
    assert b"emotion2vec-2" in data
    path.write_bytes(data.replace(b"emotion2vec-2", b"emotion2vec-1"))
    assert open_converted(folder, "fp32") is None
    path.write_bytes(data)
    (folder / "model.pt").write_bytes(b"other weights")
    assert open_converted(folder, "fp32") is None


def test_weights_that_change_while_they_are_read_are_not_taken_for_the_new_ones(
    tiny_checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "changing"
    shutil.copytree(tiny_checkpoint, folder, ignore=shutil.ignore_patterns("emotion-*"))
    read = checkpoint.read_weights

    def replaced_meanwhile(folder: Path) -> object:
        found = read(folder)
        os.utime(folder / "model.pt", (1, 1))
        return found

    monkeypatch.setattr(checkpoint, "read_weights", replaced_meanwhile)
    load_checkpoint(folder)
    assert converted_path(folder, "fp32").is_file()
    assert open_converted(folder, "fp32") is None


def test_what_a_killed_process_left_is_removed(folder: Path) -> None:
    abandoned, written = folder / ".emotion-a.tmp", folder / ".emotion-b.tmp"
    for path in (abandoned, written):
        path.write_bytes(b"half")
    os.utime(abandoned, (1, 1))
    write_converted(folder, STATE, "bf16", fingerprint(folder))
    assert not abandoned.exists() and written.exists()
