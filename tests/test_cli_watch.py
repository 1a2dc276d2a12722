from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion.cli import main
from emotion.corpus.watch import Watch

Wav = Callable[..., Path]


@pytest.fixture
def watch(tiny_checkpoint: Path, tmp_path: Path) -> Callable[..., int]:
    def run(*arguments: object) -> int:
        options = ["--model", tiny_checkpoint, "--device", "cpu", "--output-dir", tmp_path / "runs"]
        return main(["watch", *map(str, options), *map(str, arguments)])

    return run


@pytest.fixture
def folder(tmp_path: Path, wav: Wav) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    wav(1.0, "a.wav").rename(made / "a.wav")
    (made / "broken.wav").write_text("x")
    return made


def test_it_recognises_until_it_is_interrupted(
    watch: Callable[..., int],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    look = Watch.look
    counts: list[int] = []

    def twice(self: Watch) -> int:
        if len(counts) == 2:
            raise KeyboardInterrupt
        counts.append(look(self))
        return counts[-1]

    monkeypatch.setattr(Watch, "look", twice)
    out = tmp_path / "r.csv"
    options = ("--every", 0, "--settle", 0, "--done", tmp_path / "done", "--embedding")
    assert watch(folder, "--out", out, *options) == 0
    assert counts == [2, 0]
    with out.open(encoding="utf-8-sig", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "a.wav": "done",
        "broken.wav": "failed",
    }
    assert (tmp_path / "runs" / rows["a.wav"]["run_id"] / "embedding.npy").is_file()
    assert (tmp_path / "done" / "a.wav").is_file() and (folder / "broken.wav").is_file()
    assert not out.with_name("r.csv.journal.lock").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--out", "r.parquet"), "r.parquet"),
        (("--out", "r.csv", "--every", "-1"), "every is -1"),
        (("--out", "r.csv", "--settle", "nan"), "settle is nan"),
        (("--out", "r.csv", "--granularity", "segment", "--segment-max", "1"), "segment"),
    ],
)
def test_wrong_options(
    watch: Callable[..., int],
    folder: Path,
    options: tuple[str, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert watch(folder, *options) == 2
    assert words in capsys.readouterr().err


def test_a_folder_that_is_not_there(
    watch: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watch(tmp_path / "gone", "--out", tmp_path / "r.csv") == 2
    assert "a folder that is there" in capsys.readouterr().err
