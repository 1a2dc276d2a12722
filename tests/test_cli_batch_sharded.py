from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas
import psutil
import pytest

from emotion.core.paths import PROJECT_DIR

Wav = Callable[..., Path]
Batch = Callable[..., int]


@pytest.fixture
def listing(wav: Wav, tmp_path: Path) -> Path:
    """Five recordings with a column, the fourth one broken."""
    (tmp_path / "broken.wav").write_text("x")
    names = [wav(1.0 + 0.1 * k, f"{k}.wav").name for k in range(4)]
    names.insert(3, "broken.wav")
    table = tmp_path / "list.csv"
    table.write_text("path,who\n" + "".join(f"{name},n{k}\n" for k, name in enumerate(names)))
    return table


def test_several_workers_make_the_table_that_one_makes(
    batch: Batch, listing: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, out = tmp_path / "one.parquet", tmp_path / "out"
    assert batch(listing, "--out", one) == 1
    capsys.readouterr()
    assert batch(listing, "--out", out, "--workers", 2, "--part-size", 2) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [str(out)]
    assert "4 recognised, 1 failed" in printed.err and "× real time" in printed.err
    alone, together = pandas.read_parquet(one), pandas.read_parquet(out)
    pandas.testing.assert_frame_equal(together, alone, rtol=1e-4)
    assert list(together["who"]) == [f"n{k}" for k in range(5)]
    assert not (tmp_path / "runs").exists()
    assert batch(listing, "--out", out, "--workers", 2) == 1
    assert "--resume to continue" in capsys.readouterr().err
    assert batch(listing, "--out", out, "--workers", 1, "--resume") == 0
    assert "is complete" in capsys.readouterr().err
    # The part with the failure once more, now that the recording is whole.
    (tmp_path / "broken.wav").write_bytes((tmp_path / "0.wav").read_bytes())
    again = ("--workers", 1, "--resume", "--retry-failed", "--part-size", 2)
    assert batch(listing, "--out", out, *again) == 1
    assert "not those that it began with" in capsys.readouterr().err


def test_other_formats(batch: Batch, listing: Path, tmp_path: Path) -> None:
    for kind in ("csv", "jsonl"):
        out = tmp_path / kind
        assert batch(listing, "--out", out, "--workers", 1, "--format", kind) == 1
        (part,) = out.glob("part-*")
        lines = part.read_text(encoding="utf-8-sig").splitlines()
        if kind == "csv":
            assert [row["who"] for row in csv.DictReader(lines)] == [f"n{k}" for k in range(5)]
        else:
            assert [json.loads(line)["columns"]["who"] for line in lines][3] == "n3"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--workers", "0", "--out", "o"), "workers is 0"),
        (("--workers", "2"), "Add one, say --out results\n"),
        (("--workers", "2", "--out", "r.csv"), "one folder with --workers"),
        (("--workers", "2", "--out", "o", "--out", "p"), "one folder with --workers"),
        (("--workers", "2", "--out", "o", "--embedding"), "keep no run folders"),
        (("--workers", "2", "--out", "o", "--worker-gpus", "1"), "used with --ray"),
        (("--workers", "2", "--out", "o", "--part-size", "0"), "part-size is 0"),
        (("--part-size", "9", "--out", "r.csv"), "given together with --workers"),
        (("--format", "csv", "--out", "r.csv"), "given together with --workers"),
        (("--ray", "127.0.0.1:9", "--out", "o"), "Ray cannot be used (127.0.0.1:9: "),
    ],
)
def test_wrong_options_are_told_and_nothing_is_written(
    batch: Batch,
    wav: Wav,
    options: tuple[str, ...],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip = wav()
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    assert batch(clip, *options) in (1, 2)
    assert words in capsys.readouterr().err
    assert sorted(tmp_path.iterdir()) == before


def test_where_ray_is_not_installed(
    batch: Batch, wav: Wav, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # as Python itself tells it
    assert batch(wav(), "--ray", "--out", "out") == 1
    assert "`pip install -r requirements-ray.txt` installs it" in capsys.readouterr().err
    assert not Path("out").exists()


def test_a_plan_is_told_without_a_folder(
    batch: Batch, listing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert batch(listing, "--workers", 2, "--dry-run") == 0
    assert "5 recordings" in capsys.readouterr().out


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_command_that_is_killed_does_nothing_twice(wav: Wav, tmp_path: Path) -> None:
    table, out = tmp_path / "list.csv", tmp_path / "out"
    wav(1.0, "a.wav")
    table.write_text("path,n\n" + "".join(f"a.wav,{n}\n" for n in range(240)))
    command = [
        sys.executable, "-m", "emotion", "batch", str(table), "--out", str(out), "--resume",
        "--model", "emotion2vec_mini", "--device", "cpu", "--workers", "2", "--part-size", "8",
    ]  # fmt: skip
    seen = 0
    for end in (signal.SIGKILL, signal.SIGTERM):
        process = subprocess.Popen(command, cwd=PROJECT_DIR, stderr=subprocess.DEVNULL)
        while len(list(out.glob("part-*"))) < seen + 3:
            assert process.poll() is None
            time.sleep(0.01)
        workers = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(end)
        process.wait()
        assert psutil.wait_procs(workers, 20)[1] == []  # they end without it
        before, seen = seen, len(list(out.glob("part-*")))
        assert before < seen < 30
    done = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=True)
    assert f"\n{240 - 8 * seen} recordings" in done.stderr
    assert list(pandas.read_parquet(out)["n"]) == [str(n) for n in range(240)]
    assert not list(out.glob(".*"))
