"""The log: one format for all lines, request ids, and no secrets."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from emotion.cli import main
from emotion.core import logs
from emotion.core.config import Config
from emotion.core.errors import ConfigError
from emotion.core.paths import PROJECT_DIR
from emotion.services.access import Entry, hash_key, new_key, write_entries
from emotion.services.recognitions import JobRequest, RecognitionService
from tests.api import api  # noqa: F401

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def record(message: str, *arguments: object, **options: Any) -> logging.LogRecord:
    made = logging.LogRecord("emotion.x", logging.WARNING, "x.py", 1, message, arguments, None)
    made.created = 1_700_000_000.5
    made.__dict__.update(options)
    return made


def failure() -> Any:
    """What ``exc_info`` is of an exception whose text has two lines."""
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        return sys.exc_info()


@pytest.fixture
def request_id() -> Iterator[str]:
    token = logs.request_id.set("r1")
    yield "r1"
    logs.request_id.reset(token)


@pytest.fixture
def own_log() -> Iterator[None]:
    """Puts the process's log back as it was."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:], root.level = before, level


def test_a_line_of_json() -> None:
    line = logs.JsonFormatter().format(record("%s: 愤怒\u2028\n%d", "a.wav", 3))
    assert line.isascii() and len(line.splitlines()) == 1
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.500Z",
        "level": "WARNING",
        "logger": "emotion.x",
        "message": "a.wav: 愤怒\u2028\n3",
    }


def test_an_exception_stays_on_its_line() -> None:
    line = logs.JsonFormatter().format(record("failed", exc_info=failure(), stack_info="a\nb"))
    assert "\n" not in line
    fields = json.loads(line)
    assert fields["exception"].startswith("Traceback")
    assert fields["exception"].endswith("ValueError: first\nsecond")
    assert fields["stack"] == "a\nb"


def test_an_error_level_without_an_exception_has_none() -> None:
    line = logs.JsonFormatter().format(record("failed", exc_info=(None, None, None)))
    assert set(json.loads(line)) == {"time", "level", "logger", "message"}


def test_the_request_is_named(request_id: str) -> None:
    assert json.loads(logs.JsonFormatter().format(record("m")))["request_id"] == request_id
    assert logs.TextFormatter().format(record("m")) == "WARNING emotion.x: m [r1]"
    first, *rest = logs.TextFormatter().format(record("m", exc_info=failure())).splitlines()
    assert first == "WARNING emotion.x: m [r1]" and rest[0].startswith("Traceback")


def test_text_without_a_request() -> None:
    assert logs.formatter("text").format(record("m %s", 1)) == "WARNING emotion.x: m 1"
    assert isinstance(logs.formatter("json"), logs.JsonFormatter)


def test_the_formats_of_the_configuration() -> None:
    assert Config().log_format == "text"
    assert Config.from_env({"EMOTION_LOG_FORMAT": "json"}).log_format == "json"
    with pytest.raises(ConfigError, match="xml"):
        Config.from_env({"EMOTION_LOG_FORMAT": "xml"})


