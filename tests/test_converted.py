"""The mapped file of converted tensors: what is in it, what is refused, that all of it is read."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from emotion.checkpoint import load_checkpoint
from emotion.config import Precision
from emotion.converted import (
    CONVERTED,
    SOURCE,
    Converted,
    ask_for,
    open_converted,
    open_likely,
    write_converted,
)

STATE = {
    "a": torch.arange(6.0).reshape(2, 3),
    "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
    "brain": torch.tensor([[0.25]], dtype=torch.bfloat16),
    "scalar": torch.tensor(3.0),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / SOURCE).write_bytes(b"weights")
    write_converted(tmp_path, STATE, "fp32")
    return tmp_path


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the header and leaves the data."""
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])


@pytest.mark.skipif(sys.platform != "linux", reason="Linux's /proc")
def test_memory_given_back_is_read_again_from_the_file(tmp_path: Path) -> None:
    def mapped_kb() -> int:
        status = Path("/proc/self/status").read_text()  # Shmem where the file is on a tmpfs
        return sum(int(kb) for kb in re.findall(r"Rss(?:File|Shmem):\s+(\d+) kB", status))

    (tmp_path / SOURCE).write_bytes(b"weights")
    large = torch.arange(4_000_000.0)
    write_converted(tmp_path, {"before": STATE["a"], "large": large, "z": STATE["scalar"]}, "fp32")
    converted = open_converted(tmp_path, "fp32")
    assert converted is not None
    converted.read_ahead()
    tensors, held = converted.tensors(), mapped_kb()
    converted.release(tensors["large"])
    assert held - mapped_kb() > 15_000
    assert torch.equal(tensors["large"], large)
    assert torch.equal(tensors["z"], STATE["scalar"])
    other = large.clone()
    converted.release(other)
    assert torch.equal(other, large)


def test_what_was_written_is_read(folder: Path) -> None:
    converted = open_converted(folder, "fp32")
    assert converted is not None
    found, theirs = converted.tensors(), load_file(folder / CONVERTED)
    assert found.keys() == theirs.keys() == STATE.keys()
    for name, tensor in STATE.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor) and torch.equal(theirs[name], tensor)


def test_a_change_of_a_tensor_stays_in_this_process(folder: Path) -> None:
    before = (folder / CONVERTED).read_bytes()
    converted = open_converted(folder, "fp32")
    assert converted is not None
    converted.tensors()["a"].zero_()
    assert (folder / CONVERTED).read_bytes() == before


def test_a_matrix_keeps_its_layout(tmp_path: Path) -> None:
    by_columns = torch.arange(6.0).reshape(2, 3).t()
    write_converted(tmp_path, {"a": by_columns, "b": by_columns.contiguous()}, "bf16")
    converted = open_converted(tmp_path, "bf16")
    assert converted is not None and converted.precision == "bf16"
    found = converted.tensors()
    for name, stride in (("a", (1, 3)), ("b", (2, 1))):
        assert torch.equal(found[name], by_columns) and found[name].stride() == stride


