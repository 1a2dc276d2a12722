"""Reads just enough of a file's own headers: WAV sizes, encryption, ends that are missing.

No size in a file is trusted: every read is bounded by a constant and by the file itself.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_CHUNKS = 1000  # RIFF chunks or MP4 boxes that are looked at
_FMT_BYTES = 40
_MOOV_BYTES = 1 << 24
_TAIL_BYTES = 1 << 17  # two Ogg pages
# Writers that cannot seek put such sizes where the real one is unknown (FFmpeg, SoX, arecord).
_UNKNOWN_SIZE = 0x7FFF_0000
_PCM_GUID = b"\x01\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
_ENTRIES = {b"enca": "CENC", b"drms": "FairPlay", b"aavd": "Audible"}
_ASF_ENCRYPTION = (
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
)
_WAV_IDS = (b"RIFF", b"RF64", b"BW64")
_MXF_PARTITION = bytes.fromhex("060e2b34020501010d01020101")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_MATROSKA_AES = b"\x47\xe1\x81\x05"  # ContentEncAlgo = 5


@dataclass(frozen=True)
class WavHeader:
    """What the header of a WAV file says, beside what is there.

    Attributes:
        pcm: Whether the samples are plain integers.
        channels: Channels.
        rate_hz: Sampling rate.
        bits: Bits a sample.
        byte_rate: Bytes a second; 0 where the header does not say.
        start: Offset of the first sample.
        declared_bytes: Length of the samples by the header; None where it was left open.
        present_bytes: Length of the samples in the file.
    """

    pcm: bool
    channels: int
    rate_hz: int
    bits: int
    byte_rate: int
    start: int
    declared_bytes: int | None
    present_bytes: int

    @property
    def present_s(self) -> float:
        """Length of what is there."""
        return self.present_bytes / self.byte_rate if self.byte_rate else 0.0

    @property
    def open_ended(self) -> bool:
        """Whether the samples run to the end of the file, whatever the header says."""
        declared = self.declared_bytes
        return declared is None or declared < self.present_bytes


def wav_header(file: BinaryIO) -> WavHeader | None:
    """Reads a WAV header (RIFF, RF64 or BW64).

    Args:
        file: Open for reading; its position is moved.

    Returns:
        The header; None where the file is no WAV, or its chunks lead to no samples.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(12)
    if head[:4] not in _WAV_IDS or head[8:] != b"WAVE":
        return None
    form, large = b"", None
    for name, at, length in _chunks(file, 12, size):
        if name == b"fmt ":
            form = file.read(min(length, _FMT_BYTES))
        elif name == b"ds64":
            sizes = file.read(16)
            large = struct.unpack("<Q", sizes[8:])[0] if len(sizes) == 16 else None
        elif name == b"data" and len(form) >= 16:
            declared = large if length == 0xFFFFFFFF and large is not None else length
            return _samples(file, form, at, declared, size)
    return None


