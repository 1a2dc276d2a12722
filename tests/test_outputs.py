from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from emotion.errors import OutputError
from emotion.outputs import RunFolder, _alive

NOW = datetime(2026, 1, 2, 3, 4, 5)


def test_a_run_appears_complete_under_its_final_name(tmp_path: Path) -> None:
    with RunFolder(tmp_path, NOW) as run:
        run.write_json({"emotion": "happy", "zh": "快乐"})
        run.write_array("embedding.npy", np.zeros(3, np.float32))
        assert not list(tmp_path.glob("outputs_*"))
        final = run.commit()
    assert final == tmp_path / "outputs_20260102_030405"
    assert json.loads((final / "result.json").read_text("utf-8"))["zh"] == "快乐"
    assert np.load(final / "embedding.npy").shape == (3,)
    assert os.listdir(tmp_path) == [final.name]


def test_runs_of_one_second_never_share_a_folder(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)
    finals: list[Path] = []

    def work(number: int) -> None:
        with RunFolder(tmp_path, NOW) as run:
            run.write_json({"number": number})
            barrier.wait()
            finals.append(run.commit())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = ["outputs_20260102_030405"] + [
        f"outputs_20260102_030405_{i:03d}" for i in range(1, 8)
    ]
    assert sorted(path.name for path in finals) == expected
    numbers = {json.loads((path / "result.json").read_text())["number"] for path in finals}
    assert numbers == set(range(8))


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with RunFolder(tmp_path, NOW) as run:
            run.write_json({})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert os.listdir(tmp_path) == []


def test_a_kill_leaves_no_run_and_the_next_run_cleans_up(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib; from emotion.outputs import RunFolder\n"
        "run = RunFolder(pathlib.Path(sys.argv[1])); run.write_json({}); os.kill(os.getpid(), 9)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -9
    assert not list(tmp_path.glob("outputs_*"))
    assert len(list(tmp_path.glob(".partial-*"))) == 1
    with RunFolder(tmp_path, NOW) as run:
        run.write_json({})
        run.commit()
    assert os.listdir(tmp_path) == ["outputs_20260102_030405"]


def test_a_folder_with_an_odd_name_does_no_harm(tmp_path: Path) -> None:
    node = re.sub(r"\W", "", platform.node())
    (tmp_path / f".partial-{node}-{10**30}-x").mkdir()
    with RunFolder(tmp_path, NOW) as run:
        run.write_json({})
        run.commit()
    assert os.listdir(tmp_path) == ["outputs_20260102_030405"]


def test_runs_of_another_host_are_not_swept_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RunFolder(tmp_path, NOW) as here:
        monkeypatch.setattr("emotion.outputs.platform.node", lambda: "other")
        monkeypatch.setattr("emotion.outputs._alive", lambda pid: False)
        with RunFolder(tmp_path, NOW):
            assert here.path.is_dir()


def test_a_running_neighbour_is_not_swept_away(tmp_path: Path) -> None:
    with RunFolder(tmp_path, NOW) as first:
        first.write_json({})
        with RunFolder(tmp_path, NOW) as second:
            second.write_json({})
            second.commit()
        assert first.commit().name == "outputs_20260102_030405_001"


def test_who_is_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        pass
    assert _alive(os.getpid()) and _alive(1)
    assert not _alive(ended.pid)
    assert not _alive(10**30)


def test_errors_of_the_disk_are_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        RunFolder(blocked / "outputs")
    with pytest.raises(OutputError, match="No space left"), RunFolder(tmp_path, NOW):
        raise OSError(28, "No space left on device")


def test_nan_never_reaches_the_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"), RunFolder(tmp_path, NOW) as run:
        run.write_json({"confidence": float("nan")})