@pytest.mark.usefixtures("own_log")
def test_errors_and_warnings_of_a_command_are_lines_too(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ["export", str(tmp_path / "none"), "--to", "srt"]
    assert main([*command, "--log-format", "json"]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = logging._showwarning  # type: ignore[attr-defined]
        warnings.warn("an old name", DeprecationWarning, stacklevel=1)
    error, warning = map(json.loads, capsys.readouterr().err.splitlines())
    assert (error["level"], error["logger"]) == ("ERROR", "emotion.cli.main")
    assert warning["logger"] == "py.warnings" and "an old name" in warning["message"]
    monkeypatch.setenv("EMOTION_LOG_FORMAT", "json")
    assert main(command) == 1
    assert json.loads(capsys.readouterr().err)["message"] == error["message"]
    assert main([*command, "--log-format", "text"]) == 1
    assert capsys.readouterr().err == f"error: {error['message']}\n"
    monkeypatch.setenv("EMOTION_LOG_FORMAT", "xml")
    assert main(command) == 2
    assert capsys.readouterr().err.startswith("error: log-format is 'xml'")


class Lines(logging.Handler):
    """Keeps the lines as JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, str]] = []
        self.setFormatter(logs.JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))

    def of(self, name: str) -> list[dict[str, str]]:
        return [line for line in self.lines if line["logger"] == name]


@pytest.fixture
def lines() -> Iterator[Lines]:
    handler, logger = Lines(), logging.getLogger("emotion")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_each_requests_lines_carry_its_id(
    api: TestClient,  # noqa: F811
    wav: Callable[..., Path],
    lines: Lines,
) -> None:
    sent = {f"r{number}": wav(1.0, f"clip{number}.wav") for number in range(4)}

    def ask(number: str, path: Path) -> None:
        body, headers = path.read_bytes(), {"X-Request-ID": number}
        url = f"/api/v1/recognize?filename={path.name}"
        assert api.post(url, content=body, headers=headers).status_code == 200

    threads = [threading.Thread(target=ask, args=pair) for pair in sent.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    heard = lines.of("emotion.services.recognitions")
    assert {line["message"].split(":")[0]: line["request_id"] for line in heard} == {
        path.name: number for number, path in sent.items()
    }
    asked = lines.of("emotion.api.request_ids")
    assert sorted(line["request_id"] for line in asked) == sorted(sent)


def test_a_job_without_a_request_does_not_get_the_one_before(
    service: RecognitionService, wav: Callable[..., Path], lines: Lines, request_id: str
) -> None:
    service.jobs.submit(JobRequest(wav(1.0, "a.wav"))).result(30)
    logs.request_id.set(None)
    for _ in range(4):  # each worker once, at least
        service.jobs.submit(JobRequest(wav(1.0, "b.wav"))).result(30)
    first, *rest = lines.of("emotion.services.recognitions")
    assert first["request_id"] == request_id
    assert len(rest) == 4 and not any("request_id" in line for line in rest)


def test_a_path_cannot_forge_a_line(api: TestClient, lines: Lines) -> None:  # noqa: F811
    api.get("/api/v1/a%0AERROR%20forged?b=%0Ac")
    (line,) = lines.of("emotion.api.request_ids")
    assert line["message"].startswith("GET /api/v1/a%0AERROR%20forged 404 in ")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    file, key = tmp_path_factory.mktemp("keys") / "keys.txt", new_key()
    write_entries(file, [Entry("team", hash_key(key))])
    return file, key


def read_until(process: subprocess.Popen[str], found: str, seen: list[str]) -> str:
    """Reads lines up to the one that holds a text; gives it."""
    assert process.stderr is not None
    for line in process.stderr:
        seen.append(line)
        if found in line:
            return line
    raise AssertionError("".join(seen))


def test_a_real_servers_log_is_json_and_has_no_secrets(
    keys: tuple[Path, str], tiny_checkpoint: Path, tmp_path: Path
) -> None:
    file, key = keys
    options = ["--model", str(tiny_checkpoint), "--device", "cpu", "--port", "0", "-v"]
    options += ["--output-dir", str(tmp_path / "o"), "--api-key-file", str(file)]
    command = [sys.executable, "-m", "emotion", "serve", "--log-format", "json", *options]
    seen: list[str] = []
    clip = next((PROJECT_DIR / "examples").glob("sad_*.ogg")).read_bytes()
    env = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=PROJECT_DIR, env=env
    ) as process:
        try:
            line = json.loads(read_until(process, "Running on", seen))
            headers = {"Authorization": f"Bearer {key}", "X-Request-ID": "r5"}
            with httpx.Client(base_url=line["message"].split()[-1], timeout=60) as client:
                read_until(process, " is ready (", seen)
                asked = client.post("/api/v1/recognize", content=clip, headers=headers)
                assert asked.status_code == 200
                client.get(f"/api/v1/runs?token=query-secret&key={key}", headers=headers)
                client.get("/api/v1/runs", headers={"Authorization": "Bearer wrong-secret"})
                client.get("/api/v1/runs", headers={"X-Api-Key": "other-secret"})
                client.get("/api/v1/runs", auth=("ann", "password-secret"))
                client.get("/api/v1/runs", headers={"Cookie": "session=cookie-secret"})
                client.post("/login", data={"name": "ann", "password": "form-secret"})
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            seen += process.stderr.read().splitlines()
    log = [json.loads(line) for line in seen]
    assert all(TIME.fullmatch(line["time"]) for line in log)
    text = "".join(seen)
    assert "secret" not in text and key not in text and "Bearer" not in text
    mine = {line["logger"] for line in log if line.get("request_id") == "r5"}
    assert {"emotion.services.recognitions", "emotion.api.request_ids"} <= mine
