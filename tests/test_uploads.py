"""Bodies streamed to private folders: names, limits, damaged multipart, slow clients."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect

from emotion.api.uploads import MAX_JSON_BYTES, Body, Uploads, safe_name
from emotion.core.errors import OutputError
from emotion.core.request_errors import (
    RequestInvalidError,
    RequestTooLargeError,
    UploadTimeoutError,
)

TYPE = "multipart/form-data; boundary=XX"


def request_of(chunks: list[bytes], content_type: str = "", **headers: str) -> Request:
    """A request with this body; the client goes after an incomplete one."""
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks
    ]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    pairs = {"content-type": content_type, **{k.replace("_", "-"): v for k, v in headers.items()}}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in pairs.items()]
    scope = {"type": "http", "method": "POST", "query_string": b"", "headers": raw}
    return Request(scope, receive)


def part(content: bytes, name: str = "file", filename: str | None = "a.wav") -> bytes:
    file = f'; filename="{filename}"' if filename is not None else ""
    head = f'--XX\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
    return head.encode() + content + b"\r\n"


def receive(
    folder: Path,
    chunks: list[bytes],
    content_type: str = TYPE,
    *,
    maximum: int = 1000,
    most: int = 1,
    **headers: str,
) -> Body:
    uploads = Uploads(maximum, 30)
    request = request_of(chunks, content_type, **headers)
    return asyncio.run(uploads.receive(request, folder, most))


@pytest.mark.parametrize("size", [1, 7, 64, 100_000])
def test_parts_in_chunks_of_any_size(tmp_path: Path, size: int) -> None:
    first, second = os.urandom(5000), b"\r\n--XX-not the boundary\r\n" * 50
    whole = (
        part(b"frame", "granularity", None)
        + part(first, filename="one.wav")
        + part(b"a", "labels", None)
        + part(second, filename="one.wav")
        + part(b"b", "labels", None)
        + b"--XX--\r\n"
    )
    chunks = [whole[i : i + size] for i in range(0, len(whole), size)]
    body = receive(tmp_path, chunks, maximum=100_000, most=2)
    assert [path.read_bytes() for path in body.files] == [first, second]
    assert [path.name for path in body.files] == ["one.wav", "one.wav"]
    assert body.fields == {"granularity": ["frame"], "labels": ["a", "b"]}


def test_a_large_body_goes_to_the_disk(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)
    chunks = [content[i : i + 65536] for i in range(0, len(content), 65536)]
    body = receive(tmp_path, chunks, "audio/wav", maximum=3_000_000)
    assert (body.kind, body.files[0].name) == ("raw", "recording")
    assert body.files[0].read_bytes() == content
    form = part(content) + b"--XX--"
    chunks = [form[i : i + 262144] for i in range(0, len(form), 262144)]
    (own := tmp_path / "own").mkdir()
    assert receive(own, chunks, maximum=3_000_000).files[0].read_bytes() == content


def test_more_bytes_than_allowed_are_not_read(tmp_path: Path) -> None:
    taken: list[int] = []

    async def endless() -> dict[str, Any]:
        taken.append(1)
        return {"type": "http.request", "body": bytes(400), "more_body": True}

    request = request_of([], "audio/wav")
    request._receive = endless
    with pytest.raises(RequestTooLargeError):
        asyncio.run(Uploads(1000, 30).receive(request, tmp_path))
    assert len(taken) == 3


@pytest.mark.parametrize(
    ("content_type", "limit"),
    [("audio/wav", 10**9), ("application/json", MAX_JSON_BYTES), (TYPE, 10**9 + 2**20)],
)
def test_an_announced_size_is_believed(tmp_path: Path, content_type: str, limit: int) -> None:
    uploads = Uploads(10**9, 30)
    for size, refused in ((limit, False), (limit + 1, True)):
        request = request_of([b"{}"], content_type, content_length=str(size))
        (folder := tmp_path / f"{size}").mkdir()
        expected = RequestTooLargeError if refused else (RequestInvalidError, Body)
        try:
            outcome: object = asyncio.run(uploads.receive(request, folder))
        except (RequestTooLargeError, RequestInvalidError) as e:
            outcome = e
        assert isinstance(outcome, expected)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        part(b"x"),
        part(b"x") + b"--XX",
        part(b"x", "other") + b"--XX--",
        part(b"x") + part(b"y") + b"--XX--",
        part(b"x" * 70_000, "granularity", None) + b"--XX--",
        b"".join(part(b"x", f"n{i}", None) for i in range(101)) + b"--XX--",
        b"--XX\r\nContent-Disposition: form-data\r\nbroken\r\n\r\nx\r\n--XX--",
    ],
    ids=range(9),
)
def test_damaged_multipart(tmp_path: Path, body: bytes) -> None:
    with pytest.raises(RequestInvalidError):
        receive(tmp_path, [body], maximum=200_000)


def test_boundaries_that_are_none(tmp_path: Path) -> None:
    for content_type in ("multipart/form-data", f"multipart/form-data; boundary={'x' * 300}"):
        with pytest.raises(RequestInvalidError):
            receive(tmp_path, [b"--x--"], content_type)


def test_a_client_that_goes_or_is_slow(tmp_path: Path) -> None:
    request = request_of([b"x"], "audio/wav")

    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    request._receive = gone
    with pytest.raises(ClientDisconnect):
        asyncio.run(Uploads(1000, 30).receive(request, tmp_path))

    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    request = request_of([b"x"], TYPE)
    request._receive = never
    with pytest.raises(UploadTimeoutError, match=r"after 0\.05 s"):
        asyncio.run(Uploads(1000, 0.05).receive(request, tmp_path))


def test_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="uploads: cannot be written"):
        receive(tmp_path / "missing", [b"x"], "audio/wav")
    uploads = Uploads(1000, 30)
    uploads._root = tmp_path / "missing"
    with pytest.raises(OutputError):
        uploads.make()


def test_folders_of_requests_go(upload_roots: Callable[[], list[Path]]) -> None:
    uploads = Uploads(1000, 30)
    uploads.open()

    async def use() -> None:
        async with uploads.folder() as folder:
            assert folder.stat().st_mode & 0o77 == 0
            (folder / "sub").mkdir()
            (folder / "sub" / "x").touch()
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        asyncio.run(use())
    assert len(upload_roots()) == 1
    uploads.make()
    uploads.close()
    assert upload_roots() == []


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("clip.wav", "clip.wav"),
        ("你好 世界.mp3", "你好 世界.mp3"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a/b\\c.wav", "c.wav"),
        ("..", "recording"),
        (".", "recording"),
        ("", "recording"),
        (None, "recording"),
        ("\0\n\x1b[31m.wav", "[31m.wav"),
        ("  x.wav ", "x.wav"),
        (".hidden", ".hidden"),
        ("-rf.wav", "-rf.wav"),
        ("\udcff.wav", ".wav"),
        ("声" * 300 + ".wav", "声" * 66 + ".wav"),
        ("x." + "y" * 400, "x." + "y" * 198),
    ],
)
def test_names_are_safe(name: str | None, safe: str, tmp_path: Path) -> None:
    assert safe_name(name) == safe
    (tmp_path / safe_name(name)).write_bytes(b"x")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename=a.wav", "a.wav"),
        ('attachment; filename="a b.wav"', "a b.wav"),
        ("attachment; filename*=UTF-8''%E4%BD%A0.wav", "你.wav"),
        ("inline", "recording"),
        ("", "recording"),
        ('attachment; filename="../../x.wav"', "x.wav"),
    ],
)
def test_the_name_of_a_raw_body(tmp_path: Path, header: str, name: str) -> None:
    body = receive(tmp_path, [b"x"], "audio/wav", content_disposition=header)
    assert body.files[0].name == name


def test_json_is_kept_for_the_parser(tmp_path: Path) -> None:
    for content_type in ("application/json", "application/json; charset=utf-8", "a/b+json"):
        (folder := tmp_path / content_type.replace("/", "")).mkdir()
        body = receive(folder, [b"{", b"}"], content_type)
        assert (body.kind, body.files[0].read_bytes()) == ("json", b"{}")
