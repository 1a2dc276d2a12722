from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion.core.paths import PROJECT_DIR
from emotion.corpus.journal import Journal, journal_of

Wav = Callable[..., Path]
Batch = Callable[..., int]


@pytest.fixture
def folder(wav: Wav, tmp_path: Path) -> Path:
    """Four recordings, one of them broken, and a file that is none."""
    made = tmp_path / "in"
    (made / "sub").mkdir(parents=True)
    for name in ("b10.wav", "b2.wav", "sub/a.wav"):
        wav(1.0, "clip.wav").rename(made / name)
    (made / "broken.wav").write_text("x")
    (made / "notes.txt").write_text("x")
    return made


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_to_all_formats(
    batch: Batch, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outs = [tmp_path / "out" / f"results.{kind}" for kind in ("csv", "jsonl", "parquet")]
    assert batch(folder, *(part for out in outs for part in ("--out", out))) == 1
    rows = _rows(outs[0])
    assert [(row["file"], row["status"]) for row in rows] == [
        ("b2.wav", "done"),
        ("b10.wav", "done"),
        ("broken.wav", "failed"),
        ("sub/a.wav", "done"),
    ]
    assert "broken.wav: cannot be read as audio" in rows[2]["error"]
    lines = [json.loads(line) for line in outs[1].read_text(encoding="utf-8").splitlines()]
    assert [line["file"] for line in lines] == [row["file"] for row in rows]
    assert sorted(path.name for path in outs[0].parent.iterdir()) == sorted(o.name for o in outs)
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [str(out) for out in outs]
    assert "3 recognised, 1 failed" in printed.err
    assert "1 file left out" in printed.err and "notes.txt" in printed.err
    assert "network busy" in printed.err
    assert not (tmp_path / "runs").exists()


def test_all_is_well_is_exit_code_0(batch: Batch, wav: Wav, tmp_path: Path) -> None:
    assert batch(wav(), "--out", tmp_path / "r.csv") == 0


def test_columns_of_a_table_pass_through(batch: Batch, folder: Path, tmp_path: Path) -> None:
    table = folder / "list.csv"
    table.write_text("path,speaker,emotion\nsub/a.wav,Ann,sad\ngone.wav,Bob,happy\n")
    assert batch(table, "--out", tmp_path / "r.csv") == 1
    found, gone = _rows(tmp_path / "r.csv")
    assert (found["speaker"], found["input_emotion"], found["status"]) == ("Ann", "sad", "done")
    assert (gone["speaker"], gone["input_emotion"], gone["status"]) == ("Bob", "happy", "failed")
    assert "gone.wav: cannot be opened" in gone["error"]


def test_options_of_one_recording_count(batch: Batch, wav: Wav, tmp_path: Path) -> None:
    out = tmp_path / "r.jsonl"
    options = ("--granularity", "segment", "--labels", "angry,sad", "--export", "srt,segments")
    assert batch(wav(2.0), "--out", out, "--out", tmp_path / "r.zip", *options) == 0
    line = json.loads(out.read_text(encoding="utf-8"))
    assert line["result"]["granularity"] == "segment"
    assert line["result"]["labels"] == ["angry", "sad"]
    run = tmp_path / "runs" / line["run_id"]
    assert (run / "emotions.srt").is_file() and (run / "segments.csv").is_file()
    with zipfile.ZipFile(tmp_path / "r.zip") as bundle:
        names = {Path(name).name for name in bundle.namelist()}
    assert {"results.csv", "results.parquet", "emotions.srt", "processed_audio.wav"} <= names


def test_a_batch_that_was_interrupted_is_continued(
    batch: Batch,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out" / "r.csv"
    add = Journal.add
    added: list[int] = []

    def interrupted(self: Journal, index: int, record: object) -> None:
        add(self, index, record)  # type: ignore[arg-type]
        added.append(index)
        if len(added) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Journal, "add", interrupted)
    assert batch(folder, "--out", out, "--at-once", 1) == 130
    assert "2 of 4 done; continue with --resume" in capsys.readouterr().err
    assert not out.exists() and journal_of(out).is_file()
    assert batch(folder, "--out", out) == 1  # would lose what is done
    assert "--resume to continue" in capsys.readouterr().err
    assert batch(folder, "--out", out, "--resume", "--granularity", "frame") == 1
    assert "granularity 'utterance', now it is 'frame'" in capsys.readouterr().err
    assert batch(folder, "--out", out, "--resume") == 1
    assert sorted(added) == [0, 1, 2, 3]  # each once
    assert [row["file"] for row in _rows(out)] == ["b2.wav", "b10.wav", "broken.wav", "sub/a.wav"]
    assert [path.name for path in out.parent.iterdir()] == ["r.csv"]
    assert batch(folder, "--out", out, "--resume") == 0
    assert "is complete" in capsys.readouterr().err


@pytest.mark.slow
def test_a_batch_that_is_killed_does_nothing_twice(wav: Wav, tmp_path: Path) -> None:
    table, out = tmp_path / "list.csv", tmp_path / "r.csv"
    wav(1.0, "a.wav")
    table.write_text("path,n\n" + "".join(f"a.wav,{n}\n" for n in range(300)))
    command = [
        sys.executable, "-m", "emotion", "batch", str(table), "--out", str(out), "--resume",
        "--model", "emotion2vec_mini", "--device", "cpu",
    ]  # fmt: skip
    journal, seen = journal_of(out), 0
    for _ in range(3):
        process = subprocess.Popen(command, cwd=PROJECT_DIR, stderr=subprocess.DEVNULL)
        while not journal.exists() or journal.read_bytes().count(b"\n") < seen + 30:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before, seen = seen, journal.read_bytes().count(b"\n")
        assert before < seen < 301
    done = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=True)
    assert f"\n{301 - seen} recordings" in done.stderr  # the journal's first line is its header
    assert [row["n"] for row in _rows(out)] == [str(n) for n in range(300)]
    assert not journal.exists()


def test_overwriting_begins_anew(batch: Batch, wav: Wav, tmp_path: Path) -> None:
    out = tmp_path / "r.csv"
    out.write_text("old")
    assert batch(wav(), "--out", out) == 1
    assert out.read_text() == "old"
    assert batch(wav(), "--out", out, "--overwrite") == 0
    assert len(_rows(out)) == 1


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    batch: Batch, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = folder / "list.csv"
    table.write_text("path,speaker\nsub/a.wav,Ann\ngone.wav,Bob\n")
    assert batch("--dry-run", folder) == 0
    printed = capsys.readouterr().out
    assert "4 recordings" in printed and "sub/a.wav" in printed
    assert "2 left out" in printed and "list.csv, notes.txt" in printed
    assert batch("--dry-run", table) == 0
    printed = capsys.readouterr().out
    assert "your columns: speaker" in printed and "1 not there: gone.wav" in printed
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), "say --out results.csv"),
        (("--out", "results.xlsx"), "results.xlsx"),
        (("--out", "r.csv", "--at-once", "0"), "at-once is 0"),
        (("--out", "r.csv", "--labels", "joy"), "joy"),
        (("--out", "r.csv", "--ffmpeg", "/no/such"), "an FFmpeg program"),
    ],
)
def test_wrong_options_are_told_before_anything_is_done(
    batch: Batch,
    wav: Wav,
    options: tuple[str, ...],
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert batch(wav(), *options) == 2
    assert words in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["clip.wav"]


def test_nothing_to_recognise(
    batch: Batch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    assert batch(tmp_path / "in", "--out", tmp_path / "r.csv") == 2
    assert "there are no recordings in" in capsys.readouterr().err
