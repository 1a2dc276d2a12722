"""From what a JSON body names to a file: base64, a file of the server, an address."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from emotion.api.problems import invalid_of
from emotion.api.uploads import safe_name
from emotion.core.config import Config
from emotion.core.errors import AudioNotFoundError, ConfigError, OutputError
from emotion.core.request_errors import InputForbiddenError
from emotion.core.results import readable
from emotion.services.fetch import TIMEOUT_S, Fetcher

Parsed = TypeVar("Parsed", bound=BaseModel)


class Named(BaseModel):
    """A JSON body, or a part of one, that names a recording: exactly one of the three `audio_…`."""

    model_config = ConfigDict(extra="forbid")

    audio_base64: str | None = Field(None, description="The recording in base64, or a data: URL")
    audio_path: str | None = Field(
        None, description="A file below the folder that the server's --input-root names"
    )
    audio_url: str | None = Field(
        None, description="An address on a host that the server's --allow-url-host names"
    )
    filename: str | None = Field(None, description="Name of the recording in `audio_base64`")


class Sources:
    """Turns what a body names into a file.

    Args:
        config: Which folders and hosts may be named.
    """

    def __init__(self, config: Config) -> None:
        self._input_root = config.server.input_root
        self._fetcher = Fetcher(
            config.server.url_hosts,
            config.audio.max_upload_bytes,
            min(TIMEOUT_S, config.server.request_timeout_s),
        )

    async def find(self, named: Named, folder: Path) -> Path:
        """The file that a body names; what must be written goes into ``folder``.

        Raises:
            ConfigError: It names none or several, or its base64 is damaged.
            InputForbiddenError: The file is not below the folder that callers may name.
            AudioNotFoundError: There is no such file.
            AddressForbiddenError: The address is not one that callers may name.
            FetchError: The address does not give a recording.
            AudioTooLargeError: What it gives is too large.
        """
        given = [
            name
            for name in ("audio_base64", "audio_path", "audio_url")
            if getattr(named, name) is not None
        ]
        if len(given) != 1:
            expected = "exactly one of audio_base64, audio_path and audio_url"
            raise ConfigError(option="audio", value=", ".join(given) or None, expected=expected)
        if named.audio_path is not None:
            return input_path(self._input_root, named.audio_path)
        if named.audio_url is not None:
            return await self._fetcher.fetch(named.audio_url, folder, safe_name)
        path = folder / safe_name(named.filename)
        await run_in_threadpool(save_base64, named.audio_base64 or "", path)
        return path


async def parse(path: Path, kind: type[Parsed]) -> Parsed:
    """The body that was saved in a file.

    Args:
        path: The file.
        kind: What it must be.

    Raises:
        ConfigError: A field is unknown, or has a wrong value.
        RequestInvalidError: It is not JSON.
    """

    def read() -> Parsed:
        try:
            return kind.model_validate_json(path.read_bytes())
        except ValidationError as e:
            raise invalid_of(e) from e

    return await run_in_threadpool(read)


def input_path(root: Path | None, given: str) -> Path:
    """A file below the folder that callers may name, links and ``..`` resolved first.

    Args:
        root: The folder; None where callers may name no files.
        given: A path in that folder, or an absolute one.

    Raises:
        InputForbiddenError: It is not in the folder.
        AudioNotFoundError: There is no such file in it.
    """
    forbidden = InputForbiddenError(file=readable(Path(given).name))
    if root is None or "\0" in given:
        raise forbidden
    root = root.resolve()
    try:
        path = (root / given).resolve()
        is_file = path.is_file()
    except (OSError, RuntimeError) as e:  # a name too long, links in a circle
        raise forbidden from e
    if not path.is_relative_to(root) or path == root:
        raise forbidden
    if not is_file:
        raise AudioNotFoundError(file=readable(path.name), reason="not found")
    return path


def decode_base64(text: str, option: str = "audio_base64") -> bytes:
    """The bytes of a base64 text, which may be a ``data:`` URL and have line breaks.

    Args:
        text: The text.
        option: What the request calls it.

    Raises:
        ConfigError: It is not base64.
    """
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as e:
        raise ConfigError(option=option, value=text[:20], expected="base64") from e


def save_base64(text: str, path: Path, option: str = "audio_base64") -> None:
    """Writes the bytes of a base64 text to a file.

    Args:
        text: As `decode_base64` takes it.
        path: The file.
        option: What the request calls the text.

    Raises:
        ConfigError: It is not base64.
        OutputError: The file cannot be written.
    """
    data = decode_base64(text, option)
    try:
        path.write_bytes(data)
    except OSError as e:
        raise OutputError(path="uploads", reason=e.strerror or e) from e
