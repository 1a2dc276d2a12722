"""SILK v3 voice messages, as WeChat and QQ write them (often named .amr).

The decoder is C code that was not made for damaged files, so it runs in a process of its own and
gets whole packets only.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from emotion.audio.process import piped
from emotion.core.config import SAMPLE_RATE_HZ, AudioConfig
from emotion.core.errors import (
    AudioDecodeError,
    AudioTooLongError,
    CancelledError,
    DecoderTimeoutError,
    OutputError,
)
from emotion.core.results import readable

MAGIC = b"#!SILK_V3"
DAMAGED = "a damaged SILK voice message (WeChat, QQ)"
_MISSING = "SILK needs the package silk-python"
_PACKET_BYTES = 640  # the most that the decoder takes at 16 kHz
_PACKET_S = 0.02
_CHUNK_BYTES = 2 * 5 * SAMPLE_RATE_HZ  # 5 s, whole blocks of `checks`
_CHILD = Path(__file__).with_name("silk_child.py")


@dataclass(frozen=True)
class Packets:
    """The packets of a file.

    Attributes:
        content: Each packet; empty where nothing was sent.
        truncated: Whether the file ends within a packet.
    """

    content: tuple[bytes, ...]
    truncated: bool


def read_packets(path: Path, config: AudioConfig) -> Packets:
    """Splits a file into its packets.

    Args:
        path: The file.
        config: Limits.

    Raises:
        AudioDecodeError: It is no SILK file, or a damaged one.
        AudioTooLongError: It has too many packets.
    """
    name = readable(path.name)
    content: list[bytes] = []
    with path.open("rb") as file:
        head = file.read(1)
        head = (b"" if head == b"\x02" else head) + file.read(len(MAGIC) - (head != b"\x02"))
        if head != MAGIC:
            raise AudioDecodeError(file=name, reason=DAMAGED)
        while len(prefix := file.read(2)) == 2:
            length = int.from_bytes(prefix, "little")
            if length == 0xFFFF:  # the end, in files not made by Tencent
                return Packets(tuple(content), truncated=False)
            packet = file.read(length) if length <= _PACKET_BYTES else b""
            if length > _PACKET_BYTES:
                raise AudioDecodeError(file=name, reason=DAMAGED)
            if len(packet) < length:
                return Packets(tuple(content), truncated=True)
            content.append(packet)
            if len(content) * _PACKET_S > config.max_duration_s:
                raise AudioTooLongError(file=name, maximum_s=config.max_duration_s)
    return Packets(tuple(content), truncated=len(prefix) == 1)


def decode_packets(
    packets: Packets, name: str, config: AudioConfig, cancelled: Callable[[], bool]
) -> Iterator[bytes]:
    """Decodes packets.

    Args:
        packets: From `read_packets`.
        name: The file's name, for errors.
        config: Limits.
        cancelled: Asked between pieces.

    Yields:
        int16, little endian, 16 kHz, mono.

    Raises:
        AudioDecodeError: The decoder refuses them.
        DecoderTimeoutError: It did not finish in time.
        OutputError: The temporary file for the decoder cannot be written.
        CancelledError: ``cancelled`` returned true.
    """
    with _as_file(packets) as file:
        command = [sys.executable, "-I", str(_CHILD), str(SAMPLE_RATE_HZ), *sys.path]
        with piped(command, config.decode_timeout_s, file, cancelled) as run:
            while chunk := run.stdout.read(_CHUNK_BYTES):
                if cancelled():
                    raise CancelledError()
                yield chunk
    if run.timed_out:
        raise DecoderTimeoutError(file=name, timeout_s=config.decode_timeout_s)
    if "ModuleNotFoundError" in run.log:
        raise AudioDecodeError(file=name, reason=_MISSING)
    if run.code:
        raise AudioDecodeError(file=name, reason=DAMAGED)


def _as_file(packets: Packets) -> IO[bytes]:
    try:
        file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by the caller
        file.writelines(len(packet).to_bytes(2, "little") + packet for packet in packets.content)
        file.seek(0)
    except OSError as e:
        raise OutputError(path=tempfile.gettempdir(), reason=e.strerror or str(e)) from e
    return file
