from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from emotion.core.config import Hub
from emotion.core.errors import CancelledError
from emotion.core.registry import MODELS
from emotion.models import hubs
from emotion.models.hubs import HubFailedError, Limits, NotUnderstoodError, RemoteFile
from tests.hub_server import FILES, HubServer, refused

LARGE = MODELS["emotion2vec_plus_large"]
CHUNK = 64 * 1024
SIZE = len(FILES["model.pt"])
QUICK = Limits(answer_s=0.3, stall_s=0.3)  # for hubs that never answer
PATIENT = Limits(answer_s=20.0, stall_s=20.0)
EITHER = pytest.mark.parametrize("source", ["ms", "hf"])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    monkeypatch.delenv("MODELSCOPE_ENDPOINT", raising=False)
    with HubServer() as running:
        monkeypatch.setenv("MODELSCOPE_DOMAIN", running.address)
        monkeypatch.setenv("HF_ENDPOINT", f"http://{running.address}/")
        yield running


def listed(name: str, source: Hub = "ms") -> RemoteFile:
    (file,) = (file for file in hubs.list_files(source, LARGE, PATIENT) if file.name == name)
    return file


def get(path: Path, name: str = "model.pt", source: Hub = "ms", limits: Limits = PATIENT) -> bytes:
    hubs.download(listed(name, source), path, limits, lambda done_bytes: None)
    return path.read_bytes()


# Addresses.


@pytest.mark.parametrize(
    ("variable", "value", "source", "expected"),
    [
        ("MODELSCOPE_DOMAIN", "", "ms", "https://www.modelscope.cn"),
        ("MODELSCOPE_DOMAIN", "mirror.example", "ms", "https://mirror.example"),
        ("MODELSCOPE_DOMAIN", "http://mirror.example/", "ms", "http://mirror.example"),
        ("MODELSCOPE_DOMAIN", "127.0.0.1:80", "ms", "http://127.0.0.1:80"),
        ("MODELSCOPE_DOMAIN", "localhost:80", "ms", "http://localhost:80"),
        ("MODELSCOPE_DOMAIN", "[::1]:80", "ms", "http://[::1]:80"),
        ("MODELSCOPE_ENDPOINT", "https://mirror.example", "ms", "https://mirror.example"),
        ("HF_ENDPOINT", "", "hf", "https://huggingface.co"),
        ("HF_ENDPOINT", "https://mirror.example/hf/", "hf", "https://mirror.example/hf"),
    ],
)
def test_endpoints_are_read_when_asked(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, source: Hub, expected: str
) -> None:
    for name in ("MODELSCOPE_DOMAIN", "MODELSCOPE_ENDPOINT", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, value)
    assert hubs.endpoint(source) == expected


@EITHER
def test_the_list_has_sizes_and_hashes(server: HubServer, source: Hub) -> None:
    files = hubs.list_files(source, LARGE, PATIENT)
    assert [file.name for file in files] == list(LARGE.files)
    assert all(file.size_bytes == len(FILES[file.name]) for file in files)
    assert files[-1].sha256 == hashlib.sha256(FILES["model.pt"]).hexdigest()


def test_modelscopes_own_package_asks_the_same(server: HubServer, tmp_path: Path) -> None:
    from modelscope_hub import HubApi, HubConfig

    config = HubConfig(endpoint=f"http://{server.address}", config_dir=tmp_path, token="")
    theirs = HubApi(config=config).list_repo_files(str(LARGE.modelscope_id), "model")
    ours = hubs.list_files("ms", LARGE, PATIENT)
    assert {(file.path, file.size, file.sha256) for file in theirs} >= {
        (file.name, file.size_bytes, file.sha256) for file in ours
    }
    assert server.paths[0] == server.paths[1]


def test_hugging_faces_own_package_builds_the_same_addresses(server: HubServer) -> None:
    from huggingface_hub import hf_hub_url

    address = f"http://{server.address}"
    for file in hubs.list_files("hf", LARGE, PATIENT):
        repo = str(LARGE.huggingface_id)
        assert file.url == hf_hub_url(repo, file.name, revision="main", endpoint=address)


