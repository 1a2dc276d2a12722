"""Errors as problem+json: statuses, languages, hidden paths, unknown routes, request ids."""

from __future__ import annotations

import json
import logging
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emotion.api.asking import note_body_read
from emotion.api.problems import (
    MEDIA_TYPE,
    RETRY_AFTER_S,
    STATUSES,
    TITLES,
    Problem,
    add_handlers,
    invalid_of,
    status_of,
)
from emotion.api.request_ids import RequestIdMiddleware
from emotion.api.unknown import add_unknown
from emotion.core.errors import (
    AudioDecodeError,
    AudioNotFoundError,
    AudioTooShortError,
    BusyError,
    ConfigError,
    EmotionError,
    ModelNotReadyError,
    RunNotFoundError,
)
from emotion.core.request_errors import RequestTooLargeError
from tests.error_tree import tree

HAN = re.compile(r"[\u4e00-\u9fff]")
RAISED: dict[str, Exception] = {
    "busy": BusyError(waiting=24),
    "loading": ModelNotReadyError(reason="the server is stopping"),
    "large": RequestTooLargeError(maximum_mb=32.0),
    "path": AudioNotFoundError(file=Path("/srv/calls/a b.wav"), reason="/srv/calls: denied"),
    "boom": RuntimeError("secret /srv/key"),
    "short": AudioTooShortError(file="a.wav", duration_s=0.01, minimum_s=0.025),
}


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    granularity: Literal["utterance", "frame"] = "utterance"
    track: int | None = Field(None, ge=1)
    score: float = Field(0.0, le=1, allow_inf_nan=False)
    store: bool = True
    since: date | None = None
    names: list[str] = []


def app() -> FastAPI:
    router = APIRouter()

    @router.get("/api/v1/fail/{name}")
    def fail(name: str) -> None:
        raise RAISED[name]

    @router.post("/api/v1/fail/{name}")
    def also(name: str) -> None: ...

    @router.post("/api/v1/fail-early/{name}")
    async def early(name: str) -> None:
        raise RAISED[name]

    @router.post("/api/v1/fail-late/{name}")
    async def late(request: Request, name: str) -> None:
        await request.body()
        note_body_read(request)
        raise RAISED[name]

    @router.get("/api/v1/options")
    def options(options: Annotated[Options, Query()]) -> Options:
        return options

    @router.get("/page")
    def page() -> None:
        raise RuntimeError("not the API")

    made = FastAPI()
    add_handlers(made)
    made.include_router(router)
    add_unknown(made)
    made.add_middleware(RequestIdMiddleware)
    return made


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(app())


@pytest.mark.parametrize("kind", list(tree()), ids=lambda kind: kind.code)
def test_every_class_has_a_status_of_its_own_table_row(kind: type[EmotionError]) -> None:
    assert any(issubclass(kind, row) for row, _ in STATUSES)
    status = status_of(kind.__new__(kind))
    assert 400 <= status < 600
    zh, en = TITLES[status]
    assert HAN.search(zh) and not HAN.search(en)


def test_no_row_is_hidden_by_one_above_it() -> None:
    for place, (kind, _) in enumerate(STATUSES):
        assert not any(issubclass(kind, above) for above, _ in STATUSES[:place])


