"""Recordings from addresses: which may be fetched, redirects, limits, rebinding."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emotion.core.errors import AudioTooLargeError, OutputError
from emotion.core.request_errors import AddressForbiddenError, FetchError
from emotion.services.fetch import Fetcher, is_public, resolve


@dataclass
class Site:
    """A web site on the loopback address, and the requests that it saw."""

    port: int
    seen: list[tuple[str, str]] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.seen.append((self.headers["Host"], self.path))
            if self.path.startswith("/to/"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/to/"))
                self.end_headers()
                return
            self.send_response(404 if self.path == "/none" else 200)
            if self.path != "/endless":
                self.send_header("Content-Length", "5")
            self.end_headers()
            if self.path == "/slow":
                stop.wait(20)
            self.wfile.write(b"x" * 2000 if self.path == "/endless" else b"audio")

        def log_message(self, format: str, *args: object) -> None: ...

    stop = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Site(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    stop.set()
    server.shutdown()
    thread.join()
    server.server_close()


async def home(host: str, port: int) -> list[str]:
    """Every host is this machine."""
    return ["127.0.0.1"]


def fetch(
    url: str,
    folder: Path,
    hosts: tuple[str, ...],
    *,
    maximum_bytes: int = 1000,
    timeout_s: float = 20.0,
) -> Path:
    """Fetches as if the loopback address were public."""
    fetcher = Fetcher(hosts, maximum_bytes, timeout_s, resolve=home, public=lambda address: True)
    return asyncio.run(fetcher.fetch(url, folder, lambda path: path.rpartition("/")[2] or "x"))


def test_a_file_of_an_allowed_host(site: Site, tmp_path: Path) -> None:
    host = f"Audio.example:{site.port}"
    path = fetch(f"http://audio.EXAMPLE:{site.port}/a/%E4%BD%A0.wav?x=1#y", tmp_path, (host,))
    assert (path.name, path.read_bytes()) == ("你.wav", b"audio")
    assert site.seen == [(f"audio.example:{site.port}", "/a/%E4%BD%A0.wav?x=1")]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://other.example/a.wav", "its host is not allowed"),
        ("http://audio.example.evil/a.wav", "its host is not allowed"),
        ("http://audio.example:81/a.wav", "its port is not allowed"),
        ("http://audio.example@evil.example/", "it has a user name"),
        ("http://evil.example\\@audio.example/", "it has a user name"),
        ("http://user:secret@audio.example/", "it has a user name"),
        ("ftp://audio.example/a.wav", "only http and https are"),
        ("file:///etc/passwd", "only http and https are"),
        ("gopher://audio.example:70/", "only http and https are"),
        ("/etc/passwd", "only http and https are"),
        ("", "only http and https are"),
    ],
)
def test_addresses_that_are_not_allowed(url: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(AddressForbiddenError) as caught:
        fetch(url, tmp_path, ("audio.example",))
    assert "secret" not in str(caught.value)
    assert caught.value.params["reason"] == reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)
def test_private_addresses(address: str, tmp_path: Path) -> None:
    assert not is_public(address)

    async def there(host: str, port: int) -> Sequence[str]:
        return ["8.8.8.8", address]

    fetcher = Fetcher(("audio.example",), 1000, resolve=there)
    with pytest.raises(AddressForbiddenError, match="it is a private address"):
        asyncio.run(fetcher.fetch("http://audio.example/a.wav", tmp_path, str))


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


def test_this_machine_is_never_fetched_from(site: Site, tmp_path: Path) -> None:
    for host in ("localhost", "127.0.0.1", "[::1]", "0x7f.1", "2130706433"):
        fetcher = Fetcher((f"{host.strip('[]')}:{site.port}",), 1000)
        with pytest.raises((AddressForbiddenError, FetchError)):
            asyncio.run(fetcher.fetch(f"http://{host}:{site.port}/a.wav", tmp_path, str))
    assert site.seen == []
    assert "127.0.0.1" in asyncio.run(resolve("localhost", 80))


def test_the_connection_goes_to_the_address_that_was_checked(site: Site, tmp_path: Path) -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    fetcher = Fetcher(
        (f"audio.example:{site.port}",), 1000, resolve=rebinding, public=lambda _: True
    )
    url = f"http://audio.example:{site.port}/a.wav"
    assert asyncio.run(fetcher.fetch(url, tmp_path, lambda _: "a.wav")).read_bytes() == b"audio"
    assert asked == ["audio.example"]


def test_redirects_are_checked_again(site: Site, tmp_path: Path) -> None:
    base = f"http://audio.example:{site.port}"
    hosts = (f"audio.example:{site.port}", f"other.example:{site.port}")
    target = f"http://other.example:{site.port}/b.wav"
    assert fetch(f"{base}/to/{target}", tmp_path, hosts).name == "b.wav"
    assert [host.partition(":")[0] for host, _ in site.seen] == ["audio.example", "other.example"]
    for forbidden in (
        f"http://127.0.0.1:{site.port}/x",
        "file:///etc/passwd",
        f"http://user@audio.example:{site.port}/",
        "http://audio.example:22/",
    ):
        with pytest.raises(AddressForbiddenError):
            fetch(f"{base}/to/{forbidden}", tmp_path, hosts)
    assert {path for _, path in site.seen if not path.startswith("/to/")} == {"/b.wav"}


def test_redirects_end(site: Site, tmp_path: Path) -> None:
    base = f"http://audio.example:{site.port}"
    chain = "/to/" * 6 + "/end"
    with pytest.raises(FetchError, match="it has too many redirects"):
        fetch(f"{base}{chain}", tmp_path, (f"audio.example:{site.port}",))
    assert len(site.seen) == 6


@pytest.mark.parametrize("path", ["/a.wav", "/endless"])
def test_a_file_that_is_too_large(site: Site, tmp_path: Path, path: str) -> None:
    with pytest.raises(AudioTooLargeError):
        fetch(f"http://a.example:{site.port}{path}", tmp_path, (f"a.example:{site.port}",),
              maximum_bytes=4)  # fmt: skip


def test_a_file_that_is_slow_or_not_there(site: Site, tmp_path: Path) -> None:
    base, hosts = f"http://a.example:{site.port}", (f"a.example:{site.port}",)
    with pytest.raises(FetchError, match="it took too long"):
        fetch(f"{base}/slow", tmp_path, hosts, timeout_s=0.2)
    with pytest.raises(FetchError, match="HTTP 404"):
        fetch(f"{base}/none", tmp_path, hosts)
    with pytest.raises(FetchError):
        fetch("http://a.example:1/a.wav", tmp_path, ("a.example:1",))
    with pytest.raises(OutputError):
        fetch(f"{base}/a.wav", tmp_path / "missing", hosts)


def test_a_host_that_does_not_resolve(tmp_path: Path) -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    fetcher = Fetcher(("a.example",), 1000, resolve=nowhere)
    with pytest.raises(FetchError, match="Name or service not known"):
        asyncio.run(fetcher.fetch("https://a.example/x", tmp_path, str))