def _chunks(file: BinaryIO, at: int, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, offset of the content and length of each chunk; the file stands at the content."""
    for _ in range(_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        length = int.from_bytes(head[4:], "little")
        yield head[:4], at + 8, length
        at += 8 + length + length % 2
        if at >= size:
            return


def _samples(file: BinaryIO, form: bytes, at: int, declared: int, size: int) -> WavHeader:
    tag, channels, rate_hz, byte_rate, block, bits = struct.unpack("<HHIIHH", form[:16])
    pcm = tag == 1 or (tag == 0xFFFE and form[24:40] == _PCM_GUID)
    if pcm:
        block = channels * ((bits + 7) // 8)
        byte_rate = block * rate_hz
    there = size - at
    known: int | None = declared
    if declared > there:
        known = None if declared >= _UNKNOWN_SIZE else declared
        present = there
    elif _only_chunks(file, at + declared + declared % 2, size):
        present = declared
    else:
        known, present = (declared or None), there
    present -= present % max(block, 1) if pcm else 0
    return WavHeader(pcm, channels, rate_hz, bits, byte_rate, at, known, present)


def _only_chunks(file: BinaryIO, at: int, size: int) -> bool:
    """Whether what lies from here to the end of the file is chunks, padding or a tag."""
    if size - at < 8:
        return True
    for name, start, length in _chunks(file, at, size):
        if name[:3] == b"TAG" and start - 8 + 128 == size:
            return True
        if name in _WAV_IDS or not (name.isascii() and name.replace(b" ", b"").isalnum()):
            return False
        if start + length > size:
            return False
    return True


@dataclass(frozen=True)
class Mp4Header:
    """What matters of an MP4's ``moov``.

    Attributes:
        schemes: For each audio track the scheme that encrypts it, else the empty string.
        fragmented: Whether its times may count from the start of a broadcast.
    """

    schemes: tuple[str, ...] = ()
    fragmented: bool = False


def mp4_header(file: BinaryIO) -> Mp4Header:
    """Reads the ``moov`` box of an MP4, M4A, MOV or 3GP file.

    Args:
        file: Open for reading; its position is moved.
    """
    size = file.seek(0, os.SEEK_END)
    at = 0
    for _ in range(_CHUNKS):
        if size - at < 8:
            break
        file.seek(at)
        head = file.read(16)
        length, name = struct.unpack(">I4s", head[:8])
        skip = 8
        if length == 1 and len(head) == 16:
            length, skip = struct.unpack(">Q", head[8:])[0], 16
        if length == 0:
            length = size - at
        if length < skip:
            break
        if name == b"moov":
            file.seek(at + skip)
            return _moov(file.read(min(length - skip, _MOOV_BYTES)))
        at += length
    return Mp4Header()


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    for _ in range(_CHUNKS):
        if len(data) - at < 8:
            return
        length, name = struct.unpack_from(">I4s", data, at)
        if length == 0:
            length = len(data) - at
        if length < 8:
            return
        yield name, data[at + 8 : at + length]
        at += length


def _inside(data: bytes, *path: bytes) -> bytes:
    for wanted in path:
        data = next((content for name, content in _boxes(data) if name == wanted), b"")
    return data


def _moov(data: bytes) -> Mp4Header:
    schemes = []
    fragmented = False
    for name, content in _boxes(data):
        fragmented |= name == b"mvex"
        if name == b"trak" and _inside(content, b"mdia", b"hdlr")[8:12] == b"soun":
            entries = _inside(content, b"mdia", b"minf", b"stbl", b"stsd")[8:]
            kinds = (_ENTRIES.get(kind, "") for kind, _ in _boxes(entries))
            schemes.append(next((scheme for scheme in kinds if scheme), ""))
    return Mp4Header(tuple(schemes), fragmented)


def encrypted(head: bytes) -> str:
    """The scheme that encrypts a WMA or Matroska file, by its first bytes; else nothing."""
    if head.startswith(b"\x30\x26\xb2\x75") and any(guid in head for guid in _ASF_ENCRYPTION):
        return "Windows Media DRM"
    return "CENC" if head.startswith(b"\x1a\x45\xdf\xa3") and _MATROSKA_AES in head else ""


def ends_early(file: BinaryIO, head: bytes) -> bool:
    """Whether a file lacks its end, for formats whose decoder cannot tell.

    Args:
        file: Open for reading; its position is moved.
        head: Its first bytes.
    """
    size = file.seek(0, os.SEEK_END)
    if head.startswith(b"OggS"):
        return not _ogg_has_end(file, size)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        return size < int.from_bytes(head[4:8], "little") < _UNKNOWN_SIZE
    if head.startswith(_MXF_PARTITION) and len(head) > 64:
        value = 17 + (head[16] & 0x7F if head[16] & 0x80 else 0)
        return size <= int.from_bytes(head[value + 24 : value + 32], "big")  # of the footer
    at = head.find(_ASF_PROPERTIES)
    if head.startswith(b"\x30\x26\xb2\x75") and at >= 0 and len(head) >= at + 48:
        return size < int.from_bytes(head[at + 40 : at + 48], "little")
    return False


def _ogg_has_end(file: BinaryIO, size: int) -> bool:
    """Whether the last Ogg page is whole and marked as the last of its stream."""
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read(_TAIL_BYTES)
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27 or not tail[at + 5] & 4:
        return False
    segments = tail[at + 27 : at + 27 + tail[at + 26]]
    return len(segments) == tail[at + 26] and len(tail) >= at + 27 + len(segments) + sum(segments)
