"""Damaged, disguised and hostile files out of real recordings, by seed."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tools.reliability.hostile_text import NAMES, PLAYLISTS
from tools.reliability.recordings import Recording, Recordings

Expected = Literal["either", "result", "refusal"]
Bytes = tuple[bytes, str]


@dataclass(frozen=True)
class Mutated:
    """A file to send.

    Attributes:
        kind: The kind of mutation.
        what: What was done.
        name: Under which it is sent; bytes that are not UTF-8 as surrogates.
        data: The content.
        expected: Whether it must be recognised, must be refused, or may be either.
    """

    kind: str
    what: str
    name: str
    data: bytes
    expected: Expected = "either"


@dataclass(frozen=True)
class Targets:
    """What hostile files name.

    Attributes:
        files: Files of this machine.
        address: An HTTP server that counts who comes.
    """

    files: tuple[str, ...]
    address: str


# Where formats keep sizes, counts and rates: a tag, bytes from its begin, width, big endian.
_SIZES: tuple[tuple[bytes, int, int, bool], ...] = (
    *((b"RIFF", at, width, False) for at, width in ((4, 4), (16, 4), (22, 2), (24, 4), (32, 2))),
    *((b"fmt ", at, width, False) for at, width in ((4, 4), (8, 2), (10, 2), (12, 4), (20, 2))),
    *((b"data", 4, 4, False), (b"LIST", 4, 4, False), (b"riff", 16, 8, False)),
    *((b"FORM", 4, 4, True), (b"COMM", 4, 4, True), (b"COMM", 10, 4, True), (b"SSND", 4, 4, True)),
    *((tag, -4, 4, True) for tag in (b"ftyp", b"moov", b"mdat", b"trak", b"stsd", b"stts")),
    *((tag, 8, 4, True) for tag in (b"stsz", b"stco", b"stsc", b"stts", b"stsd", b"ctts")),
    *((b"mvhd", 16, 4, True), (b"mdhd", 16, 4, True), (b"tkhd", 20, 4, True)),
    *((b"mp4a", 20, 2, True), (b"mp4a", 28, 4, True), (b"esds", 9, 4, True)),
    *((b"OggS", 6, 8, False), (b"OggS", 26, 1, True), (b"OpusHead", 9, 1, True)),
    *((b"vorbis", 5, 1, True), (b"vorbis", 6, 4, False), (b"fLaC", 4, 4, True)),
    *((b"fLaC", 18, 8, True), (b"ID3", 6, 4, True), (b".snd", 4, 4, True), (b".snd", 8, 4, True)),
    *((b"\x1a\x45\xdf\xa3", 4, 8, True), (b"\x18\x53\x80\x67", 4, 8, True), (b"Xing", 8, 4, True)),
    *((b"\x1f\x43\xb6\x75", 4, 8, True), (b"\xe7", 1, 4, True), (b"FLV", 5, 4, True)),
    *((b"\x30\x26\xb2\x75", 16, 8, False), (b"caff", 16, 8, True), (b"desc", 12, 8, True)),
    *((b"avih", 4, 4, False), (b"strh", 4, 4, False), (b"movi", -4, 4, False)),
)
_VALUES = (0, 1, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF0, 0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, -1)
_SUFFIXES: tuple[str, ...] = (
    *(".wav", ".mp3", ".m4a", ".ogg", ".flac", ".silk", ".amr", ".g722", ".gsm", ".alaw", ".ul"),
    *(".sln", ".aiff", ".webm", ".txt", ".m3u8", ".ffconcat", ".mpd", ".sdp", ".png", ".jpg"),
    *(".pdf", ".zip", ".py", ".sh", ".exe", ".pcm", ".raw", ".kgm", ""),
)


def _truncated(rng: random.Random, data: bytes) -> Bytes:
    at = rng.randrange(1, len(data))
    return data[:at], f"the first {at} of {len(data)} bytes"


def _beginning_lost(rng: random.Random, data: bytes) -> Bytes:
    at = rng.randrange(1, len(data))
    return data[at:], f"without the first {at} of {len(data)} bytes"


def _flipped(rng: random.Random, data: bytes) -> Bytes:
    changed = bytearray(data)
    within = len(data) if rng.random() < 0.5 else min(len(data), 512)
    count = rng.choice((1, 2, 8, 64, 512))
    for _ in range(count):
        changed[rng.randrange(within)] ^= 1 << rng.randrange(8)
    return bytes(changed), f"{count} bits flipped in the first {within} bytes"


def _inserted(rng: random.Random, data: bytes) -> Bytes:
    at = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(len(data), 256))
    count = rng.choice((1, 2, 3, 64, 4096))
    return data[:at] + rng.randbytes(count) + data[at:], f"{count} bytes put in at {at}"


def _removed(rng: random.Random, data: bytes) -> Bytes:
    at = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(len(data), 256))
    count = rng.choice((1, 2, 3, 64, 4096))
    return data[:at] + data[at + count :], f"{count} bytes taken out at {at}"


def _sizes(rng: random.Random, data: bytes) -> Bytes:
    changed, done = bytearray(data), []
    known = [row for row in _SIZES if row[0] in data[: 1 << 20]]
    for _ in range(rng.choice((1, 1, 2, 4))):
        value = rng.choice(_VALUES)
        if known and rng.random() < 0.8:
            tag, offset, width, big = rng.choice(known)
            at = max(0, data.index(tag) + offset)
        else:
            tag, width, big = b"", 4, rng.random() < 0.5
            at = 4 * rng.randrange(min(len(data), 512) // 4 + 1)
        order: Literal["big", "little"] = "big" if big else "little"
        changed[at : at + width] = (value % (1 << 8 * width)).to_bytes(width, order)
        done.append(f"{value} at {at} ({tag!r})")
    return bytes(changed), ", ".join(done)


def _zeros(rng: random.Random, data: bytes) -> Bytes:
    way = rng.choice(("empty", "only", "begin", "end", "stretch"))
    count = rng.choice((1, 44, 4096, 1_000_000))
    if way == "empty":
        return b"", "no bytes"
    if way == "only":
        return bytes(count), f"{count} zero bytes"
    if way == "begin":
        return bytes(count) + data, f"{count} zero bytes in front"
    if way == "end":
        return data + bytes(count), f"{count} zero bytes behind"
    at = rng.randrange(len(data))
    return data[:at] + bytes(len(data) - at), f"zero bytes from {at} on"


def _only_header(rng: random.Random, data: bytes) -> Bytes:
    count = rng.choice((1, 4, 12, 28, 36, 44, 100, 200, 512))
    return data[:count], f"the first {count} bytes"


def _noise(rng: random.Random, data: bytes) -> Bytes:
    magic = data[: rng.choice((0, 4, 8, 12, 44))]
    count = rng.choice((16, 1000, 100_000))
    return magic + rng.randbytes(count), f"{count} random bytes after {len(magic)} of a header"


def _repeated(rng: random.Random, data: bytes) -> Bytes:
    at, count = rng.randrange(len(data)), rng.choice((2, 10, 50))
    part = data[at : at + 2048]
    return data[:at] + part * count + data[at:], f"{len(part)} bytes at {at}, {count} times more"


_BYTES: dict[str, Callable[[random.Random, bytes], Bytes]] = {
    "truncated": _truncated,
    "beginning lost": _beginning_lost,
    "bits flipped": _flipped,
    "bytes inserted": _inserted,
    "bytes removed": _removed,
    "sizes in headers": _sizes,
    "zero bytes": _zeros,
    "only a header": _only_header,
    "random bytes": _noise,
    "repeated": _repeated,
}


def _png() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixel = zlib.compress(b"\0\0")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


_FRONTS: dict[str, bytes] = {
    "PNG": _png(),
    "JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9",
    "GIF": b"GIF89a\x01\x00\x01\x00\x00\x00\x00;",
    "ZIP": b"PK\x03\x04" + bytes(26) + b"PK\x05\x06" + bytes(18),
    "PDF": b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n",
    "HTML": b"<!doctype html><html><script>alert(1)</script></html>\n",
    "ELF": b"\x7fELF\x02\x01\x01" + bytes(57),
    "script": b"#!/bin/sh\ntouch pwned\n",
    "ID3 that claims 256 MB": b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f",
    "ID3": b"ID3\x04\x00\x00\x00\x00\x00\x0aTIT2\0\0\0\0\0\0",
    "gzip": b"\x1f\x8b\x08" + bytes(7),
    "text": b"to whom it may concern\n" * 20,
}


def _polyglot(rng: random.Random, found: Recording, other: Recording) -> Mutated:
    front = rng.choice((*_FRONTS, "another recording", "behind"))
    if front == "another recording":
        what, data = f"{other.name} in front of {found.name}", other.data + found.data
    elif front == "behind":
        label, bytes_ = rng.choice(list(_FRONTS.items()))
        what, data = f"{label} behind {found.name}", found.data + bytes_
    else:
        what, data = f"{front} in front of {found.name}", _FRONTS[front] + found.data
    return Mutated("polyglot", what, found.name, data)


def _playlist(rng: random.Random, targets: Targets) -> Mutated:
    label, template, suffix = rng.choice(PLAYLISTS)
    file, address = rng.choice(targets.files), targets.address
    named = rng.choice((file, f"file://{file}", f"file:{file}", f"{address}/x.wav"))
    text = template.format(named=named, file=file, address=address)
    if rng.random() < 0.2:
        text = "\ufeff" + text
    suffix = suffix if rng.random() < 0.6 else rng.choice((".wav", ".mp3", ".mp4", ".silk", ""))
    what = f"{label} that names {named}"
    return Mutated("playlist", what, f"list{suffix}", text.encode(), "refusal")


def _reference(rng: random.Random, found: Recording, targets: Targets) -> Mutated:
    """An MP4 whose samples lie in another file, by its data reference."""
    named = rng.choice(targets.files).encode()
    entry = b"\0\0\0\x0curl \0\0\0\x01"
    outside = struct.pack(">I", 13 + len(named)) + b"url \0\0\0\0" + named + b"\0"
    at = found.data.find(entry)
    if at < 0:
        return Mutated("playlist", "MP4 without a reference", found.name, b"ftyp" + found.data)
    data = bytearray(found.data[:at] + outside + found.data[at + 12 :])
    for tag in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        place = data.rfind(tag, 0, at) - 4
        (size,) = struct.unpack_from(">I", data, place)
        struct.pack_into(">I", data, place, size + len(outside) - 12)
    return Mutated("playlist", f"{found.name} with samples in {named.decode()}", found.name,
                   bytes(data))  # fmt: skip


def _named(rng: random.Random, found: Recording, targets: Targets) -> Mutated:
    name = rng.choice(NAMES).format(suffix=found.suffix, address=targets.address, long="n" * 300)
    return Mutated("odd name", f"{found.name} as {name!r}"[:120], name, found.data)


def _suffixed(rng: random.Random, found: Recording) -> Mutated:
    suffix = rng.choice(_SUFFIXES)
    return Mutated(
        "wrong suffix", f"{found.name} as {suffix or 'none'}", f"clip{suffix}", found.data
    )


# Each kind with its share.
KINDS: dict[str, float] = {
    "intact": 4,
    **dict.fromkeys(_BYTES, 7),
    "sizes in headers": 14,
    "bits flipped": 10,
    "wrong suffix": 5,
    "playlist": 10,
    "polyglot": 8,
    "odd name": 9,
}


def mutated(rng: random.Random, recordings: Recordings, targets: Targets) -> Mutated:
    """A file to send.

    Args:
        rng: Decides everything.
        recordings: What it is made of.
        targets: What hostile files name.
    """
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    if kind == "playlist":
        if rng.random() < 0.8:
            return _playlist(rng, targets)
        found = recordings.get(rng.randrange(len(recordings.clips)), "m4a")
        assert found is not None  # AAC in MP4 is FFmpeg's own
        return _reference(rng, found, targets)
    found = recordings.pick(rng)
    if kind == "intact":
        return Mutated(kind, found.name, found.name, found.data, "result")
    if kind == "polyglot":
        return _polyglot(rng, found, recordings.pick(rng))
    if kind == "odd name":
        return _named(rng, found, targets)
    if kind == "wrong suffix":
        return _suffixed(rng, found)
    data, what = _BYTES[kind](rng, found.data)
    return Mutated(kind, f"{found.name}: {what}", found.name, data)
