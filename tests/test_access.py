"""Keys and passwords in files."""

from __future__ import annotations

import io
import logging
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from emotion.cli.main import main
from emotion.core.access_errors import CredentialsError
from emotion.core.errors import ConfigError
from emotion.services import access
from emotion.services.access import (
    Access,
    Entry,
    check_name,
    hash_key,
    hash_password,
    new_key,
    read_entries,
    write_entries,
)

KEY = "emo_testing-key"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_COST", 16)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "entries"
    entries = [
        Entry("ann", hash_key(KEY)),
        Entry("bob", hash_password("geheim"), operator=True),
    ]
    write_entries(path, entries)
    return path


def touch(file: Path, text: str) -> None:
    """Changes a file so that its time differs too."""
    file.write_text(text, encoding="utf-8")
    now = file.stat().st_mtime_ns + 1_000_000_000
    os.utime(file, ns=(now, now))


def test_nothing_secret_is_in_the_file(file: Path) -> None:
    text = file.read_text("utf-8")
    assert KEY not in text and "geheim" not in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(file.parent) == [file.name]
    assert hash_password("geheim") != hash_password("geheim")  # each has a salt of its own


def test_keys_and_passwords(file: Path) -> None:
    found = Access([file])
    assert found.required
    ann, bob = found.key(KEY), found.password("bob", "geheim")
    assert ann is not None and (ann.name, ann.operator) == ("ann", False)
    assert bob is not None and (bob.name, bob.operator) == ("bob", True)
    assert found.password("ann", KEY) == ann  # the page has one form for both
    for wrong in ("", "emo_", KEY + "x", KEY.upper(), file.read_text("utf-8").split()[1]):
        assert found.key(wrong) is None
    for name, password in (("bob", "Geheim"), ("ann", "geheim"), ("nobody", "x"), ("bob", KEY)):
        assert found.password(name, password) is None


def test_a_password_is_hashed_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Access([file])
    assert found.known_password("bob", "geheim") is None
    bob = found.password("bob", "geheim")
    monkeypatch.setattr(access, "_scrypt", lambda *_: pytest.fail("hashed again"))
    assert found.known_password("bob", "geheim") == bob
    assert found.known_password("bob", "other") is None
    touch(file, Entry("bob", "scrypt$16$8$3$AAAA$AAAA").line())
    assert found.known_password("bob", "geheim") is None


def test_an_unknown_name_takes_as_long(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, hashed = Access([file]), []
    plain = access._scrypt

    def counted(*arguments: Any) -> bytes:
        hashed.append(arguments[2:])
        return plain(*arguments)

    monkeypatch.setattr(access, "_scrypt", counted)
    assert found.password("nobody", "x") is None
    assert found.password("bob", "x") is None
    assert len(hashed) == 2 and hashed[0] == hashed[1]


def test_a_change_counts_at_once(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = Access([file])
    ann = found.key(KEY)
    assert ann is not None and found.session("ann", ann.fingerprint) == ann
    key = new_key()
    touch(file, Entry("ann", hash_key(key), operator=True).line())
    assert found.key(KEY) is None and found.session("ann", ann.fingerprint) is None
    again = found.key(key)
    assert again is not None and again.operator
    with caplog.at_level(logging.ERROR):
        touch(file, "broken line of words here")
        assert found.key(key) == again
    assert "line 1 is not NAME HASH [operator]); the entries before stay valid" in caplog.text
    touch(file, "# nobody\n")
    assert found.key(key) is None and found.required


def test_a_file_that_disappears_keeps_its_entries(file: Path) -> None:
    found = Access([file])
    file.unlink()
    assert found.key(KEY) is not None


def test_without_files_anyone_may() -> None:
    assert not Access([]).required


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it has no entries"),
        ("# only a comment\n\n", "it has no entries"),
        ("ann plain-text", "line 1 is not"),
        ("\nann " + "sha256$" + "0" * 63, "line 2 is not"),
        ("an/n " + hash_key("x"), "line 1 is not"),
        (f"ann {hash_key('x')} admin", "line 1 is not"),
        (f"ann {hash_key('x')}\nann {hash_key('y')}", "line 2 names ann again"),
        ("ann \udcff", "not text in UTF-8"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "bad"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CredentialsError, match=reason):
        Access([file])


def test_missing_and_unwritable_files(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="No such file"):
        read_entries(tmp_path / "none")
    with pytest.raises(CredentialsError, match="No such file"):
        write_entries(tmp_path / "none" / "file", [])


def test_a_hash_written_by_hand_does_not_break_the_server(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("ann scrypt$3$8$1$AAAA$AAAA\n", encoding="utf-8")
    assert Access([file]).password("ann", "x") is None


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a/b", "#a", "x" * 65])
def test_names(name: str) -> None:
    with pytest.raises(ConfigError, match="name is"):
        check_name(name)


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    at = ["--file", str(file)]
    assert main(["access", "add-key", "ann", *at]) == 0
    key = capsys.readouterr().out.strip()
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main(["access", "add-user", "bob", *at]) == 2  # an empty password
    assert "at least 8 characters" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO("long enough\n"))
    assert main(["access", "add-user", "bob", "--operator", *at]) == 0
    assert main(["access", "list", *at]) == 0
    assert capsys.readouterr().out == "ann\tkey\nbob\tpassword\toperator\n"
    found = Access([file])
    assert found.key(key) is not None and found.password("bob", "long enough") is not None
    assert main(["access", "add-key", "ann", *at]) == 0
    assert found.key(key) is None  # replaced
    assert main(["access", "remove", "ann", *at]) == 0
    assert main(["access", "remove", "ann", *at]) == 2
    assert "one of: bob" in capsys.readouterr().err