def test_a_problem_says_everything(client: TestClient) -> None:
    answer = client.get("/api/v1/fail/short", headers={"X-Request-ID": "abc-1"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, MEDIA_TYPE)
    assert answer.json() == {
        "type": "urn:emotion:problem:audio_too_short",
        "title": "Unprocessable content",
        "status": 422,
        "detail": "a.wav: 0.010 s of audio, but the model needs at least 0.025 s",
        "code": "audio_too_short",
        "hint": "Use a longer recording",
        "request_id": "abc-1",
        "params": {"file": "a.wav", "duration_s": 0.01, "minimum_s": 0.025},
    }
    assert Problem.model_validate(answer.json()).code == "audio_too_short"


@pytest.mark.parametrize(
    ("query", "header", "chinese"),
    [
        ("", "", False),
        ("?language=zh", "en", True),
        ("?language=en", "zh-CN", False),
        ("?language=fr", "zh-CN", True),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", True),
        ("", "en-GB,en;q=0.9,zh;q=0.8", False),
        ("", "fr;q=1.0, en;q=0.2, zh-TW;q=0.7", True),
        ("", "zh;q=wrong, en;q=0.1", False),
        ("", "fr, *", False),
    ],
)
def test_the_language_of_the_asker(
    client: TestClient, query: str, header: str, chinese: bool
) -> None:
    headers = {"Accept-Language": header, "Cookie": "ui_lang=zh-CN"}
    body = client.get(f"/api/v1/fail/short{query}", headers=headers).json()
    for key in ("title", "detail", "hint"):
        assert bool(HAN.search(body[key])) is chinese


def test_paths_of_the_server_are_hidden(client: TestClient) -> None:
    answer = client.get("/api/v1/fail/path")
    assert answer.status_code == 404
    assert answer.json()["params"] == {"file": "a b.wav", "reason": "calls: denied"}
    assert "/srv" not in answer.text


@pytest.mark.parametrize(("name", "status"), [("busy", 429), ("loading", 503)])
def test_when_to_try_again(client: TestClient, name: str, status: int) -> None:
    answer = client.get(f"/api/v1/fail/{name}")
    assert answer.status_code == status
    assert answer.headers["retry-after"] == str(RETRY_AFTER_S[status])


def test_after_a_body_that_is_too_large_the_connection_ends(client: TestClient) -> None:
    answer = client.post("/api/v1/fail-early/large", content=b"RIFF")
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")
    assert "32 MB" in answer.json()["detail"]
    for read in (client.get("/api/v1/fail/large"), client.post("/api/v1/fail-late/large")):
        assert read.status_code == 413 and "connection" not in read.headers
    late = client.post("/api/v1/fail-late/busy", content=b"RIFF")
    assert late.status_code == 429 and "connection" not in late.headers


def test_what_nobody_foresaw_tells_no_secrets(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get("/api/v1/fail/boom", headers={"X-Request-ID": "r7"})
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text and "r7" in answer.json()["hint"]
    assert answer.headers["x-request-id"] == "r7"
    (record,) = (record for record in caplog.records if record.levelno == logging.ERROR)
    assert "r7" in record.getMessage() and record.exc_info is not None


def test_errors_of_the_page_are_not_ours(client: TestClient) -> None:
    with pytest.raises(RuntimeError, match="not the API"):
        client.get("/page")


@pytest.mark.parametrize(
    ("query", "option", "expected"),
    [
        ("granularity=word", "granularity", "'utterance' or 'frame'"),
        ("colour=red", "colour", "absent: there is no such option"),
        ("track=one", "track", "a whole number"),
        ("track=0", "track", "1 or more"),
        ("score=high", "score", "a number"),
        ("score=nan", "score", "a number"),
        ("score=2", "score", "1.0 or less"),
        ("store=maybe", "store", "true or false"),
        ("since=yesterday", "since", "a day, YYYY-MM-DD"),
    ],
)
def test_an_option_with_a_wrong_value(
    client: TestClient, query: str, option: str, expected: str
) -> None:
    answer = client.get(f"/api/v1/options?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "config_invalid")
    params = answer.json()["params"]
    assert (params["option"], params["expected"]) == (option, expected)
    chinese = client.get(f"/api/v1/options?{query}&language=zh")
    assert HAN.search(chinese.json()["detail"])


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ("{", "request_invalid", "it is not JSON"),
        ("[]", "config_invalid", "body"),
        ('{"names": "x"}', "config_invalid", "names is 'x', but must be a list"),
        ('{"names": [1]}', "config_invalid", "names.0 is 1, but must be text"),
    ],
)
def test_a_body_with_a_wrong_value(body: str, code: str, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Options.model_validate_json(body)
    error = invalid_of(caught.value)
    assert error.code == code and text in error.message


def test_a_long_value_is_not_repeated(client: TestClient) -> None:
    answer = client.get("/api/v1/options", params={"granularity": "x" * 5000})
    assert len(answer.text) < 1500


def test_values_that_json_cannot_say() -> None:
    error = ConfigError(option="a", value=float("nan"), expected=Path("x\udcff"))
    problem = Problem.of(error, "en")
    assert json.loads(problem.model_dump_json())["params"] == {
        "option": "a",
        "value": "nan",
        "expected": "x?",
    }


def test_unknown_routes_and_methods(client: TestClient) -> None:
    for path in ("/api", "/api/", "/api/v1/nothing", "/api/v2/recognize", "/api/v1/fail/a/b"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "route_not_found"), path
        assert answer.json()["params"] == {"route": path}
    answer = client.delete("/api/v1/fail/short", headers={"Accept-Language": "zh"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")
    assert answer.json()["hint"] == "请使用 GET, POST"
    assert client.get("/elsewhere").json() == {"detail": "Not Found"}


@pytest.mark.parametrize(
    ("given", "kept"), [("abc.DEF_1-2", True), ("a b", False), ("x" * 65, False), ("é", False)]
)
def test_a_sane_request_id_is_kept(client: TestClient, given: str, kept: bool) -> None:
    headers: Any = {"X-Request-ID": given.encode("latin-1")}
    answer = client.get("/api/v1/options", headers=headers)
    own = answer.headers["x-request-id"]
    assert (own == given) is kept
    assert kept or re.fullmatch(r"[0-9a-f]{16}", own)


def test_a_request_is_one_line_in_the_log(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"X-Request-ID": "r8", "Authorization": "Bearer hidden"}
    with caplog.at_level(logging.INFO, "emotion"):
        client.get("/api/v1/options?store=hidden", headers=headers)
        client.get("/elsewhere")
    (line,) = (r.getMessage() for r in caplog.records if r.name == "emotion.api.request_ids")
    assert re.fullmatch(r"GET /api/v1/options 422 in \d+ ms", line)


def test_the_problem_of_a_run(client: TestClient) -> None:
    problem = Problem.of(RunNotFoundError(run_id="outputs_1"), "zh", "r9")
    assert (problem.status, problem.title, problem.request_id) == (404, "未找到", "r9")
    encrypted = AudioDecodeError(file="/a/b/c.mp4", reason="not found")
    assert Problem.of(encrypted, "zh").detail == "c.mp4：无法作为音频读取（没有找到）"
