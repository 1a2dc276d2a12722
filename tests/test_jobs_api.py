"""``/api/v1/jobs``: bodies, the job object, results as they come, events, owners, limits."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter

from emotion.api.answers import Recognition
from emotion.api.job_answers import Job, JobLine
from emotion.services.recognitions import RecognitionService
from tests.api import WAIT_S, app_of, configured, served, until
from tests.conftest import run_folders
from tests.fakes import FakeEngine

Wav = Callable[..., Path]
URL = "/api/v1/jobs"
BAD = ("file", ("notes.txt", b"hello" * 500))


def parts(*paths: Path) -> list[Any]:
    return [("file", (path.name, path.read_bytes())) for path in paths]


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def lines_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in answer.text.splitlines()]
    for line in lines:
        TypeAdapter(JobLine).validate_python(line)
    return lines


def begun(answer: httpx.Response) -> str:
    assert answer.status_code == 202, answer.text
    job = answer.json()
    Job.model_validate(job)
    assert answer.headers["location"] == job["links"]["self"] == f"{URL}/{job['id']}"
    return str(job["id"])


def results(api: TestClient, answer: httpx.Response) -> list[dict[str, Any]]:
    return lines_of(api.get(f"{URL}/{begun(answer)}/results"))


def told(text: str) -> list[tuple[str, str, Any]]:
    """The events of a stream: kind, id and data."""
    blocks = [block for block in text.split("\n\n") if "event: " in block]
    found = []
    for block in blocks:
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return found


def test_many_files_and_a_broken_one(
    api: TestClient, service: RecognitionService, wav: Wav
) -> None:
    paths = [wav(1.0 + seed, f"你{seed}.wav", seed) for seed in range(3)]
    answer = api.post(URL, files=[*parts(*paths), BAD], data={"extract_embedding": "true"})
    lines = results(api, answer)
    assert sorted(line["index"] for line in lines) == [0, 1, 2, 3]
    runs = {folder.name for folder in run_folders(service)}
    for line in lines:
        if line["index"] == 3:
            assert (line["file"], line["status"]) == ("notes.txt", "failed")
            assert line["problem"]["code"] == "audio_undecodable"
            assert line["problem"]["request_id"] == answer.headers["x-request-id"]
            continue
        result = line["result"]
        TypeAdapter(Recognition).validate_python(result)
        assert line["file"] == result["audio"]["file"] == f"你{line['index']}.wav"
        assert result["audio"]["duration_s"] == 1.0 + line["index"]
        assert len(result["embedding"]) == 4
        assert result["run_id"] in runs
    job = api.get(answer.headers["location"]).json()
    assert (job["state"], job["total"], job["done"], job["failed"]) == ("done", 4, 4, 1)
    assert job["done_s"] == job["total_s"] == 6.0 and job["problem"] is None
    assert job["created_at"].endswith("Z") and job["ended_at"].endswith("Z")


def test_results_equal_those_of_single_requests(api: TestClient, wav: Wav) -> None:
    paths = [wav(2.0, f"{seed}.wav", seed) for seed in range(4)]
    options = {"granularity": "segment", "labels": "happy,sad", "store": "false"}
    lines = results(api, api.post(URL, files=parts(*paths), data=options))
    for line in lines:
        path = paths[line["index"]]
        single = api.post("/api/v1/recognize", files=parts(path), data=options).json()
        for name in ("emotion", "scores", "segments", "labels", "audio", "summary", "run_id"):
            assert line["result"][name] == single[name]


def test_other_ways_to_send(api: TestClient, wav: Wav) -> None:
    path = wav()
    raw = api.post(f"{URL}?filename=raw.wav", content=path.read_bytes())
    one = api.post(URL, json={"audio_base64": encoded(path), "filename": "one.wav"})
    items = [{"audio_base64": encoded(path), "filename": f"{name}.wav"} for name in "ab"]
    two = api.post(URL, json={"items": items, "store": False})
    names = [sorted(line["file"] for line in results(api, sent)) for sent in (raw, one, two)]
    assert names == [["raw.wav"], ["one.wav"], ["a.wav", "b.wav"]]


def test_files_of_the_server_and_addresses(
    service: RecognitionService, wav: Wav, tmp_path: Path
) -> None:
    path = wav()
    items = [
        {"audio_path": "clip.wav"},
        {"audio_path": "none.wav"},
        {"audio_path": "../x.wav"},
        {"audio_url": "https://example.org/far.wav?x=1"},
    ]
    with TestClient(app_of(service, configured(input_root=tmp_path))) as api:
        lines = results(api, api.post(URL, json={"items": items, "language": "zh"}))
        codes = {line["index"]: line.get("problem", {}).get("code") for line in lines}
        assert codes == {
            0: None, 1: "audio_not_found", 2: "input_forbidden", 3: "address_forbidden"
        }  # fmt: skip
        assert {line["file"] for line in lines} == {"clip.wav", "none.wav", "x.wav", "far.wav"}
        assert {line["problem"]["title"] for line in lines if line["index"] == 2} == {"禁止访问"}
        assert api.post(URL, json={"audio_path": "none.wav"}).status_code == 404
        assert api.post(URL, json={"audio_url": "https://example.org/a"}).status_code == 403
    assert path.exists()


@pytest.mark.parametrize(
    ("body", "option"),
    [
        ({}, "audio"),
        ({"items": []}, "items"),
        ({"items": [{}]}, "items.0.audio"),
        ({"items": [{"audio_path": "a", "audio_url": "b"}]}, "items.0.audio"),
        ({"items": [{"audio_base64": "!"}]}, "items.0.audio_base64"),
        ({"items": [{"audio_base64": "", "colour": 1}]}, "items.0.colour"),
        ({"items": [{"audio_path": "a"}], "audio_base64": "UklG"}, "audio_base64"),
        ({"items": [{"audio_path": "a"}] * 5001}, "items"),
        ({"items": [{"audio_path": "a"}], "exports": "srt", "store": False}, "exports"),
        ({"items": [{"audio_path": "a"}], "granularity": "word"}, "granularity"),
    ],
)
def test_a_body_that_is_refused(
    service: RecognitionService,
    upload_roots: Callable[[], list[Path]],
    body: dict[str, Any],
    option: str,
) -> None:
    with TestClient(app_of(service)) as api:
        answer = api.post(URL, json=body)
        assert (answer.status_code, answer.json()["params"]["option"]) == (422, option)
        assert len(upload_roots()) == 1  # nothing of it is left
        assert api.get(URL).json() == {"jobs": []}


def test_files_that_are_refused(api: TestClient) -> None:
    answer = api.post(URL, data={"granularity": "frame"}, files={"other": b"x"})
    assert answer.json()["params"]["reason"] == "there is no part named file"
    answer = api.post(URL, files=[("file", (f"{n}.wav", b"x")) for n in range(5001)])
    assert answer.json()["params"]["reason"] == "there are more than 5000 files"


def test_results_in_the_same_request(api: TestClient, wav: Wav) -> None:
    headers = {"Accept": "application/json;q=0.5, application/X-NDJSON"}
    answer = api.post(URL, files=[*parts(wav(), wav()), BAD], headers=headers)
    assert sorted(line["index"] for line in lines_of(answer)) == [0, 1, 2]
    assert lines_of(api.get(answer.headers["content-location"])) == lines_of(answer)


def test_results_from_a_line_on(api: TestClient, wav: Wav) -> None:
    own = begun(api.post(URL, files=parts(*[wav()] * 3)))
    lines = lines_of(api.get(f"{URL}/{own}/results"))
    assert lines_of(api.get(f"{URL}/{own}/results?from=1")) == lines[1:]
    assert lines_of(api.get(f"{URL}/{own}/results?from=3")) == []
    assert api.get(f"{URL}/{own}/results?from=-1").json()["params"]["option"] == "from"


def test_results_come_while_others_are_waited_for(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav
) -> None:
    with served(app_of(service)) as address:
        fake_engine.gate.clear()
        files = [*parts(wav()), BAD]
        own = begun(httpx.post(f"{address}{URL}", files=files))
        with httpx.stream("GET", f"{address}{URL}/{own}/results") as answer:
            lines = answer.iter_lines()
            assert json.loads(next(lines))["index"] == 1  # although the first is not done
            fake_engine.gate.set()
            assert [json.loads(line)["index"] for line in lines] == [0]


def test_events_of_a_job(service: RecognitionService, fake_engine: FakeEngine, wav: Wav) -> None:
    with served(app_of(service)) as address:
        fake_engine.gate.clear()
        own = begun(httpx.post(f"{address}{URL}", files=[*parts(wav()), BAD]))
        with httpx.stream("GET", f"{address}{URL}/{own}/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            text = ""
            for chunk in answer.iter_text():
                text += chunk
                if "event: result" in text:
                    fake_engine.gate.set()
        assert text.startswith("retry: 2000\n\n")
        seen = told(text)
        assert {kind for kind, _, _ in seen} == {"progress", "result", "end"}
        marks = [(data["file"], data["status"]) for kind, _, data in seen if kind == "result"]
        assert marks == [("notes.txt", "failed"), ("clip.wav", "done")]
        assert seen[-1][:2] == ("end", "end")
        assert (seen[-1][2]["state"], seen[-1][2]["done"], seen[-1][2]["failed"]) == ("done", 2, 1)

        def again(last: str) -> httpx.Response:
            headers = {"Last-Event-ID": last}
            return httpx.get(f"{address}{URL}/{own}/events", headers=headers)

        kinds = [[kind for kind, _, _ in told(again(last).text)] for last in ("1", "99", "?")]
        assert kinds == [["result", "end"], ["end"], ["result", "result", "end"]]
        assert again("end").status_code == 204


def test_cancel_and_forget(service: RecognitionService, fake_engine: FakeEngine, wav: Wav) -> None:
    with served(app_of(service)) as address:
        fake_engine.gate.clear()
        own = f"{address}{URL}/" + begun(httpx.post(f"{address}{URL}", files=parts(wav())))
        assert fake_engine.entered.wait(WAIT_S)
        assert httpx.delete(own).status_code == 204
        job = httpx.get(own).json()
        assert (job["state"], job["done"], job["problem"]) == ("cancelled", 0, None)
        assert httpx.get(f"{own}/results").text == ""
        assert [kind for kind, _, _ in told(httpx.get(f"{own}/events").text)] == ["end"]
        fake_engine.gate.set()
        until(lambda: service.jobs.active() == [])
        assert httpx.delete(own).status_code == 204
        for method, path in (("GET", ""), ("GET", "/events"), ("GET", "/results"), ("DELETE", "")):
            answer = httpx.request(method, own + path)
            assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
    assert run_folders(service) == []


def test_a_client_that_goes_cancels_the_job_it_reads_directly(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav
) -> None:
    fake_engine.gate.clear()
    with served(app_of(service)) as address:
        files = [BAD, *parts(*[wav()] * 5)]
        headers = {"Accept": "application/x-ndjson"}
        with httpx.stream("POST", f"{address}{URL}", files=files, headers=headers) as answer:
            assert "notes.txt" in next(answer.iter_lines())
        until(lambda: httpx.get(f"{address}{URL}").json()["jobs"][0]["state"] == "cancelled")
        fake_engine.gate.set()
        until(lambda: service.jobs.active() == [])
    assert run_folders(service) == []


def test_a_client_that_goes_leaves_other_jobs_alone(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav
) -> None:
    fake_engine.gate.clear()
    with served(app_of(service)) as address:
        own = begun(httpx.post(f"{address}{URL}", files=[*parts(wav()), BAD]))
        with httpx.stream("GET", f"{address}{URL}/{own}/results") as answer:
            next(answer.iter_lines())
        fake_engine.gate.set()
        assert len(lines_of(httpx.get(f"{address}{URL}/{own}/results"))) == 2


def test_a_server_that_stops_ends_its_streams(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav,
    upload_roots: Callable[[], list[Path]],
) -> None:  # fmt: skip
    fake_engine.gate.clear()
    with TestClient(app_of(service)) as api:
        own = begun(api.post(URL, files=parts(*[wav()] * 3)))
        assert fake_engine.entered.wait(WAIT_S)
        api.portal.start_task_soon(asyncio.to_thread, service.close)  # type: ignore[union-attr]
        text = api.get(f"{URL}/{own}/events").text
        fake_engine.gate.set()
        last = told(text)[-1][2]
        assert (last["state"], last["problem"]["code"]) == ("cancelled", "model_not_ready")
    assert upload_roots() == []


def test_only_its_owner_finds_a_job(service: RecognitionService, wav: Wav) -> None:
    app = app_of(service)

    async def guard(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            caller = dict(scope["headers"]).get(b"x-caller", b"").decode() or None
            scope.setdefault("state", {})["caller"] = caller
        await app(scope, receive, send)

    with served(guard) as address:  # type: ignore[arg-type]
        ann, bob = {"X-Caller": "ann"}, {"X-Caller": "bob"}
        own = begun(httpx.post(f"{address}{URL}", files=parts(wav()), headers=ann))
        for method, path in (("GET", ""), ("GET", "/events"), ("GET", "/results"), ("DELETE", "")):
            for headers in (bob, {}):
                answer = httpx.request(method, f"{address}{URL}/{own}{path}", headers=headers)
                assert answer.status_code == 404
        jobs = [httpx.get(f"{address}{URL}", headers=h).json()["jobs"] for h in (ann, bob)]
        assert [len(found) for found in jobs] == [1, 0]
        lines = lines_of(httpx.get(f"{address}{URL}/{own}/results", headers=ann))
        run_id = lines[0]["result"]["run_id"]
        assert service.store.find(run_id, "ann")


def test_too_many_jobs(service: RecognitionService, fake_engine: FakeEngine, wav: Wav) -> None:
    fake_engine.gate.clear()
    with served(app_of(service)) as address:
        url = f"{address}{URL}"
        owns = [begun(httpx.post(url, files=parts(wav()))) for _ in range(16)]
        answer = httpx.post(url, content=bytes(3_000_000), timeout=WAIT_S)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        fake_engine.gate.set()
        for own in owns:
            assert len(lines_of(httpx.get(f"{url}/{own}/results"))) == 1
        assert begun(httpx.post(url, files=parts(wav())))


def test_a_server_that_several_share_lists_no_jobs(service: RecognitionService, wav: Wav) -> None:
    config = configured(host="0.0.0.0", allow_unprotected=True)
    with TestClient(app_of(service, config)) as api:
        own = begun(api.post(URL, files=parts(wav())))
        assert api.get(URL).json()["code"] == "shared_server"
        (line,) = lines_of(api.get(f"{URL}/{own}/results"))
        assert "files" not in line["result"]


def test_uploads_are_deleted_as_each_is_done(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav,
    upload_roots: Callable[[], list[Path]],
) -> None:  # fmt: skip
    with TestClient(app_of(service)) as api:
        fake_engine.gate.clear()
        own = begun(api.post(URL, files=[*parts(wav()), BAD]))
        until(lambda: not any(path.name == "notes.txt" for path in upload_roots()))
        assert any(path.name == "clip.wav" for path in upload_roots())
        fake_engine.gate.set()
        lines_of(api.get(f"{URL}/{own}/results"))
        until(lambda: not any(path.name == "clip.wav" for path in upload_roots()))
        assert sum(path.is_file() for path in upload_roots()) == 1  # the lines
        assert api.delete(f"{URL}/{own}").status_code == 204
        assert len(upload_roots()) == 1
    assert upload_roots() == []


def test_links_behind_a_proxy(service: RecognitionService, wav: Wav) -> None:
    with TestClient(app_of(service), root_path="/voice") as api:
        answer = api.post(URL, files=parts(wav()))
        assert answer.headers["location"].startswith(f"/voice{URL}/")
