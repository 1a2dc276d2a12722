from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.reliability.server import OwnServer, differences, incomplete_runs, listed, listing


def test_what_was_made_changed_and_removed_is_seen(tmp_path: Path) -> None:
    for name in ("same", "longer", "gone", "left_out", ".git/x", "__pycache__/y", ".ruff_cache/z"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name, "utf-8")
    left_out = [tmp_path / "left_out", tmp_path / "folder"]
    before = listing(tmp_path, left_out=left_out)
    assert {Path(path).name for path in before} == {"same", "longer", "gone"}
    for name in ("longer", "left_out", ".git/x", "__pycache__/y", ".ruff_cache/z"):
        (tmp_path / name).write_text("changed now", "utf-8")
    (tmp_path / "gone").unlink()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "inside").touch()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "link").symlink_to("nowhere")
    assert differences(before, listing(tmp_path, left_out=left_out)) == [
        f"removed: {tmp_path}/gone",
        f"changed: {tmp_path}/longer",
        f"made: {tmp_path}/new/link",
    ]


def test_half_runs_are_seen(tmp_path: Path) -> None:
    for name, result, sound in (
        ("outputs_20260101_000000", {"emotion": "sad"}, 100),
        ("outputs_20260101_000001", {"emotion": "sad"}, 44),
        ("outputs_20260101_000002", {}, 100),
        (".partial-x", None, 0),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "processed_audio.wav").write_bytes(bytes(sound))
        if result is not None:
            (tmp_path / name / "result.json").write_text(json.dumps(result), "utf-8")
    (tmp_path / ".index").touch()
    (tmp_path / "stray.wav").touch()
    assert incomplete_runs(tmp_path) == [
        ".partial-x",
        "outputs_20260101_000001",
        "outputs_20260101_000002",
        "stray.wav",
    ]


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="--no-such-option"),
        OwnServer(tmp_path, options=["--no-such-option"]),
    ):
        pytest.fail("it started")


def test_a_model_that_cannot_be_loaded_ends_the_wait(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="no-such-model"),
        OwnServer(tmp_path, str(tmp_path / "no-such-model")),
    ):
        pytest.fail("it started")


def test_few_of_many() -> None:
    assert listed([]) == "" and listed(["a", "b"]) == "a, b"
    assert listed(list("abcdefg")) == "a, b, c, d, e and 2 more"
