"""Jobs of folders, ZIP files and tables; tables and the ZIP file of a job; files of recordings."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from emotion.api.uploads import relative_name
from emotion.client import ApiError, AsyncClient, Client
from emotion.services.recognitions import RecognitionService
from tests.api import app_of, served
from tests.conftest import run_folders

Wav = Callable[..., Path]
URL = "/api/v1/jobs"


def part(name: str, data: bytes) -> Any:
    return ("file", (name, data))


def zip_of(**members: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def finished(api: TestClient, *files: Any, **data: str) -> dict[str, Any]:
    """The job of these files, once it has ended, with its lines by name."""
    answer = api.post(URL, files=list(files), data=data)
    assert answer.status_code == 202, answer.text
    own = f"{URL}/{answer.json()['id']}"
    lines = [json.loads(line) for line in api.get(f"{own}/results").text.splitlines()]
    return {**api.get(own).json(), "lines": {line["file"]: line for line in lines}}


def rows_of(api: TestClient, job: dict[str, Any]) -> list[dict[str, str]]:
    answer = api.get(job["links"]["csv"])
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.startswith("\ufefffile".encode())
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a.wav", "a.wav"),
        ("sub/b.wav", "sub/b.wav"),
        ("sub\\deep\\b.wav", "sub/deep/b.wav"),
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\me\\b.wav", "b.wav"),
        ("a//./b.wav", "a/b.wav"),
        ("sub/", "sub/recording"),
        ("s\x00ub/\nb.wav", "sub/b.wav"),
        ("/".join("abcdefghijklmnopqrs") + "/x.wav", "/".join("defghijklmnopqrs") + "/x.wav"),
    ],
)  # fmt: skip
def test_names_with_folders(given: str, kept: str) -> None:
    assert relative_name(given) == kept


def test_a_folder_keeps_its_names(api: TestClient, wav: Wav, service: RecognitionService) -> None:
    sound = wav().read_bytes()
    evil = "sub/<img src=x onerror=alert(1)>.wav"
    job = finished(
        api, part("a.wav", sound), part("sub/a.wav", sound), part(evil, sound),
        part("sub/notes.txt", b"text"), part("notes.txt", b"text" * 99),
    )  # fmt: skip
    assert set(job["lines"]) == {"a.wav", "sub/a.wav", evil, "notes.txt"}
    assert job["lines"]["notes.txt"]["status"] == "failed"  # chosen one by one
    assert (job["left_out"], job["table"], job["total"], job["failed"]) == (1, None, 4, 1)
    assert [row["file"] for row in rows_of(api, job)] == ["a.wav", "sub/a.wav", evil, "notes.txt"]
    assert len(run_folders(service)) == 3


def test_a_zip_file_is_unpacked(
    api: TestClient, wav: Wav, upload_roots: Callable[[], list[Path]]
) -> None:
    del upload_roots
    sound = wav().read_bytes()
    inner = zip_of(**{"x.wav": sound})
    data = zip_of(
        **{
            "top/a.wav": sound, "top/sub/b.wav": sound, "top/read.me": b"x", "in.zip": inner,
            "__MACOSX/top/._a.wav": b"x", "list.csv": b"file,who\na.wav,Ann\n",
        }
    )  # fmt: skip
    job = finished(api, part("many.zip", data))
    lines = job["lines"]
    assert set(lines) == {"top/a.wav", "top/sub/b.wav", "in.zip"}
    assert lines["in.zip"]["problem"]["code"] == "archive_unusable"
    assert "archive inside an archive" in lines["in.zip"]["problem"]["detail"]
    assert job["left_out"] == 1
    assert {row["file"]: row["who"] for row in rows_of(api, job)}["top/a.wav"] == "Ann"
    assert job["table"]["files_alone"] == 2


@pytest.mark.parametrize("name", ["../evil.wav", "/etc/evil.wav", "a/../../evil.wav", "C:/e.wav"])
def test_an_archive_that_leads_out_is_refused(api: TestClient, name: str, tmp_path: Path) -> None:
    answer = api.post(URL, files=[part("bad.zip", zip_of(**{"ok.wav": b"x", name: b"x"}))])
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "archive_unusable")
    assert "leads out of it" in problem["detail"] and problem["detail"].startswith("bad.zip")
    assert not list(tmp_path.rglob("*evil.wav"))
    assert api.get(URL).json() == {"jobs": []}


def test_a_bomb_and_damage_are_refused(api: TestClient) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.wav", bytes(40_000_000))
    for data, reason in ((target.getvalue(), "times its size"), (b"PK\x03\x04no", "not a ZIP")):
        answer = api.post(URL, files=[part("bad.zip", data)])
        assert answer.status_code == 422 and reason in answer.json()["detail"]


def test_columns_pass_through_and_what_is_alone_is_told(api: TestClient, wav: Wav) -> None:
    table = "﻿path;speaker;emotion\na.wav;=1+1;guess\nsub/b.wav;B;x\ngone.wav;C;y\n"
    sound = wav().read_bytes()
    files = [part(name, sound) for name in ("a.wav", "d/sub/b.wav", "lonely.wav")]
    job = finished(api, *files, part("who.csv", table.encode()))
    told = job["table"]
    assert told["columns"] == ["speaker", "emotion"] and told["rows"] == 3
    assert (told["rows_alone"], told["rows_alone_names"]) == (1, ["gone.wav"])
    assert (told["files_alone"], told["files_alone_names"]) == (1, ["lonely.wav"])
    rows = rows_of(api, job)
    assert [row["speaker"] for row in rows] == ["=1+1", "B", ""]
    assert [row["input_emotion"] for row in rows] == ["guess", "x", ""]
    assert {row["emotion"] for row in rows} == {"happy"}
    first = json.loads(api.get(job["links"]["jsonl"]).text.splitlines()[0])
    assert first["columns"] == {"speaker": "=1+1", "emotion": "guess"}
    assert "run_id" not in first["result"] and first["run_id"]


def test_what_brings_no_recording_is_refused(api: TestClient) -> None:
    for files, code in (
        ([part("who.csv", b"path\na.wav\n")], "no_recordings"),
        ([part("who.csv", b"name\nAnn\n"), part("a.wav", b"x")], "manifest_unreadable"),
        ([part("d/readme.txt", b"x")], "no_recordings"),
        ([part("e.zip", zip_of(**{"a.txt": b"x"}))], "no_recordings"),
    ):
        answer = api.post(URL, files=files)
        assert (answer.status_code, answer.json()["code"]) == (422, code)


def test_parquet_and_the_order_of_the_request(api: TestClient, wav: Wav) -> None:
    import pyarrow.parquet as pq

    files = [part(f"{n}.wav", wav(0.5 + n, seed=n).read_bytes()) for n in range(3)]
    job = finished(api, *files, part("bad.wav", b"hello" * 99))
    table = pq.read_table(io.BytesIO(api.get(job["links"]["parquet"]).content)).to_pydict()
    assert table["file"] == ["0.wav", "1.wav", "2.wav", "bad.wav"]
    assert table["status"] == ["done"] * 3 + ["failed"]
    assert table["duration_s"][:3] == [0.5, 1.5, 2.5] and "bad.wav" in table["error"][3]
    assert api.get(f"{URL}/{job['id']}/table.xml").status_code == 422


def test_one_zip_file_with_all(api: TestClient, wav: Wav, service: RecognitionService) -> None:
    sound = wav().read_bytes()
    names = ("s/a.wav", "s/A.wav", "what?.wav", "bad.wav")
    files = [part(name, sound if name != "bad.wav" else b"hello" * 99) for name in names]
    job = finished(api, *files, extract_embedding="true", exports="srt")
    answer = api.get(job["links"]["outputs"])
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        inside = set(archive.namelist())
        folders = {name.rpartition("/")[0] for name in inside if name.startswith("recordings/")}
        assert folders == {f"recordings/{n}" for n in ("s/a.wav", "s/A.wav (2)", "what_.wav")}
        own = {name.rpartition("/")[2] for name in inside if name.startswith("recordings/s/a.wav/")}
        assert own >= {"result.json", "processed_audio.wav", "embedding.npy", "emotions.srt"}
        assert {"results.csv", "results.jsonl", "results.parquet"} <= inside
        audio = archive.getinfo("recordings/s/a.wav/processed_audio.wav")
        assert audio.compress_type == zipfile.ZIP_STORED
    service.store.delete(run_folders(service)[0].name)
    with zipfile.ZipFile(io.BytesIO(api.get(job["links"]["outputs"]).content)) as archive:
        assert sum(name.endswith("result.json") for name in archive.namelist()) == 2


def test_files_of_a_recording(api: TestClient, wav: Wav) -> None:
    job = finished(api, part("a.wav", wav().read_bytes()), part("b.wav", b"x"), exports="html")
    own = f"{URL}/{job['id']}/items"
    audio = api.get(f"{own}/0/processed_audio.wav", headers={"Range": "bytes=0-3"})
    assert (audio.status_code, audio.content) == (206, b"RIFF")
    assert audio.headers["content-disposition"].startswith("inline")
    page = api.get(f"{own}/0/report.html")
    assert page.status_code == 200
    assert page.headers["content-disposition"].startswith("attachment")
    assert api.get(f"{own}/0/result.json").json()["audio"]["file"] == "a.wav"
    for path in ("1/result.json", "0/none.txt", "0/.owner", "7/result.json", "0/..%2Fx"):
        assert api.get(f"{own}/{path}").status_code == 404
    assert api.get(f"{own}/-1/result.json").status_code == 422


def test_only_its_owner_gets_them(service: RecognitionService, wav: Wav) -> None:
    app = app_of(service)

    async def guard(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            caller = dict(scope["headers"]).get(b"x-caller", b"").decode() or None
            scope.setdefault("state", {})["caller"] = caller
        await app(scope, receive, send)

    with served(guard) as address:  # type: ignore[arg-type]
        ann = {"X-Caller": "ann"}
        sent = httpx.post(address + URL, files=[part("a.wav", wav().read_bytes())], headers=ann)
        own = f"{address}{URL}/{sent.json()['id']}"
        assert httpx.get(f"{own}/results", headers=ann).text
        for path in ("table.csv", "outputs.zip", "items/0/result.json"):
            assert httpx.get(f"{own}/{path}", headers=ann).status_code == 200
            for headers in ({"X-Caller": "bob"}, {}):
                assert httpx.get(f"{own}/{path}", headers=headers).status_code == 404


def test_a_shared_server_gives_them_to_whoever_knows_the_job(
    service: RecognitionService, wav: Wav
) -> None:
    from tests.api import configured

    config = configured(host="0.0.0.0", allow_unprotected=True)
    with TestClient(app_of(service, config)) as api:
        job = finished(api, part("a.wav", wav().read_bytes()))
        assert api.get(f"{URL}/{job['id']}/items/0/result.json").status_code == 200
        assert api.get(f"{URL}/{'0' * 32}/items/0/result.json").status_code == 404


def test_the_clients_save_them(service: RecognitionService, wav: Wav, tmp_path: Path) -> None:
    import asyncio

    path = wav()
    with served(app_of(service)) as address:
        with Client(address) as client:
            job = client.submit([path])
            assert len(list(client.results(job.id))) == 1
            assert client.job_table(job.id, tmp_path / "t.CSV").read_bytes().startswith(b"\xef\xbb")
            assert zipfile.is_zipfile(client.job_outputs(job.id, tmp_path / "all.zip"))
            with pytest.raises(ApiError, match="xml"):
                client.job_table(job.id, tmp_path / "t.xml")

        async def again() -> None:
            async with AsyncClient(address) as other:
                await other.job_table(job.id, tmp_path / "t.parquet")
                await other.job_outputs(job.id, tmp_path / "two.zip")

        asyncio.run(again())
    assert (tmp_path / "t.parquet").read_bytes()[:4] == b"PAR1"
    assert zipfile.is_zipfile(tmp_path / "two.zip") and not (tmp_path / "t.xml").exists()
