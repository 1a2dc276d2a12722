from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import pytest

from tools.soak import Report, Tally, _checks, main, show


def report_of(tally: Tally, memory_mb: dict[int, float]) -> Report:
    return Report(0, sum(tally.statuses.values()), 4, tally, 2.0, memory_mb)


def failed(report: Report, outputs: Path) -> list[str]:
    return [check.name for check in _checks(report, outputs) if not check.ok]


@pytest.mark.slow
def test_twenty_requests_against_a_real_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "report.json"
    # Memory settles within the first requests, of which there are few here.
    options = ["--requests", "20", "--clients", "6", "--broken", "0.3", "--settle", "0"]
    main([*options, "--json", str(file)])
    assert "20 requests from 6 clients" in capsys.readouterr().out
    data = json.loads(file.read_text("utf-8"))
    wrong = [check for check in data["checks"] if not check["ok"]]
    assert [check for check in wrong if not check["name"].startswith("memory")] == []
    assert len(data["checks"]) == 12 and data["tally"]["compared"] > 5
    assert sum(data["tally"]["broken"].values()) > 1


def test_all_is_well(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "result.json").touch()
    tally = Tally(Counter({200: 5, 415: 1, 503: 1, 504: 1}), off=1e-6, runs=["run"])
    assert failed(report_of(tally, {2: 400.0, 8: 419.0}), tmp_path) == []


@pytest.mark.parametrize(
    ("tally", "memory_mb", "name"),
    [
        (Tally(Counter({200: 1, 0: 1})), {1: 1.0}, "every request is answered"),
        (Tally(Counter({500: 1})), {1: 1.0}, "no 5xx but 503 and 504 by design"),
        (Tally(Counter({502: 1, 503: 1})), {1: 1.0}, "no 5xx but 503 and 504 by design"),
        (Tally(wrong=["x"]), {1: 1.0}, "answers are as they should be"),
        (Tally(off=1e-3), {1: 1.0}, "results are those of single requests"),
        (Tally(off=math.inf), {1: 1.0}, "results are those of single requests"),
        (Tally(embedding_off=1e-2), {1: 1.0}, "results are those of single requests"),
        (Tally(), {2: 400.0, 8: 421.0}, "memory within 5% of that after 2"),
        (Tally(runs=["none"]), {1: 1.0}, "every run that was named is there"),
    ],
)
def test_what_fails_is_said(
    tally: Tally, memory_mb: dict[int, float], name: str, tmp_path: Path
) -> None:
    assert failed(report_of(tally, memory_mb), tmp_path) == [name]


def test_a_run_that_two_answers_name_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "result.json").touch()
    report = report_of(Tally(runs=["run", "run"]), {1: 1.0})
    assert failed(report, tmp_path) == ["every run that was named is there"]


def test_the_figures_are_shown() -> None:
    tally = Tally(
        Counter({200: 4}), Counter({"no audio": 1}), 7, [1.0, 2.0, 3.0, 4.0], [2.0] * 4, 12.0
    )
    text = "\n".join(show(report_of(tally, {2: 400.0, 4: 410.0})))
    assert "200: 4; busy (429) and tried again: 7" in text
    assert "2.0 recognitions a second, 6 s of audio a second" in text
    assert "| the last try | 2.50 | 3.85 | 3.97 | 4.00 |" in text
    assert "broken on purpose: 1 (no audio: 1)" in text and "2: 400, 4: 410" in text
