"""AIFF, Wave64 and CAF files with more PCM than their headers say.

FFmpeg stops where such a header tells it to. Read as raw samples from where they begin, nothing is
lost. (For WAV, FFmpeg has an option of its own.)
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

_CHUNKS = 1000
_HEAD_BYTES = 64
_SLACK_S = 0.1
_W64_RIFF = b"riff\x2e\x91\xcf\x11"
_W64_GUID = bytes.fromhex("f3acd3118cd100c04f8edb8a")  # follows the four letters of a chunk's name


@dataclass(frozen=True)
class StalePcm:
    """Samples that go on past their declared end.

    Attributes:
        container: FFmpeg's name of the container.
        start: Offset of the first sample.
        demuxer: FFmpeg's name of the raw format.
        rate_hz: Sampling rate.
        channels: Channels.
        declared_s: Length by the header.
    """

    container: str
    start: int
    demuxer: str
    rate_hz: int
    channels: int
    declared_s: float

    @property
    def options(self) -> tuple[str, ...]:
        """What FFmpeg is told before the input."""
        head = ("-skip_initial_bytes", str(self.start), "-f", self.demuxer)
        return (*head, "-ar", str(self.rate_hz), "-ac", str(self.channels))


@dataclass(frozen=True)
class _Layout:
    """How a container writes its chunks."""

    name_bytes: int
    size_bytes: int
    order: Literal["big", "little"]
    align: int
    own_head: bool = False  # whether a chunk's size counts its own head

    def walk(self, file: BinaryIO, at: int, size: int) -> Iterator[tuple[bytes, int, int]]:
        """Name, offset of the content and its length, of each chunk."""
        head_bytes = self.name_bytes + self.size_bytes
        for _ in range(_CHUNKS):
            if size - at < head_bytes:
                return
            file.seek(at)
            head = file.read(head_bytes)
            length = int.from_bytes(head[self.name_bytes :], self.order)
            length -= head_bytes if self.own_head else 0
            if length < 0:
                return
            yield head[: self.name_bytes], at + head_bytes, length
            end = at + head_bytes + length
            at = end + -end % self.align

    def follows(self, file: BinaryIO, at: int, size: int) -> bool:
        """Whether only whole chunks lie between here and the end of the file."""
        at += -at % self.align
        if size - at < self.name_bytes + self.size_bytes:
            return True
        for name, start, length in self.walk(file, at, size):
            if not name[:4].replace(b" ", b"").isalnum() or start + length > size:
                return False
            if self.own_head and name[4:] != _W64_GUID:
                return False
        return True


@dataclass(frozen=True)
class _Format:
    demuxer: str
    rate_hz: int
    channels: int
    frame_bytes: int


_AIFF = _Layout(4, 4, "big", 2)
_W64 = _Layout(16, 8, "little", 8, own_head=True)
_CAF = _Layout(4, 8, "big", 1)


def stale_pcm(file: BinaryIO, head: bytes) -> StalePcm | None:
    """Finds samples past their declared end.

    Args:
        file: Open for reading; its position is moved.
        head: The file's first bytes.

    Returns:
        Where they are; None where the header is right, or the file is none of these.
    """
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _find(file, "aiff", _AIFF, 12, (b"COMM", b"SSND"))
    if head.startswith(_W64_RIFF):
        return _find(file, "w64", _W64, 40, (b"fmt ", b"data"))
    if head.startswith(b"caff"):
        return _find(file, "caf", _CAF, 8, (b"desc", b"data"))
    return None


def _find(
    file: BinaryIO, container: str, layout: _Layout, at: int, names: tuple[bytes, bytes]
) -> StalePcm | None:
    size = file.seek(0, os.SEEK_END)
    form: _Format | None = None
    for name, start, length in layout.walk(file, at, size):
        file.seek(start)  # the chunk's head lies within the file, so this does, too
        content = file.read(min(length, _HEAD_BYTES))
        if name[:4] == names[0]:
            form = _READERS[container](content)
        elif name[:4] == names[1] and form is not None:
            end = start + length
            if end >= size or layout.follows(file, end, size):
                return None
            skip = _skipped(container, content)
            second = form.frame_bytes * form.rate_hz
            if length < skip or size - end < _SLACK_S * second:
                return None
            declared_s = (length - skip) / second
            where = start + skip
            return StalePcm(container, where, form.demuxer, form.rate_hz, form.channels, declared_s)
    return None


def _skipped(container: str, content: bytes) -> int:
    """Bytes between the begin of the chunk and its first sample."""
    if container == "aiff":  # offset, block size
        return 8 + int.from_bytes(content[:4], "big")
    return 4 if container == "caf" else 0  # CAF counts edits


def _pcm(kind: str, bits: int, order: str, rate_hz: int, channels: int) -> _Format | None:
    if bits not in (8, 16, 24, 32, 64) or not 0 < channels < 256 or not 0 < rate_hz < 1 << 22:
        return None
    demuxer = f"{kind}{bits}" if bits == 8 else f"{kind}{bits}{order}"
    return _Format(demuxer, rate_hz, channels, channels * bits // 8)


def _read_comm(content: bytes) -> _Format | None:
    if len(content) < 18:
        return None
    channels, _, bits, exponent, mantissa = struct.unpack(">hLhHQ", content[:18])
    rate_hz = int(mantissa * 2.0 ** ((exponent & 0x7FFF) - 16383 - 63)) if exponent < 16500 else 0
    kinds = {b"sowt": ("s", "le"), b"fl32": ("f", "be"), b"FL32": ("f", "be")}
    kinds |= {b"": ("s", "be"), b"NONE": ("s", "be"), b"twos": ("s", "be")}
    kind = kinds.get(content[18:22])
    return _pcm(kind[0], bits, kind[1], rate_hz, channels) if kind else None


def _read_fmt(content: bytes) -> _Format | None:
    if len(content) < 16:
        return None
    tag, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", content[:16])
    if tag == 0xFFFE and len(content) >= 26:
        tag = int.from_bytes(content[24:26], "little")
    kind = {1: "u" if bits == 8 else "s", 3: "f"}.get(tag)
    return _pcm(kind, bits, "le", rate_hz, channels) if kind else None


def _read_desc(content: bytes) -> _Format | None:
    if len(content) < 32 or content[8:12] != b"lpcm":
        return None
    rate_hz, _, flags, _, _, channels, bits = struct.unpack(">d4sIIIII", content[:32])
    if not 0 < rate_hz < 1 << 22:  # nor is NaN
        return None
    kind, order = "f" if flags & 1 else "s", "le" if flags & 2 else "be"
    return _pcm(kind, bits, order, int(rate_hz), channels)


_READERS = {"aiff": _read_comm, "w64": _read_fmt, "caf": _read_desc}
