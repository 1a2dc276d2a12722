"""Who may use the server: keys and passwords in files, hashed, read again when they change.

Each line of such a file is ``NAME HASH`` or ``NAME HASH operator``; `emotion access` writes them.
Keys are long and random, so one SHA-256 hides them; passwords are not, so they get scrypt
(RFC 7914; the cost is one of the sets that OWASP's Password Storage Cheat Sheet recommends).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import os
import re
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emotion.core.access_errors import CredentialsError
from emotion.core.errors import ConfigError

logger = logging.getLogger(__name__)

KEY_PREFIX: Final = "emo_"
OPERATOR: Final = "operator"
_NAME = re.compile(r"[\w.@+-]{1,64}")
_COST, _BLOCK, _PARALLEL = 1 << 15, 8, 3  # 32 MB
_MOST_MEMORY_BYTES = 256 << 20
_SALT_BYTES = 16


@dataclass(frozen=True)
class Identity:
    """Who asks.

    Attributes:
        name: Under which runs and jobs are kept.
        operator: Whether the caller may see and change the server as a whole.
        fingerprint: Stands for the key or password; a session ends when it is replaced.
    """

    name: str
    operator: bool
    fingerprint: str


@dataclass(frozen=True)
class Entry:
    """One line of a file of keys or passwords."""

    name: str
    hash: str
    operator: bool = False

    @property
    def identity(self) -> Identity:
        """Whom it stands for."""
        fingerprint = hashlib.sha256(self.hash.encode()).hexdigest()[:16]
        return Identity(self.name, self.operator, fingerprint)

    def line(self) -> str:
        """The entry as it is written."""
        return f"{self.name} {self.hash}{f' {OPERATOR}' if self.operator else ''}\n"


def new_key() -> str:
    """A key that nobody can guess."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """What a file holds for a key."""
    return f"sha256${hashlib.sha256(key.encode()).hexdigest()}"


def hash_password(password: str, salt: bytes | None = None) -> str:
    """What a file holds for a password.

    Args:
        password: The password.
        salt: 16 random bytes by default.
    """
    salt = salt or secrets.token_bytes(_SALT_BYTES)
    found = _scrypt(password, salt, _COST, _BLOCK, _PARALLEL)
    parts = (base64.b64encode(part).decode() for part in (salt, found))
    return f"scrypt${_COST}${_BLOCK}${_PARALLEL}${'$'.join(parts)}"


def check_name(name: str) -> None:
    """Checks the name of a key or a user.

    Raises:
        ConfigError: It cannot be one.
    """
    if not _NAME.fullmatch(name):
        expected = "1 to 64 letters, digits or . _ @ + -"
        raise ConfigError(option="name", value=name, expected=expected)


def read_entries(file: Path) -> list[Entry]:
    """The entries of a file.

    Raises:
        CredentialsError: It cannot be read, or a line is not an entry.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) and e.strerror else "not text in UTF-8"
        raise CredentialsError(file=file, reason=reason) from e
    entries: dict[str, Entry] = {}
    for number, line in enumerate(lines, 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        entry = _entry(words)
        if entry is None:
            raise CredentialsError(file=file, reason=f"line {number} is not NAME HASH [operator]")
        if entry.name in entries:
            raise CredentialsError(file=file, reason=f"line {number} names {entry.name} again")
        entries[entry.name] = entry
    return list(entries.values())


def write_entries(file: Path, entries: Sequence[Entry]) -> None:
    """Writes a file at once, for its owner only.

    Raises:
        CredentialsError: It cannot be written.
    """
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            out.writelines(entry.line() for entry in entries)
        fresh.replace(file)
    except OSError as e:
        fresh.unlink(missing_ok=True)
        raise CredentialsError(file=file, reason=e.strerror or e) from e


def _entry(words: list[str]) -> Entry | None:
    fits = len(words) == 2 or (len(words) == 3 and words[2] == OPERATOR)
    if not fits or not _NAME.fullmatch(words[0]):
        return None
    if not re.fullmatch(r"sha256\$[0-9a-f]{64}|scrypt\$\d+\$\d+\$\d+(\$[\w+/=]+){2}", words[1]):
        return None
    return Entry(words[0], words[1], len(words) == 3)


class _Watched:
    """A file's entries, read again when the file changes."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen = self._stamp()
        self._entries = read_entries(file)
        if not self._entries:
            raise CredentialsError(file=file, reason="it has no entries")
        self._lock = threading.Lock()

    def entries(self) -> list[Entry]:
        """The entries now; those before where a change cannot be read."""
        with self._lock:
            stamp = self._stamp()
            if stamp != self._seen:
                self._seen = stamp
                try:
                    self._entries = read_entries(self._file)
                    logger.info("%s was read again: %d entries", self._file, len(self._entries))
                except CredentialsError as e:
                    logger.error("%s; the entries before stay valid", e.message)
            return self._entries

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


class Access:
    """Checks keys and passwords.

    Args:
        files: Files of keys or passwords, in either form.

    Raises:
        CredentialsError: A file cannot be used.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = [_Watched(file) for file in files]
        self._secret = secrets.token_bytes(32)
        self._known: dict[bytes, str] = {}  # passwords found right: scrypt takes long
        self._nobody = hash_password(secrets.token_hex(8)) if files else ""

    @property
    def required(self) -> bool:
        """Whether a caller must show a key or a password at all."""
        return bool(self._files)

    def key(self, key: str) -> Identity | None:
        """Whose key it is."""
        wanted, found = hash_key(key), None
        for entry in self._entries():
            if hmac.compare_digest(entry.hash, wanted):
                found = entry.identity
        return found

    def known_password(self, name: str, password: str) -> Identity | None:
        """Whose password it is, if it was found right before."""
        stored = self._known.get(self._digest(name, password))
        entries = (e for e in self._entries() if e.name == name and e.hash == stored)
        return next((entry.identity for entry in entries), None)

    def password(self, name: str, password: str) -> Identity | None:
        """Whose password it is; takes a tenth of a second. A key may be the password too."""
        found = self.key(password)
        if found is not None:
            return found if found.name == name else None
        entries = [e for e in self._entries() if e.name == name and e.hash.startswith("scrypt")]
        # Without such a user it takes as long, so that nobody learns the names.
        for entry in entries or [Entry(name, self._nobody)]:
            if _fits(password, entry.hash) and entries:
                if len(self._known) >= 1000:
                    self._known.clear()
                self._known[self._digest(name, password)] = entry.hash
                return entry.identity
        return None

    def session(self, name: str, fingerprint: str) -> Identity | None:
        """Who began a session; nobody once the key or the password was replaced."""
        identities = (entry.identity for entry in self._entries() if entry.name == name)
        return next((one for one in identities if one.fingerprint == fingerprint), None)

    def _entries(self) -> list[Entry]:
        return [entry for file in self._files for entry in file.entries()]

    def _digest(self, name: str, password: str) -> bytes:
        return hmac.digest(self._secret, f"{name}\0{password}".encode(), "sha256")


def _fits(password: str, stored: str) -> bool:
    _, cost, block, parallel, salt, wanted = stored.split("$")
    try:
        found = _scrypt(password, base64.b64decode(salt), int(cost), int(block), int(parallel))
        return hmac.compare_digest(found, base64.b64decode(wanted))
    except ValueError:  # written by hand, with values that scrypt does not take
        return False


def _scrypt(password: str, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    return hashlib.scrypt(
        password.encode(), salt=salt, n=cost, r=block, p=parallel, maxmem=_MOST_MEMORY_BYTES
    )
