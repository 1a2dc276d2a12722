from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile

from emotion.audio.headers import encrypted, ends_early, mp4_header, wav_header
from emotion.audio.stale_headers import stale_pcm
from tests.conftest import tone


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    length = len(content) if size is None else size
    return name + struct.pack("<I", length) + content + b"\0" * (len(content) % 2)


def fmt(tag: int = 1, channels: int = 1, rate_hz: int = 16000, bits: int = 16) -> bytes:
    block = channels * bits // 8
    return chunk(
        b"fmt ", struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * block, block, bits)
    )


def riff(*chunks: bytes, name: bytes = b"RIFF") -> io.BytesIO:
    return io.BytesIO(name + struct.pack("<I", 0) + b"WAVE" + b"".join(chunks))


SECOND = b"\x01\x02" * 16000


def test_a_right_header() -> None:
    header = wav_header(riff(fmt(), chunk(b"data", SECOND)))
    assert header is not None
    assert (header.channels, header.rate_hz, header.bits, header.pcm) == (1, 16000, 16, True)
    assert (header.declared_bytes, header.present_bytes, header.start) == (32000, 32000, 44)
    assert header.present_s == 1.0 and not header.open_ended


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_a_length_that_was_left_open(size: int) -> None:
    header = wav_header(riff(chunk(b"LIST", b"abc"), fmt(), chunk(b"data", SECOND, size)))
    assert header is not None
    assert (header.declared_bytes, header.present_s) == (None, 1.0)
    assert header.open_ended


def test_a_length_that_is_wrong() -> None:
    short = wav_header(riff(fmt(), chunk(b"data", SECOND, 8000)))
    assert short is not None and short.open_ended
    assert (short.declared_bytes, short.present_s) == (8000, 1.0)
    long = wav_header(riff(fmt(), chunk(b"data", SECOND, 64000)))
    assert long is not None and not long.open_ended
    assert (long.declared_bytes, long.present_s) == (64000, 1.0)


def test_chunks_after_the_samples_are_no_samples() -> None:
    tail = chunk(b"LIST", b"INFO") + chunk(b"id3 ", b"abc")
    header = wav_header(riff(fmt(), chunk(b"data", SECOND), tail))
    assert header is not None and header.present_s == 1.0 and not header.open_ended
    empty = wav_header(riff(fmt(), chunk(b"data", b""), tail))
    assert empty is not None and empty.present_bytes == 0


def test_a_size_of_64_bits() -> None:
    sizes = chunk(b"ds64", struct.pack("<QQQI", 0, 8000, 4000, 0))
    for name in (b"RF64", b"BW64"):
        header = wav_header(riff(sizes, fmt(), chunk(b"data", SECOND, 0xFFFFFFFF), name=name))
        assert header is not None and header.declared_bytes == 8000 and header.open_ended


def test_extensible_integers_are_plain_and_floats_are_not() -> None:
    guid = b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    for sub, pcm in ((1, True), (3, False)):
        form = struct.pack("<HHIIHH", 0xFFFE, 1, 16000, 32000, 2, 16)
        form += struct.pack("<HHIH", 22, 16, 4, sub) + guid
        header = wav_header(riff(chunk(b"fmt ", form), chunk(b"data", SECOND)))
        assert header is not None and header.pcm is pcm


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"RIFF\0\0\0\0AVI " + bytes(100),
        riff(fmt()).getvalue(),
        riff(chunk(b"data", SECOND)).getvalue(),
        riff(chunk(b"fmt ", b"abc"), chunk(b"data", SECOND)).getvalue(),
        riff(chunk(b"JUNK", b"", 0xFFFFFFF0)).getvalue(),
    ],
)
def test_what_is_no_wav(data: bytes) -> None:
    assert wav_header(io.BytesIO(data)) is None


def test_a_header_without_a_rate_has_no_length() -> None:
    header = wav_header(riff(fmt(channels=0, rate_hz=0), chunk(b"data", SECOND, 8000)))
    assert header is not None and header.present_s == 0.0