def test_auto_is_what_a_load_has_kept(folder: Path) -> None:
    def likely(asked: Precision) -> str | None:
        converted = open_likely(folder, asked)
        return converted.precision if converted else None

    assert [likely(asked) for asked in ("auto", "fp32", "bf16")] == ["fp32", "fp32", "fp32"]
    write_converted(folder, STATE, "bf16")
    assert [likely(asked) for asked in ("auto", "fp32", "bf16")] == ["bf16", "fp32", "bf16"]


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux tells what is in memory")
def test_reading_ahead_brings_all_of_it_into_memory(tmp_path: Path) -> None:
    write_converted(tmp_path, {"large": torch.ones(3_000_000)}, "fp32")
    converted = open_converted(tmp_path, "fp32")
    assert converted is not None

    def resident_kb() -> int:
        text = Path("/proc/self/smaps").read_text(encoding="utf-8")
        found = re.search(rf"{re.escape(str(tmp_path / CONVERTED))}\n(?:.*\n)*?Rss: +(\d+)", text)
        assert found is not None
        return int(found[1])

    assert resident_kb() < 6_000
    converted.read_ahead()
    assert resident_kb() >= 12_000_000 // 1024


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="this system cannot be asked")
def test_the_system_is_asked_for_all_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, asked = tmp_path / SOURCE, []
    with path.open("wb") as file:
        file.truncate(20_000_001)

    def advise(handle: int, first: int, length: int, advice: int) -> None:
        assert advice == os.POSIX_FADV_WILLNEED and os.fstat(handle).st_size == 20_000_001
        asked.append((first, first + length))

    monkeypatch.setattr(os, "posix_fadvise", advise)
    ask_for(path)
    assert asked[0][0] == 0 and asked[-1][1] >= 20_000_001
    assert [end for _, end in asked[:-1]] == [first for first, _ in asked[1:]]
    ask_for(tmp_path / "missing")
    monkeypatch.delattr(os, "posix_fadvise")
    ask_for(path)


def test_it_is_opened_and_read_without_torch(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from emotion.converted import open_converted;"
        "open_converted(Path(sys.argv[1]), 'fp32').read_ahead(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, timeout=60)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header["a"].update(dtype="I64"),
        lambda header: header["a"].update(shape=[2, 4]),
        lambda header: header["a"].update(shape=[-2, -3]),
        lambda header: header["a"].update(shape=["two", 3]),
        lambda header: header["a"].update(data_offsets=[-24, 0]),
        lambda header: header["a"].update(data_offsets=[1000, 1024]),
        lambda header: header["a"].pop("data_offsets"),
        lambda header: header.update(a=5),
        lambda header: header.update(__metadata__=None),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], object], caplog: pytest.LogCaptureFixture
) -> None:
    rewrite(folder / CONVERTED, change)
    with caplog.at_level(logging.WARNING):
        assert open_converted(folder, "fp32") is None
    assert f"{CONVERTED} is unreadable" in caplog.text and "converting again" in caplog.text


@pytest.mark.parametrize("size", [0, 1, 8, 20, -1])
def test_a_file_that_is_cut_is_refused(folder: Path, size: int) -> None:
    path = folder / CONVERTED
    data = path.read_bytes()
    path.write_bytes(data[:size])
    assert open_converted(folder, "fp32") is None


@pytest.mark.parametrize("content", [b"[1, 2]", b"null", b"\xff\xfe", b"{"])
def test_a_header_that_is_no_table_is_refused(folder: Path, content: bytes) -> None:
    (folder / CONVERTED).write_bytes(len(content).to_bytes(8, "little") + content)
    assert open_converted(folder, "fp32") is None


def test_a_header_longer_than_the_file_is_refused(folder: Path) -> None:
    data = (folder / CONVERTED).read_bytes()
    (folder / CONVERTED).write_bytes(b"\xff" * 8 + data[8:])
    assert open_converted(folder, "fp32") is None


def test_other_weights_or_another_format_are_not_used(folder: Path) -> None:
    assert open_converted(folder, "fp32") is not None
    rewrite(folder / CONVERTED, lambda header: header["__metadata__"].update(format="other"))
    assert open_converted(folder, "fp32") is None
    write_converted(folder, STATE, "fp32")
    (folder / SOURCE).write_bytes(b"other weights")
    assert open_converted(folder, "fp32") is None
    (folder / SOURCE).unlink()
    assert open_converted(folder, "fp32") is not None


def test_a_checkpoint_takes_what_was_opened_before(tiny_checkpoint: Path) -> None:
    load_checkpoint(tiny_checkpoint)  # converts
    converted = Converted(tiny_checkpoint / CONVERTED, "fp32")
    model = load_checkpoint(tiny_checkpoint, converted=converted).model
    shared = converted.tensors()["head.bias"].data_ptr()
    assert model.head.bias.data_ptr() == shared
