from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from emotion.core.config import AudioConfig
from emotion.core.corpus_errors import CorpusError, NoRecordingsError
from emotion.core.errors import AudioNotFoundError, AudioTooLargeError, AudioTooShortError
from emotion.corpus.inputs import Excerpt, Input, find_inputs
from emotion.corpus.remote import Remote, fetch_remote, is_url, list_remote, place_of
from emotion.corpus.sources import Sources

Wav = Callable[..., Path]


@pytest.fixture
def bucket(wav: Wav) -> str:
    """An address with recordings of a second and of two, a table and notes below it."""
    base = f"memory:///{uuid.uuid4().hex}"  # as the file system itself writes it
    with fsspec.open(f"{base}/a.wav", "wb") as file:
        file.write(wav(1.0).read_bytes())
    with fsspec.open(f"{base}/sub/b c.wav", "wb") as file:
        file.write(wav(2.0, "b.wav").read_bytes())
    for name in ("notes.md", "list.csv"):
        with fsspec.open(f"{base}/{name}", "wb") as file:
            file.write(b"path\na.wav\n")
    return base


def _names(arguments: list[str]) -> dict[str, str]:
    return {item.name: str(item.source) for item in find_inputs(arguments).items}


def test_addresses_are_told_from_paths() -> None:
    assert is_url("s3://bucket/a.wav") and is_url("HF://datasets/x") and is_url("file:///a.wav")
    assert not is_url("C:\\a.wav") and not is_url("C://a.wav") and not is_url("a/b://c.wav")
    assert not is_url("a.wav") and not is_url("//server/share/a.wav")
    assert place_of("file:///tmp/a%20b.wav") == Path("/tmp/a b.wav")
    assert place_of("s3://bucket/a.wav") == Remote("s3://bucket/a.wav")


def test_folders_globs_and_files_are_listed(bucket: str) -> None:
    both = {"a.wav": f"{bucket}/a.wav", "sub/b c.wav": f"{bucket}/sub/b c.wav"}
    assert _names([bucket]) == both
    assert _names([f"{bucket}/"]) == both
    assert _names([f"{bucket}/sub/*.wav"]) == {"b c.wav": both["sub/b c.wav"]}
    assert _names([f"{bucket}/a.wav"]) == {"a.wav": both["a.wav"]}
    several = _names([f"{bucket}/a.wav", bucket])  # each once, by whole addresses
    assert several == {address: address for address in both.values()}
    found = find_inputs([bucket])
    assert found.skipped == ("list.csv", "notes.md")
    assert {one.source.size_bytes for one in found.items if isinstance(one.source, Remote)} == {
        32044, 64044,
    }  # fmt: skip


def test_addresses_in_lists(bucket: str, wav: Wav, tmp_path: Path) -> None:
    here = wav(1.0, "here.wav")
    table = tmp_path / "list.csv"
    table.write_text(f"path,who\n{bucket}/a.wav,Ann\n{here.as_uri()},Bob\nfile:///gone.wav,Cid\n")
    away, local, gone = find_inputs([str(table)]).items
    assert (away.source, away.columns) == (Remote(f"{bucket}/a.wav"), {"who": "Ann"})
    assert local.source == here
    assert isinstance(gone.source, AudioNotFoundError)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("memory://nothing/here.wav", "No such file"),
        ("memory://nothing/*.wav", "nothing has such a name"),
        ("nonsense://x/a.wav", "nonsense"),
    ],
)
def test_what_is_not_there(address: str, words: str) -> None:
    with pytest.raises(AudioNotFoundError, match=words):
        list(list_remote(address))


def test_lists_are_not_read_from_addresses(bucket: str) -> None:
    with pytest.raises(CorpusError, match="download it first"):
        find_inputs([f"{bucket}/list.csv"])
    with pytest.raises(NoRecordingsError):
        find_inputs([f"{bucket}/notes.md"])


def test_a_recording_is_there_within_the_block(bucket: str) -> None:
    with Sources(AudioConfig()) as sources:
        with sources.path_of(Remote(f"{bucket}/sub/b c.wav")) as path:
            assert (path.name, path.stat().st_size) == ("b c.wav", 64044)
        assert not path.exists()
    assert not path.parent.parent.exists()


def test_parts_of_a_recording_at_an_address(bucket: str) -> None:
    whole = Remote(f"{bucket}/sub/b c.wav")
    with Sources(AudioConfig()) as sources:
        with sources.path_of(Excerpt(whole, 0.5, 1.0)) as path:
            assert path.stat().st_size == 44 + 2 * 8000
        with (
            pytest.raises(AudioTooShortError, match=r"^b c\.wav: 0\.000 s"),
            sources.path_of(Excerpt(whole, 2.0, None)),
        ):
            pass


def test_too_large_ones_are_refused_before_and_while_they_come(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = Remote(f"{bucket}/a.wav")
    with pytest.raises(AudioTooLargeError, match=r"a\.wav: 0\.0 MB"):
        fetch_remote(remote, tmp_path / "x", 32_043)
    fetch_remote(remote, tmp_path / "x", 32_044)
    # A server that does not say how large it is.
    memory = type(fsspec.filesystem("memory"))
    monkeypatch.setattr(memory, "info", lambda self, path: {"name": path, "size": None})
    with pytest.raises(AudioTooLargeError):
        fetch_remote(remote, tmp_path / "x", 32_043)


def test_one_that_went_away_is_named(bucket: str, tmp_path: Path) -> None:
    (item,) = find_inputs([f"{bucket}/a.wav"]).items
    fsspec.filesystem("memory").rm(f"{bucket}/a.wav")
    assert isinstance(item, Input) and isinstance(item.source, Remote)
    with pytest.raises(AudioNotFoundError, match=r"a\.wav: cannot be opened \(No such file"):
        fetch_remote(item.source, tmp_path / "x", 10**6)
