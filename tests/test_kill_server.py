"""The tool that kills working servers: what it looks at, and a round of each kind."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emotion.audio import write_wav
from emotion.storage.run_store import AUDIO_FILE, RESULT_FILE, RunStore
from tests.conftest import tone
from tools import kill_server
from tools.kill_server import MARK, Round, half_runs, hidden_runs, main, offspring, until


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A whole run."""
    with RunStore(tmp_path).create() as writer:
        write_wav(writer.path / AUDIO_FILE, tone(1.0))
        writer.write_json({"audio": {"duration_s": 1.0}})
        return writer.commit()


def test_a_whole_run_is_not_half(run: Path) -> None:
    assert half_runs(run.parent) == [] and hidden_runs(run.parent) == []


@pytest.mark.parametrize("name", [RESULT_FILE, AUDIO_FILE])
@pytest.mark.parametrize("keep", [0, 40, 60])
def test_a_file_that_is_cut_makes_it_half(run: Path, name: str, keep: int) -> None:
    file = run / name
    whole = file.read_bytes()
    file.write_bytes(whole[:keep] if len(whole) > keep else whole[:-3])
    assert half_runs(run.parent) == [run.name]
    file.unlink()
    assert half_runs(run.parent) == [run.name]


def test_audio_of_another_length_makes_it_half(run: Path) -> None:
    write_wav(run / AUDIO_FILE, tone(0.5))
    assert half_runs(run.parent) == [run.name]


def test_runs_in_the_making_are_seen(tmp_path: Path) -> None:
    with RunStore(tmp_path).create() as writer:
        assert hidden_runs(tmp_path) == [writer.path.name]
    assert hidden_runs(tmp_path) == []


def test_what_a_server_started_is_known_by_its_environment(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "input()"]
    env = {**os.environ, MARK: str(tmp_path)}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE) as process:
        assert until(lambda: offspring(tmp_path) == [sys.executable], 20)
        assert offspring(tmp_path / "other") == []
        process.kill()
    assert offspring(tmp_path) == []


def test_waiting_ends() -> None:
    assert until(lambda: True, 0) and not until(lambda: False, 0.01)


@pytest.mark.slow
def test_the_recordings_are_of_several_codings(tmp_path: Path) -> None:
    files = kill_server.recordings(tmp_path)
    assert {file.suffix for file in files} == {".ogg", ".mp3", ".flac", ".wav"}
    assert files[-1].read_bytes()[:4] == b"RIFF" and all(file.stat().st_size for file in files)


@pytest.mark.parametrize(("faults", "code"), [([], 0), (["half runs: x"], 1)])
def test_the_summary(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    faults: list[str],
    code: int,
) -> None:
    asked: list[object] = []

    def play(*args: object) -> Round:
        asked.append(args[3])
        seen = Round(random.Random(0).random(), faults=list(faults))
        seen.statuses[200] += 2
        return seen

    monkeypatch.setattr(kill_server, "play", play)
    monkeypatch.setattr(kill_server, "recordings", lambda folder: [])
    assert main(["--times", "3", "--signal", "TERM"]) == code
    assert asked == [signal.SIGTERM] * 3
    out = capsys.readouterr().out
    assert f"3 of 3 rounds with SIGTERM, {3 * code} with faults" in out
    assert "answers by status: {200: 6}" in out
    assert ("fine" in out) is (code == 0) and ("half runs: x" in out) is (code == 1)


def test_time_that_is_up_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kill_server, "recordings", lambda folder: [])
    assert main(["--times", "3", "--limit-s", "0"]) == 1
    assert "0 of 3 rounds" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("name", ["KILL", "TERM"])
def test_two_rounds(name: str) -> None:
    assert main(["--times", "2", "--signal", name]) == 0
