"""Recordings at addresses: ``s3://``, ``gs://``, ``hf://``, ``https://`` and others of fsspec.

Only for the command line and for Python, whose users read with their own rights. The server fetches
through `emotion.services.fetch`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from emotion.core.errors import AudioNotFoundError, AudioTooLargeError, OutputError
from emotion.core.results import readable

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # two letters: not C://
_BLOCK_BYTES: Final = 1 << 20
_MB: Final = 1e6


@dataclass(frozen=True)
class Remote:
    """A recording at an address.

    Attributes:
        url: Where.
        size_bytes: How large it was when it was listed; None where it was not listed.
    """

    url: str
    size_bytes: int | None = None

    def __str__(self) -> str:
        return self.url


def is_url(text: str) -> bool:
    """Whether an argument or a cell of a table is an address, not a path."""
    return _URL.match(text) is not None


def place_of(url: str) -> Path | Remote:
    """What an address stands for: a file of this machine for ``file://``."""
    if url.lower().startswith("file://"):
        return Path(url2pathname(unquote(urlsplit(url).path)))
    return Remote(url)


def list_remote(url: str) -> Iterator[tuple[str, Remote]]:
    """The files that an address names: itself, those below a folder, or those that match a glob.

    Args:
        url: An address; ``*``, ``?`` and ``[`` make it a glob, except for ``http``.

    Yields:
        The name below the folder, and the file; in the order of the names.

    Raises:
        AudioNotFoundError: There is no such file or folder, or the package for it is missing.
    """
    try:
        fs, path = _file_system(url)
        web = url.lower().startswith("http")
        if not web and any(sign in path for sign in "*?["):
            found = fs.glob(path, detail=True)
            base = re.split(r"[*?\[]", path, maxsplit=1)[0].rpartition("/")[0]
        elif not web and fs.isdir(path):
            found = fs.find(path, detail=True)
            base = path.rstrip("/")
        else:
            info = fs.info(path)
            found, base = {path: info}, path.rpartition("/")[0]
    except Exception as e:  # each file system has errors of its own
        raise _not_found(url, e) from e
    files = {name: info for name, info in found.items() if info.get("type") == "file"}
    if not files:
        raise AudioNotFoundError(file=url, reason="nothing has such a name")
    for name in sorted(files):
        inside = name.removeprefix(base).lstrip("/")
        size = files[name].get("size")
        own = url if name == path else fs.unstrip_protocol(name)
        yield inside, Remote(own, int(size) if size is not None else None)


def fetch_remote(remote: Remote, path: Path, maximum_bytes: int) -> None:
    """Copies a recording to a file.

    Args:
        remote: The recording.
        path: Where it goes.
        maximum_bytes: Larger ones are refused, before or while they come.

    Raises:
        AudioNotFoundError: It cannot be read.
        AudioTooLargeError: It is too large.
        OutputError: The copy cannot be written.
    """
    try:
        out = path.open("wb")
    except OSError as e:
        raise OutputError(path=path.parent, reason=e.strerror or str(e)) from e
    with out:
        try:
            fs, inside = _file_system(remote.url)
            _check_size(remote.url, fs.info(inside).get("size") or 0, maximum_bytes)
            source: IO[bytes]
            with fs.open(inside, "rb") as source:
                _copy(source, out, remote.url, maximum_bytes)
        except (AudioTooLargeError, OutputError):
            raise
        except Exception as e:  # each file system has errors of its own
            raise _not_found(remote.url, e) from e


def _copy(source: IO[bytes], out: IO[bytes], url: str, maximum_bytes: int) -> None:
    size = 0
    while block := source.read(_BLOCK_BYTES):
        size += len(block)
        _check_size(url, size, maximum_bytes)
        try:
            out.write(block)
        except OSError as e:
            raise OutputError(path=os.path.dirname(out.name), reason=e.strerror or str(e)) from e


def _check_size(url: str, size: int, maximum_bytes: int) -> None:
    if size > maximum_bytes:
        raise AudioTooLargeError(
            file=readable(url), size_mb=size / _MB, maximum_mb=maximum_bytes / _MB
        )


def _file_system(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    fs, path = url_to_fs(url)
    return fs, str(path)


def _not_found(url: str, error: Exception) -> AudioNotFoundError:
    if isinstance(error, FileNotFoundError):
        reason = "No such file or directory"
    else:
        text = (getattr(error, "strerror", None) or str(error)).partition("\n")[0]
        reason = text or type(error).__name__
    return AudioNotFoundError(file=readable(url), reason=reason)
