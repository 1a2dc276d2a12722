"""Bodies of requests, streamed to a private folder: multipart, JSON or the recording itself."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from email.message import Message
from email.utils import collapse_rfc2231_value
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Literal

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from emotion.api.asking import note_body_read
from emotion.core.errors import OutputError
from emotion.core.request_errors import (
    RequestInvalidError,
    RequestTooLargeError,
    UploadTimeoutError,
)
from emotion.storage.own_folders import make_own

MAX_JSON_BYTES: Final = 32_000_000  # is parsed in memory
FIELD_BYTES: Final = 1 << 16  # of a field of a multipart body
NAMELESS: Final = "recording"
_ENVELOPE_BYTES = 1 << 20  # fields and headers beside the files of a multipart body
_PART_BYTES = 1 << 11  # headers of one file
_MOST_FOLDERS = 16
_MOST_FIELDS = 100
_WRITE_BYTES = 1 << 20
_NAME_BYTES = 200
_NOT_MULTIPART = "it is not valid multipart/form-data"

Kind = Literal["multipart", "json", "raw"]


@dataclass
class Body:
    """What a request brought.

    Attributes:
        kind: How it was sent.
        files: The uploaded files, in order; of JSON the document itself.
        names: What the caller calls them, with ``/`` between folders; empty for JSON.
        fields: The other fields of a multipart body, in order, each with its values.
    """

    kind: Kind
    files: list[Path] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    fields: dict[str, list[str]] = field(default_factory=dict)


class Uploads:
    """A private folder for bodies, as long as the server runs.

    Args:
        maximum_bytes: The largest file.
        timeout_s: A body must be complete within this time.
    """

    def __init__(self, maximum_bytes: int, timeout_s: float) -> None:
        self._maximum_bytes = maximum_bytes
        self._timeout_s = timeout_s
        self._root: Path | None = None

    def open(self) -> None:
        """Makes the folder, and removes those that killed servers left behind."""
        self._root = make_own(Path(tempfile.gettempdir()), "emotion-api-")

    def close(self) -> None:
        """Removes the folder with all that is in it."""
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)

    def make(self) -> Path:
        """A new folder; whoever asks for it removes it.

        Raises:
            OutputError: It cannot be made.
        """
        try:
            return Path(tempfile.mkdtemp(dir=self._root))
        except OSError as e:
            raise OutputError(path="uploads", reason=e.strerror or e) from e

    @contextlib.asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """A folder for the time of a request."""
        folder = self.make()
        try:
            yield folder
        finally:
            await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)

    async def receive(
        self, request: Request, folder: Path, most: int = 1, field_bytes: int = FIELD_BYTES
    ) -> Body:
        """Streams a body into a folder.

        Args:
            request: The request.
            folder: Where the files go.
            most: How many files a multipart body may bring.
            field_bytes: The longest of its other fields.

        Raises:
            RequestTooLargeError: It is larger than allowed; the rest is not read.
            RequestInvalidError: It is damaged, or brings too many files.
            UploadTimeoutError: It was not complete in time.
            OutputError: It cannot be written.
        """
        receiving = self._receive(request, folder, most, field_bytes)
        try:
            return await asyncio.wait_for(receiving, self._timeout_s)
        except (asyncio.TimeoutError, TimeoutError):  # two classes before Python 3.11
            raise UploadTimeoutError(timeout_s=self._timeout_s) from None
        except ClientDisconnect:
            raise
        except OSError as e:
            raise OutputError(path="uploads", reason=e.strerror or e) from e

    async def _receive(self, request: Request, folder: Path, most: int, field_bytes: int) -> Body:
        content_type = request.headers.get("content-type", "").encode("latin-1")
        kind, options = parse_options_header(content_type)
        if kind == b"multipart/form-data":
            envelope = _ENVELOPE_BYTES + (most - 1) * _PART_BYTES
            chunks = _limited(request, self._maximum_bytes + envelope, self._maximum_bytes)
            writer = _Writer(folder, most, field_bytes)
            return await _multipart(chunks, options.get(b"boundary", b""), writer)
        if kind == b"application/json" or kind.endswith(b"+json"):
            limit = min(MAX_JSON_BYTES, self._maximum_bytes + _ENVELOPE_BYTES)
            body = Body("json", [folder / "body.json"])
            chunks = _limited(request, limit, limit)
        else:
            name = safe_name(_given_name(request))
            body = Body("raw", [folder / name], [name])
            chunks = _limited(request, self._maximum_bytes, self._maximum_bytes)
        async with _Spool(body.files[0]) as spool:
            async for chunk in chunks:
                await spool.write(chunk)
        return body


def safe_name(name: str | None) -> str:
    """The name for a file that a caller calls so: without folders and control characters."""
    last = (name or "").replace("\\", "/").rpartition("/")[2]
    last = "".join(c for c in last if c.isprintable()).strip()
    last = last.encode("utf-8", "ignore").decode()
    if last in ("", ".", ".."):
        return NAMELESS
    stem, dot, suffix = last.rpartition(".")
    suffix = dot + suffix if stem and len(suffix.encode()) <= 20 else ""
    stem = last.removesuffix(suffix) if suffix else last
    return stem.encode()[:_NAME_BYTES].decode("utf-8", "ignore") + suffix


def relative_name(name: str) -> str:
    """What to call a file that a caller calls so: with its sub-folders, but never a way out.

    A path that begins at a root or on a drive is of the caller's machine: its last part is kept.
    """
    parts = name.replace("\\", "/").split("/")
    if not parts[0] or parts[0].endswith(":"):
        return safe_name(name)
    folders = [safe_name(part) for part in parts[:-1] if part.strip() not in ("", ".", "..")]
    return "/".join([*folders[-_MOST_FOLDERS:], safe_name(parts[-1])])


def _given_name(request: Request) -> str | None:
    """The name of a raw body: the option, else the header."""
    name = request.query_params.get("filename")
    if name:
        return name
    message = Message()
    message["content-disposition"] = request.headers.get("content-disposition", "")
    found = message.get_param("filename", None, "content-disposition")
    return collapse_rfc2231_value(found) if found else None


async def _limited(request: Request, limit: int, shown: int) -> AsyncIterator[bytes]:
    """The chunks of a body; ends with an error as soon as there are more bytes than allowed."""
    error = RequestTooLargeError(maximum_mb=round(shown / 1e6, 1))
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise error
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise error
        yield chunk
    note_body_read(request)


class _Spool:
    """Writes a file; large ones in another thread, a megabyte at a time."""

    def __init__(self, path: Path) -> None:
        self._file: BinaryIO = path.open("xb")
        self._chunks: list[bytes] = []
        self._size = 0

    async def __aenter__(self) -> _Spool:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        else:
            self.close()

    async def write(self, chunk: bytes) -> None:
        """Adds a chunk."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        if self._size >= _WRITE_BYTES:
            await run_in_threadpool(self._file.writelines, self._chunks)
            self._chunks, self._size = [], 0

    def finish(self) -> None:
        """Writes what is left, and closes the file."""
        with self._file:
            self._file.writelines(self._chunks)

    def close(self) -> None:
        """Closes the file, complete or not."""
        self._file.close()


