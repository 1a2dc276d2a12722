"""Recordings that JSON names: base64, files below the input root, addresses."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from emotion.api.options import RecognizeBody
from emotion.api.sources import Sources, decode_base64, input_path, parse
from emotion.core.errors import AudioNotFoundError, ConfigError, OutputError
from emotion.core.request_errors import (
    AddressForbiddenError,
    InputForbiddenError,
    RequestInvalidError,
)
from tests.api import configured


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "calls"
    (root / "day").mkdir(parents=True)
    (root / "day" / "a b.wav").write_bytes(b"x")
    (tmp_path / "secret.wav").write_bytes(b"x")
    (tmp_path / "calls2").mkdir()
    (tmp_path / "calls2" / "x.wav").write_bytes(b"x")
    (root / "out.wav").symlink_to(tmp_path / "secret.wav")
    (root / "in.wav").symlink_to(root / "day" / "a b.wav")
    (root / "up").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    return root


@pytest.mark.parametrize("given", ["day/a b.wav", "./day/../day/a b.wav", "in.wav"])
def test_files_below_the_root(root: Path, given: str) -> None:
    expected = (root / "day" / "a b.wav").resolve()
    assert input_path(root, given) == expected
    assert input_path(root, str(root / given)) == expected


@pytest.mark.parametrize(
    "given",
    [
        "../secret.wav",
        "day/../../secret.wav",
        "out.wav",
        "up/secret.wav",
        "../calls2/x.wav",
        "/etc/passwd",
        "/etc/none",
        "../none.wav",
        "",
        ".",
        "..",
        "a\0b.wav",
        "x" * 5000,
    ],
)
def test_no_file_outside_the_root(root: Path, given: str) -> None:
    with pytest.raises(InputForbiddenError) as caught:
        input_path(root, given)
    assert str(root) not in str(caught.value.without_paths())


@pytest.mark.parametrize("given", ["none.wav", "day", "day/none/x.wav"])
def test_no_such_file_below_the_root(root: Path, given: str) -> None:
    with pytest.raises(AudioNotFoundError):
        input_path(root, given)


def test_links_in_a_circle(root: Path) -> None:
    with pytest.raises((InputForbiddenError, AudioNotFoundError)):
        input_path(root, "loop")


def test_without_a_root_there_are_no_files(root: Path) -> None:
    for given in ("day/a b.wav", str(root / "in.wav"), "none"):
        with pytest.raises(InputForbiddenError):
            input_path(None, given)


@pytest.mark.parametrize(
    "text", ["YXVkaW8=", "YXVk\naW8=\n", "data:audio/wav;base64,YXVkaW8=", " YXVkaW8= "]
)
def test_base64(text: str) -> None:
    assert decode_base64(text) == b"audio"


@pytest.mark.parametrize("text", ["YXVkaW8", "YXVk!W8=", "é", "===="])
def test_damaged_base64(text: str) -> None:
    with pytest.raises(ConfigError, match="must be base64"):
        decode_base64(text)


def find(body: RecognizeBody, folder: Path, root: Path | None = None) -> Path:
    sources = Sources(configured(input_root=root))
    return asyncio.run(sources.find(body, folder))


def test_each_source(root: Path, tmp_path: Path) -> None:
    encoded = base64.b64encode(b"audio").decode()
    path = find(RecognizeBody(audio_base64=encoded, filename="../a.g722"), tmp_path)
    assert (path, path.read_bytes()) == (tmp_path / "a.g722", b"audio")
    assert find(RecognizeBody(audio_path="in.wav"), tmp_path, root).name == "a b.wav"
    with pytest.raises(AddressForbiddenError):
        find(RecognizeBody(audio_url="https://example.org/a.wav"), tmp_path)
    with pytest.raises(OutputError):
        find(RecognizeBody(audio_base64=encoded), tmp_path / "missing")


def test_exactly_one_source(tmp_path: Path) -> None:
    for body in (RecognizeBody(), RecognizeBody(audio_path="a", audio_url="b")):
        with pytest.raises(ConfigError, match="exactly one of"):
            find(body, tmp_path)


def test_the_body_is_parsed_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_text('{"audio_path": "你.wav", "labels": "primary"}', "utf-8")
    body = asyncio.run(parse(file, RecognizeBody))
    assert (body.audio_path, body.labels) == ("你.wav", ["primary"])
    file.write_text('{"audio_path": 1}')
    with pytest.raises(ConfigError, match="audio_path is 1, but must be text"):
        asyncio.run(parse(file, RecognizeBody))
    file.write_text("{]")
    with pytest.raises(RequestInvalidError):
        asyncio.run(parse(file, RecognizeBody))
