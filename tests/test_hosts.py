"""Hosts in addresses."""

from __future__ import annotations

import pytest

from emotion.core.hosts import Hosts, host_of, is_loopback, origin_of

HOSTS = Hosts(["https://emotion.example.org/app", "http://other:8080"], "myserver")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", "", "localhost.x"])
def test_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("authority", "host"),
    [
        ("LOCALHOST:7860", "localhost"),
        ("[::1]:7860", "::1"),
        ("a.example", "a.example"),
        ("[broken", ""),
        ("", ""),
    ],
)
def test_the_host_of_an_authority(authority: str, host: str) -> None:
    assert host_of(authority) == host


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://A.example/x?y", "https://a.example"),
        ("https://a.example:443", "https://a.example"),
        ("http://a.example:443", "http://a.example:443"),
        ("http://[::1]:80/", "http://[::1]"),
        ("ftp://a.example", None),
        ("a.example", None),
        ("http://a.example:port", None),
        ("null", None),
        ("http://", None),
    ],
)
def test_origins(url: str, origin: str | None) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    "authority",
    [
        "localhost:7860", "127.0.0.1:7860", "[::1]:7860", "192.168.1.5:7860",
        "emotion.example.org", "EMOTION.example.org:443", "other:8080", "myserver:7860",
    ],
)  # fmt: skip
def test_names_of_this_server(authority: str) -> None:
    assert HOSTS.knows(authority)


@pytest.mark.parametrize(
    "authority", ["evil.example", "emotion.example.org.evil.example", "", "localhost.evil.example"]
)
def test_other_names(authority: str) -> None:
    assert not HOSTS.knows(authority)


@pytest.mark.parametrize(
    ("origin", "authority", "same"),
    [
        ("http://127.0.0.1:7860", "127.0.0.1:7860", True),
        ("https://myserver", "myserver", True),  # a proxy took TLS off
        ("https://emotion.example.org", "127.0.0.1:7860", True),
        ("http://127.0.0.1:8000", "127.0.0.1:7860", False),
        ("http://localhost:7860", "127.0.0.1:7860", False),
        ("https://evil.example", "emotion.example.org", False),
        ("http://emotion.example.org", "127.0.0.1:7860", False),
        ("null", "127.0.0.1:7860", False),
    ],
)
def test_pages_of_this_server(origin: str, authority: str, same: bool) -> None:
    assert HOSTS.same_origin(origin, authority) is same
