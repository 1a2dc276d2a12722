from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion.corpus.rows import Record
from emotion.corpus.tables import write_table
from tests.export_results import result
from tools.scaling_bench import Measured, command, main, steady_of


def test_the_command_of_each_plan(tmp_path: Path) -> None:
    one = command("one", "in", tmp_path, ["--model", "m"], 64)
    assert one[2:] == [
        "emotion",
        "batch",
        "in",
        "--model",
        "m",
        "--out",
        str(tmp_path / "table.parquet"),
    ]
    two = command("workers:2", "in", tmp_path, [], 8)
    assert two[-5:] == [str(tmp_path / "table"), "--part-size", "8", "--workers", "2"]
    cluster = command("ray:1", "in", tmp_path, [], 8)
    assert cluster[-3:] == ["--ray", "--worker-cpus", str(os.cpu_count())]
    for wrong in ("three", "workers:", "workers:0", "ray:x"):
        with pytest.raises(ValueError, match="is none of"):
            command(wrong, "in", tmp_path, [], 8)


def test_the_steady_pace_leaves_the_first_part_out(tmp_path: Path) -> None:
    assert steady_of(tmp_path) is None
    for k, rows in enumerate((5, 4, 2)):
        path = tmp_path / f"part-0000{k}.csv"
        write_table(path, [Record(str(n), result().to_dict()) for n in range(rows)])
        os.utime(path, ns=(0, (10 + 3 * k) * 10**9))
    assert steady_of(tmp_path) == pytest.approx(6 / 6)


def test_a_row_of_the_table() -> None:
    alone = Measured("one", 100, 270.0, 20.0, None)
    shared = Measured("workers:2", 100, 270.0, 10.0, 12.34)
    assert shared.row(alone) == "| workers:2 | 10.0 s | 10.0 | 12.3 | 27× | 2.00× |"


def test_plans_are_measured(
    wav: Callable[..., Path],
    tiny_checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    listing = tmp_path / "list.txt"
    listing.write_text("\n".join(str(wav(1.0, f"{k}.wav")) for k in range(4)))
    given = ["--input", str(listing), "--plans", "one,workers:1", "--part-size", "2"]
    monkeypatch.setattr(
        "sys.argv", ["scaling_bench", *given, "--option", f"--model {tiny_checkpoint} --device cpu"]
    )
    assert main() == 0
    out = capsys.readouterr().out
    assert "| one | " in out and "| workers:1 | " in out
    assert "4 recordings, 0 min of audio" in out