class _Parts:
    """What the parser of a multipart body tells, as events for an asynchronous writer."""

    def __init__(self) -> None:
        self.events: list[tuple[str, bytes]] = []
        self._header = bytearray()
        self._value = bytearray()
        self.headers: dict[bytes, bytes] = {}

    def callbacks(self) -> dict[str, Callable[..., None]]:
        """What to give to the parser."""
        return {
            "on_part_begin": self.headers.clear,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_ends,
            "on_headers_finished": self._begins,
            "on_part_data": lambda data, start, end: self._tell("data", data[start:end]),
            "on_part_end": lambda: self._tell("end", b""),
            "on_end": lambda: self._tell("last", b""),
        }

    def _header_ends(self) -> None:
        self.headers[bytes(self._header).lower()] = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _begins(self) -> None:
        self._tell("begin", self.headers.get(b"content-disposition", b""))

    def _tell(self, event: str, data: bytes) -> None:
        self.events.append((event, data))

    def take(self) -> list[tuple[str, bytes]]:
        """The events since the last call."""
        events, self.events = self.events, []
        return events


async def _multipart(chunks: AsyncIterator[bytes], boundary: bytes, writer: _Writer) -> Body:
    if not boundary:
        raise RequestInvalidError(reason=_NOT_MULTIPART)
    parts = _Parts()
    try:
        parser = MultipartParser(boundary, parts.callbacks())  # type: ignore[arg-type]
        async for chunk in chunks:
            parser.write(chunk)
            for event, data in parts.take():
                await writer.handle(event, data)
        parser.finalize()
    except FormParserError as e:
        raise RequestInvalidError(reason=_NOT_MULTIPART) from e
    finally:
        writer.close()
    if not writer.complete:
        raise RequestInvalidError(reason="the body ended too early")
    return writer.body


class _Writer:
    """Puts the parts of a multipart body where they belong."""

    def __init__(self, folder: Path, most: int, field_bytes: int) -> None:
        self.body = Body("multipart")
        self.complete = False
        self._folder = folder
        self._most = most
        self._field_bytes = field_bytes
        self._file: _Spool | None = None
        self._name = ""
        self._value = bytearray()

    async def handle(self, event: str, data: bytes) -> None:
        """Does what an event asks for."""
        if event == "begin":
            self._begin(data)
        elif event == "data" and self._file is not None:
            await self._file.write(data)
        elif event == "data":
            self._value += data
            if len(self._value) > self._field_bytes:
                raise RequestInvalidError(reason=_NOT_MULTIPART)
        elif event == "end":
            self._end()
        else:
            self.complete = True

    def _begin(self, disposition: bytes) -> None:
        _, options = parse_options_header(disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._value.clear()
        if b"filename" not in options:
            if len(self.body.fields) >= _MOST_FIELDS:
                raise RequestInvalidError(reason=_NOT_MULTIPART)
            return
        if self._name not in ("file", "files"):
            raise RequestInvalidError(reason="there is no part named file")
        if len(self.body.files) >= self._most:
            many = f"there are more than {self._most} files"
            raise RequestInvalidError(
                reason=many if self._most > 1 else "there is more than one file"
            )
        own = self._folder / f"{len(self.body.files):04}"
        own.mkdir()
        given = options[b"filename"].decode("utf-8", "replace")
        name = safe_name(given)
        self._file = _Spool(own / name)
        self.body.files.append(own / name)
        self.body.names.append(relative_name(given))

    def _end(self) -> None:
        if self._file is not None:
            self._file.finish()
            self._file = None
        else:
            value = self._value.decode("utf-8", "replace")
            self.body.fields.setdefault(self._name, []).append(value)

    def close(self) -> None:
        """Closes the file that is being written, if any."""
        if self._file is not None:
            self._file.close()
            self._file = None