@EITHER
def test_a_proxy_is_not_asked_for_the_machine_itself(
    server: HubServer, source: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://{refused()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert get(tmp_path / "a", source=source) == FILES["model.pt"]


# Hubs that do not answer, or not with a list.


@pytest.mark.parametrize(
    ("source", "listing", "expected"),
    [
        ("ms", b"<html>Please sign in</html>", "not a list of files"),
        ("hf", b"<html>Please sign in</html>", "not a list of files"),
        ("ms", b'{"Data": null}', "not understood"),
        ("ms", b'{"Data": {"Files": [{"Path": "model.pt"}]}}', "not understood"),
        ("hf", b"[]", "not understood"),
        ("hf", b'{"siblings": [{"rfilename": "model.pt", "size": null}]}', "not understood"),
    ],
)
def test_answers_that_are_no_list(
    server: HubServer, source: Hub, listing: bytes, expected: str
) -> None:
    server.faults.listing = listing
    with pytest.raises(NotUnderstoodError, match=expected):
        hubs.list_files(source, LARGE, PATIENT)


@EITHER
@pytest.mark.parametrize("name", ["", "model.pt"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [(404, NotUnderstoodError), (403, HubFailedError), (503, HubFailedError)],
)
def test_http_errors(
    server: HubServer, tmp_path: Path, source: Hub, name: str, code: int, kind: type[Exception]
) -> None:
    server.faults.status[name] = code
    with pytest.raises(HubFailedError, match=f"HTTP {code}") as caught:
        get(tmp_path / "a", source=source)
    assert type(caught.value) is kind


@EITHER
def test_a_web_page_is_no_file(server: HubServer, tmp_path: Path, source: Hub) -> None:
    server.faults.content_type["model.pt"] = "text/html"
    with pytest.raises(NotUnderstoodError, match=r"model\.pt: the answer is a web page"):
        get(tmp_path / "a", source=source)


@EITHER
def test_a_refused_connection(source: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELSCOPE_DOMAIN", refused())
    monkeypatch.setenv("HF_ENDPOINT", refused())
    with pytest.raises(HubFailedError, match="Connection refused"):
        hubs.list_files(source, LARGE, PATIENT)


def test_a_silent_hub_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with HubServer(silent=True) as silent:
        monkeypatch.setenv("MODELSCOPE_DOMAIN", silent.address)
        started_s = time.monotonic()
        with pytest.raises(HubFailedError, match=r"no answer within 0\.3 s"):
            hubs.list_files("ms", LARGE, QUICK)
        assert time.monotonic() - started_s < 3


def test_users_limits_are_below_ten_seconds() -> None:
    assert Limits().answer_s < 10
    assert Limits().stall_s < 10


def test_a_name_lookup_that_hangs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*args: Any, **kwargs: Any) -> Any:
        release.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setenv("MODELSCOPE_DOMAIN", "hub.invalid")
    with pytest.raises(HubFailedError, match=r"no answer within 0\.3 s"):
        hubs.list_files("ms", LARGE, QUICK)
    release.set()
    for thread in threading.enumerate():
        if thread.name == "hub-request":
            thread.join()


def test_an_answer_that_comes_too_late_is_closed(
    server: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    release, closed = threading.Event(), threading.Event()
    plain_get = requests.get

    def late(*args: Any, **kwargs: Any) -> Any:
        response = plain_get(*args, **kwargs)
        response.close = closed.set  # type: ignore[method-assign]
        release.wait()
        return response

    monkeypatch.setattr(requests, "get", late)
    with pytest.raises(HubFailedError, match="no answer"):
        hubs.list_files("ms", LARGE, QUICK)
    release.set()
    assert closed.wait(10)


def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")
    with pytest.raises(HubFailedError, match=r"^Name or service not known$"):
        hubs.list_files("hf", LARGE, PATIENT)


@pytest.mark.parametrize("address", ["http://[", "https://", "ftp://mirror.example", "a b"])
def test_an_address_that_is_none(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    with pytest.raises(HubFailedError):
        hubs.list_files("hf", LARGE, PATIENT)


# Transfers.


@EITHER
def test_a_cut_transfer_is_resumed(server: HubServer, source: Hub, tmp_path: Path) -> None:
    server.faults.cut["model.pt"] = [4 * CHUNK, 3 * CHUNK]
    assert get(tmp_path / "a", source=source) == FILES["model.pt"]
    assert server.ranges("model.pt") == [None, "bytes=262144-", "bytes=458752-"]


def test_a_hub_without_ranges_starts_anew(server: HubServer, tmp_path: Path) -> None:
    server.faults.cut["model.pt"] = [4 * CHUNK]
    server.faults.no_range = True
    assert get(tmp_path / "a") == FILES["model.pt"]
    assert server.count("model.pt") == 2


def test_resumes_are_limited(server: HubServer, tmp_path: Path) -> None:
    server.faults.cut["model.pt"] = [CHUNK] * 9
    with pytest.raises(HubFailedError, match=r"model\.pt was cut 3 times"):
        get(tmp_path / "a", limits=Limits(resumes=2))
    assert (tmp_path / "a").stat().st_size == 3 * CHUNK


def test_a_cut_that_brought_nothing_ends_it(server: HubServer, tmp_path: Path) -> None:
    server.faults.cut["model.pt"] = [0] * 9
    with pytest.raises(HubFailedError, match=r"model\.pt: IncompleteRead"):
        get(tmp_path / "a")
    assert server.count("model.pt") == 1


def test_a_transfer_that_stalls_is_resumed_or_ended(server: HubServer, tmp_path: Path) -> None:
    server.faults.stall["model.pt"] = 2 * CHUNK
    with pytest.raises(HubFailedError, match=r"model\.pt was cut 2 times"):
        get(tmp_path / "a", limits=Limits(answer_s=0.3, stall_s=0.1, resumes=1))
    assert (tmp_path / "a").stat().st_size == 4 * CHUNK


@pytest.mark.parametrize(
    ("difference", "expected"),
    [(5, rf"{SIZE} bytes, but the hub announces {SIZE + 5}"), (-5, rf"more than the {SIZE - 5}")],
)
def test_a_wrong_size(server: HubServer, tmp_path: Path, difference: int, expected: str) -> None:
    server.faults.announce_size["model.pt"] = SIZE + difference
    with pytest.raises(HubFailedError, match=expected):
        get(tmp_path / "a")
    assert server.count("model.pt") == 2  # once more, then no more
    assert not (tmp_path / "a").exists()


def test_a_wrong_hash(server: HubServer, tmp_path: Path) -> None:
    server.faults.announce_sha256["model.pt"] = "0" * 64
    with pytest.raises(HubFailedError, match=r"model\.pt is damaged: SHA-256 .* announces 0000"):
        get(tmp_path / "a")
    assert server.count("model.pt") == 2
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("announced", [None, "", "not a hash"])
def test_a_hash_that_is_not_announced(
    server: HubServer, tmp_path: Path, announced: str | None
) -> None:
    server.faults.announce_sha256["model.pt"] = announced
    assert get(tmp_path / "a") == FILES["model.pt"]


def test_damage_on_the_way_is_repaired(server: HubServer, tmp_path: Path) -> None:
    server.faults.bodies["model.pt"] = [b"?" * SIZE]
    assert get(tmp_path / "a") == FILES["model.pt"]
    server.faults.bodies["tokens.txt"] = [b"<html>"]
    assert get(tmp_path / "b", "tokens.txt") == FILES["tokens.txt"]


@pytest.mark.parametrize("begun", [b"of another version", FILES["model.pt"] + b"too long"])
def test_a_stale_beginning_is_not_used(server: HubServer, tmp_path: Path, begun: bytes) -> None:
    (tmp_path / "a").write_bytes(begun)
    assert get(tmp_path / "a") == FILES["model.pt"]
    assert server.ranges("model.pt")[-1] is None


def test_a_beginning_longer_than_the_hubs_file(server: HubServer, tmp_path: Path) -> None:
    server.faults.announce_size["model.pt"] = SIZE + 5
    (tmp_path / "a").write_bytes(FILES["model.pt"] + b"x")
    with pytest.raises(HubFailedError, match=r"model\.pt is damaged"):
        get(tmp_path / "a")
    assert server.ranges("model.pt") == [f"bytes={SIZE + 1}-", None]


def test_a_complete_file_is_only_checked(server: HubServer, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(FILES["model.pt"])
    assert get(tmp_path / "a") == FILES["model.pt"]
    assert not server.count("model.pt")


def test_an_empty_file(server: HubServer, tmp_path: Path) -> None:
    server.files["README.md"] = b""
    assert get(tmp_path / "a", "README.md") == b""


def test_the_callback_tells_how_much_and_may_stop(server: HubServer, tmp_path: Path) -> None:
    seen: list[int] = []

    def advance(done_bytes: int) -> None:
        seen.append(done_bytes)
        if done_bytes >= 5 * CHUNK:
            raise CancelledError()

    with pytest.raises(CancelledError):
        hubs.download(listed("model.pt"), tmp_path / "a", PATIENT, advance)
    assert seen == [n * CHUNK for n in range(6)]
    assert (tmp_path / "a").stat().st_size == 5 * CHUNK
