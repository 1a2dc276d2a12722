from __future__ import annotations

import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from emotion.core.labels import LABELS
from tests.api import until
from tools.fuzz_inputs import PROBLEM, Canary, Case, Outcome, Report, judge, main, make_case, show
from tools.reliability.mutations import Expected, Mutated, Targets
from tools.reliability.recordings import Recordings, choose
from tools.reliability.sending import Answer, Sent
from tools.reliability.server import Check

SCORES = dict.fromkeys(LABELS, 1 / len(LABELS))
RESULT = Answer(200, {"scores": SCORES}, "", "application/json")
REFUSAL = Answer(415, {"code": "audio_undecodable"}, "", PROBLEM)


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    made = Canary(tmp_path / "named", choose(None, 1, 0)[0])
    yield made
    made.close()


def case(expected: Expected = "either") -> Case:
    return Case(3, Mutated("kind", "what", "a.wav", b"", expected), "raw", Sent())


@pytest.mark.slow
def test_ten_cases_against_a_real_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    assert main(["--count", "10", "--seed", "3", "--json", str(report)]) == 0
    printed = capsys.readouterr().out
    assert "| all | 10 |" in printed and "10 cases, 0 failed" in printed
    assert "FAILED" not in printed
    data = json.loads(report.read_text("utf-8"))
    assert data["ok"] and [one["number"] for one in data["outcomes"]] == list(range(10))
    assert len(data["checks"]) == 10


def test_a_case_is_the_same_again() -> None:
    targets = Targets(("/etc/passwd",), "http://127.0.0.1:9")
    clips = choose(None, 2, 0)
    first, again = Recordings(clips), Recordings(clips)
    for number in (5, 11, 42):
        assert make_case(number, 0, first, targets) == make_case(number, 0, again, targets)
        assert make_case(number, 0, first, targets) != make_case(number, 1, first, targets)


@pytest.mark.parametrize(
    ("expected", "answer", "wrong"),
    [
        ("either", RESULT, ""),
        ("either", REFUSAL, ""),
        ("result", RESULT, ""),
        ("refusal", REFUSAL, ""),
        ("refusal", RESULT, "it was recognised"),
        ("result", REFUSAL, "it was refused"),
        ("either", Answer(500, {"code": "internal_error"}, "oh"), "status 500: oh"),
        ("either", Answer(504, {"code": "request_timeout"}, ""), "status 504"),
        ("either", Answer(0, None, "ReadTimeout"), "no answer: ReadTimeout"),
        ("either", Answer(400, None, "<html>", "text/html"), "no problem: <html>"),
        ("either", Answer(200, {"scores": {"happy": 1.0}}, ""), "the result is not whole"),
        ("either", Answer(200, {"scores": {**SCORES, "sad": 1.0}}, ""), "the result is not whole"),
    ],
)
def test_which_answers_are_wrong(
    expected: Expected, answer: Answer, wrong: str, canary: Canary
) -> None:
    outcome = judge(case(expected), answer, canary)
    assert outcome.wrong.startswith(wrong) and bool(outcome.wrong) == bool(wrong)
    assert (outcome.number, outcome.status) == (3, answer.status)


def test_what_named_files_hold_is_not_told(canary: Canary) -> None:
    passwd = Path("/etc/passwd").read_text("utf-8").splitlines()[0]
    for text in (f"it says {canary.secret}", f"x{passwd}"):
        answer = Answer(415, {"code": "x"}, text, PROBLEM)
        assert "named file" in judge(case(), answer, canary).wrong


def test_who_reads_and_who_calls_is_seen(canary: Canary) -> None:
    assert canary.read() == [] and canary.visits == 0
    _, text, _ = canary.targets.files
    Path(text).read_text("utf-8")
    assert canary.read() == ["secret.txt"]
    url = urlsplit(canary.targets.address)
    socket.create_connection((url.hostname, url.port)).close()
    until(lambda: canary.visits == 1)


def test_failures_are_shown_with_how_to_make_them_again() -> None:
    report = Report(7)
    report.outcomes = [
        Outcome(0, "intact", "a.wav", "raw", 200, "", 0.5),
        Outcome(9, "playlist", "HLS", "json", 500, "internal_error", 1.25, "status 500"),
    ]
    report.checks = [Check("alive", True, "very"), Check("clean", False, "x.wav")]
    report.missing = ["amr"]
    lines = list(show(report, "python -m tools.fuzz_inputs --seed 7"))
    assert lines[0] == "| kind | cases | 200 | 500 | slowest |"
    assert "| playlist | 1 |  | 1 | 1.2 s |" in lines
    assert "FAILED 9 [playlist, json] HLS" in lines
    assert "       again: python -m tools.fuzz_inputs --seed 7 --only 9" in lines
    assert "ok     alive" in lines and "FAILED clean: x.wav" in lines
    assert not report.ok and "amr" in lines[-2]


@pytest.mark.slow
def test_one_case_alone_with_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "4", "--save", str(tmp_path)]) == 0
    assert '"number": 4' in capsys.readouterr().out
    targets = Targets(("/etc/passwd",), "http://127.0.0.1:9")
    again = make_case(4, 0, Recordings(choose(None, 8, 0)), targets)
    assert (tmp_path / "case-4").read_bytes() == again.file.data