def box(name: bytes, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return struct.pack(">I4s", 8 + len(content), name) + content


def track(entry: bytes, kind: bytes = b"soun") -> bytes:
    table = box(b"stsd", bytes(8), box(entry, bytes(28)))
    media = box(b"hdlr", bytes(8), kind, bytes(12)), box(b"minf", box(b"stbl", table))
    return box(b"trak", box(b"mdia", *media))


def test_the_schemes_of_audio_tracks() -> None:
    tracks = track(b"avc1", b"vide"), track(b"mp4a"), track(b"enca"), track(b"drms")
    data = box(b"ftyp", b"isom") + box(b"mdat", bytes(50)) + box(b"moov", *tracks)
    header = mp4_header(io.BytesIO(data))
    assert header.schemes == ("", "CENC", "FairPlay") and not header.fragmented
    data = box(b"ftyp", b"isom") + box(b"moov", track(b"aavd"), box(b"mvex"))
    header = mp4_header(io.BytesIO(data))
    assert header.schemes == ("Audible",) and header.fragmented


def test_boxes_with_wrong_sizes_end_the_search() -> None:
    whole = box(b"ftyp", b"isom") + box(b"moov", track(b"enca"))
    for size in (0, 1, 7, 0xFFFFFFFF):
        assert mp4_header(io.BytesIO(struct.pack(">I", size) + whole[4:])).schemes == ()
    large = struct.pack(">I4sQ", 1, b"mdat", 16) + box(b"moov", track(b"enca"))
    assert mp4_header(io.BytesIO(large)).schemes == ("CENC",)


def test_encryption_of_wma_and_matroska() -> None:
    guid = bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")
    assert encrypted(b"\x30\x26\xb2\x75" + bytes(60) + guid) == "Windows Media DRM"
    assert encrypted(b"\x1a\x45\xdf\xa3" + bytes(60) + b"\x47\xe1\x81\x05") == "CENC"
    assert encrypted(bytes(60) + guid) == encrypted(b"\x1a\x45\xdf\xa3" + bytes(60)) == ""


def test_an_ogg_ends_with_a_page_that_says_so() -> None:
    last = b"OggS\0\x04" + bytes(20) + b"\x01\x03abc"
    for data, early in (
        (b"OggS" + bytes(40) + last, False),
        (b"OggS" + bytes(40) + last[:-1], True),
        (b"OggS" + bytes(40) + last.replace(b"\x04", b"\x00"), True),
        (b"OggS" + bytes(10), True),
    ):
        assert ends_early(io.BytesIO(data), data) is early


def test_sizes_in_avi_and_wma() -> None:
    guid = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
    for size, early in ((60, True), (40, False)):
        avi = b"RIFF" + struct.pack("<I", size) + b"AVI " + bytes(40)
        assert ends_early(io.BytesIO(avi), avi) is early
    for size, early in ((200, True), (100, False)):
        wma = b"\x30\x26\xb2\x75" + bytes(26) + guid + bytes(24) + struct.pack("<Q", size)
        wma += bytes(110 - len(wma))
        assert ends_early(io.BytesIO(wma), wma) is early
    assert not ends_early(io.BytesIO(b"fLaC"), b"fLaC")


@pytest.mark.parametrize("form", ["AIFF", "W64", "CAF"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_right_headers_are_not_stale(form: str, subtype: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, tone(0.5), 16000, format=form, subtype=subtype)
    assert stale_pcm(file, file.getvalue()[:64]) is None


@pytest.mark.parametrize(
    ("form", "marker", "after", "value", "demuxer"),
    [
        ("AIFF", b"SSND", 4, struct.pack(">I", 8 + 6000), "s16be"),
        ("W64", b"data", 16, struct.pack("<Q", 24 + 6000), "s16le"),
        ("CAF", b"data", 4, struct.pack(">q", 4 + 6000), "s16be"),
    ],
)
def test_where_the_samples_are(
    form: str, marker: bytes, after: int, value: bytes, demuxer: str
) -> None:
    file = io.BytesIO()
    samples = np.stack([tone(0.5), tone(0.5)], 1)
    soundfile.write(file, samples, 16000, format=form, subtype="PCM_16")
    data = bytearray(file.getvalue())
    at = data.index(marker) + after
    data[at : at + len(value)] = value
    stale = stale_pcm(io.BytesIO(data), bytes(data[:64]))
    assert stale is not None and stale.demuxer == demuxer
    assert (stale.channels, stale.rate_hz) == (2, 16000)
    assert stale.declared_s == pytest.approx(1500 / 16000)
    order = ">i2" if demuxer.endswith("be") else "<i2"
    raw = np.frombuffer(data, order, 16000, stale.start).reshape(-1, 2)
    np.testing.assert_allclose(raw / 32768, samples, atol=1e-4)


def test_no_mutation_makes_a_reader_fail() -> None:
    rng = np.random.default_rng(0)
    whole = [riff(fmt(), chunk(b"LIST", b"abcd"), chunk(b"data", SECOND[:400])).getvalue()]
    whole.append(box(b"ftyp", b"isom") + box(b"moov", track(b"enca"), track(b"mp4a")))
    for form in ("AIFF", "W64", "CAF", "RF64"):
        file = io.BytesIO()
        soundfile.write(file, tone(0.1), 16000, format=form, subtype="PCM_16")
        whole.append(file.getvalue())
    for number in range(3000):
        data = bytearray(whole[number % len(whole)])
        for at in rng.integers(0, min(len(data), 160), 6):
            data[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.integers(256)])
        file, head = io.BytesIO(data), bytes(data[:64])
        header = wav_header(file)
        if header is not None:
            assert 0 <= header.present_bytes <= len(data)
        stale = stale_pcm(file, head)
        assert stale is None or stale.start <= len(data)
        assert len(mp4_header(file).schemes) <= 2
        assert ends_early(file, head) in (True, False)
