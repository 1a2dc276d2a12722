"""Which files are readable, and the plain reason when one is not.

FFmpeg tells formats by their content. What it cannot tell is decided here: SILK, raw telephone
audio by its suffix, encrypted files, and files that are no audio at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from emotion.audio import silk
from emotion.audio.headers import (
    Mp4Header,
    WavHeader,
    encrypted,
    ends_early,
    mp4_header,
    wav_header,
)
from emotion.audio.stale_headers import StalePcm, stale_pcm
from emotion.core.errors import AudioDecodeError, AudioEncryptedError, AudioNotFoundError
from emotion.core.results import readable

# FFmpeg's demuxers that hold their own audio. Left out on purpose: hls, dash, concat, image2,
# sdp and others that open further files or addresses.
DEMUXERS = (
    "aac,ac3,aiff,alaw,amr,amrnb,amrwb,ape,asf,au,avi,caf,dsf,dts,dv,eac3,flac,flv,g722,gsm,gxf,"
    "iff,ircam,loas,matroska,webm,mlp,mmf,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mulaw,"
    "mxf,nistsphere,nut,ogg,oma,qcp,rm,shn,sln,sox,tak,truehd,tta,voc,w64,wav,wtv,wv,xwma"
)
_HEAD_BYTES = 1 << 16

# Telephone audio without a header: FFmpeg's demuxer, its options, its name for people.
_RATE_8K = ("-ar", "8000")
_RAW: dict[str, tuple[str, tuple[str, ...], str]] = {
    "g722": ("g722", (), "G.722"),
    **dict.fromkeys(("al", "alaw", "pcma"), ("alaw", _RATE_8K, "G.711 A-law, 8 kHz")),
    **dict.fromkeys(("ul", "ulaw", "mulaw", "pcmu"), ("mulaw", _RATE_8K, "G.711 µ-law, 8 kHz")),
    "gsm": ("gsm", (), "GSM 06.10"),
    "sln": ("sln", (), "16-bit PCM, 8 kHz"),
}
_HEADERLESS = "raw samples without a header: convert them to WAV first, naming rate and format"
_HEADERLESS_SUFFIXES = frozenset({"pcm", "raw", "vox", "s16", "s16le", "sw"})
_SILK_SUFFIXES = frozenset({"silk", "slk"})

# First bytes (after so many) of formats with a header: their suffix is not believed.
_MAGIC: tuple[tuple[int, bytes], ...] = (
    *((0, magic) for magic in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"fLaC", b"OggS")),
    *((0, magic) for magic in (b"ID3", b".snd", b"#!AMR", b"NIST_1A", b"caff", b"FLV", b"riff")),
    *((0, magic) for magic in (b"\x1a\x45\xdf\xa3", b"\x30\x26\xb2\x75", b"MAC ", b"wvpk")),
    (4, b"ftyp"),
)
_ENCRYPTED_MAGIC = (
    (b"CTENFDAM", "NetEase .ncm"),
    (b"\x7c\xd5\x32\xeb\x86\x02\x7f\x4b\xa8\xaf\xa6\x8e\x0f\xff\x99\x14", "KuGou .kgm"),
    (b"\x05\x28\xbc\x96\xe9\xe4\x5a\x43\x91\xaa\xbd\xd0\x7a\xf5\x36\x31", "KuGou .vpr"),
    (b"yeelion-kuwo", "Kuwo .kwm"),
    (b"Salted__", "OpenSSL"),
)
_ENCRYPTED_SUFFIXES = {
    **dict.fromkeys(("qmc0", "qmc3", "qmcflac", "qmcogg", "mflac", "mgg"), "QQ Music"),
    **dict.fromkeys(("kgm", "kgma"), "KuGou .kgm"),
    **dict.fromkeys(("aax", "aaxc"), "Audible"),
    "ncm": "NetEase .ncm",
    "kwm": "Kuwo .kwm",
}
_ARCHIVE = "an archive, not a recording: unpack it first"
_DOCUMENT = "a document or a picture, not a recording"
_WEB_PAGE = "a web page, not a recording: the download went wrong"
_NO_AUDIO: tuple[tuple[bytes, str], ...] = (
    *((magic, _ARCHIVE) for magic in (b"PK\x03\x04", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b")),
    *((magic, _DOCUMENT) for magic in (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"{\\rtf", b"GIF8")),
    *((magic, _WEB_PAGE) for magic in (b"<!doctype html", b"<html")),
    (b"mthd", "a MIDI file: it holds notes, not sound"),
)
_SHORTEN = "a SPHERE file compressed with Shorten: convert it with sph2pipe first"

# What FFmpeg says of a file that it cannot read, in plain words. Its own last line often tells
# only what it did next, and where the file lies.
_REASONS = (
    ("moov atom not found", "its index is missing: the file is incomplete"),
    ("Format not on whitelist", "not an audio or video format that is accepted"),
    ("codec none) not found", "FFmpeg has no decoder for its codec"),
    ("no decoder found", "FFmpeg has no decoder for its codec"),
    ("Cannot allocate memory", "decoding it takes too much memory"),
    ("Invalid data found", "invalid data: not audio, or damaged"),
)


@dataclass(frozen=True)
class Source:
    """How a file is to be read.

    Attributes:
        path: The file.
        kind: Which decoder reads it.
        options: What FFmpeg is told before the input.
        raw: Name of a format that was taken from the suffix; else empty.
        wav: Header of a WAV file.
        stale: Samples of another container that go on past their declared end.
        mp4: What matters of an MP4's header.
        ends_early: Whether the file lacks its end.
    """

    path: Path
    kind: Literal["ffmpeg", "silk"] = "ffmpeg"
    options: tuple[str, ...] = ()
    raw: str = ""
    wav: WavHeader | None = None
    stale: StalePcm | None = None
    mp4: Mp4Header = field(default_factory=Mp4Header)
    ends_early: bool = False

    @property
    def name(self) -> str:
        """The file's name for people."""
        return readable(self.path.name)


def inspect(path: Path) -> Source:
    """Decides by the first bytes, and by the suffix where they tell nothing.

    Args:
        path: A regular file that is not empty.

    Raises:
        AudioEncryptedError: It is encrypted.
        AudioDecodeError: It is none that can be read, and the reason is known.
        AudioNotFoundError: It cannot be opened.
    """
    name = readable(path.name)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            suffix = path.suffix.lower().removeprefix(".")
            _refuse_encrypted(head, suffix, name)
            if silk.MAGIC in head[:10] or suffix in _SILK_SUFFIXES:
                return Source(path, "silk")
            if not _has_magic(head):
                if suffix in _RAW:
                    demuxer, options, title = _RAW[suffix]
                    return Source(path, options=("-f", demuxer, *options), raw=title)
                _refuse_no_audio(head, suffix, name)
            if head.startswith(b"NIST_1A") and b"shorten" in head[:1024]:
                raise AudioDecodeError(file=name, reason=_SHORTEN)
            mp4 = mp4_header(file) if head[4:8] in (b"ftyp", b"moov", b"mdat") else Mp4Header()
            if mp4.schemes and all(mp4.schemes):
                raise AudioEncryptedError(file=name, scheme=mp4.schemes[0])
            wav = wav_header(file)
            options = ("-f", "wav", "-ignore_length", "1") if wav and wav.open_ended else ()
            stale = stale_pcm(file, head)
            return Source(
                path,
                options=stale.options if stale else options,
                wav=wav,
                stale=stale,
                mp4=mp4,
                ends_early=ends_early(file, head),
            )
    except OSError as e:
        raise AudioNotFoundError(file=readable(path), reason=e.strerror or str(e)) from e


def _has_magic(head: bytes) -> bool:
    return any(head.startswith(magic, at) for at, magic in _MAGIC)


def _refuse_encrypted(head: bytes, suffix: str, name: str) -> None:
    scheme = next((title for magic, title in _ENCRYPTED_MAGIC if head.startswith(magic)), "")
    scheme = scheme or encrypted(head)
    if not scheme and not _has_magic(head):
        scheme = _ENCRYPTED_SUFFIXES.get(suffix, "")
    if scheme:
        raise AudioEncryptedError(file=name, scheme=scheme)


def _refuse_no_audio(head: bytes, suffix: str, name: str) -> None:
    start = head[:256].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    for magic, reason in _NO_AUDIO:
        if head.startswith(magic) or start.startswith(magic):
            raise AudioDecodeError(file=name, reason=reason)
    if suffix in _HEADERLESS_SUFFIXES:
        raise AudioDecodeError(file=name, reason=_HEADERLESS)


def reason(log: str) -> str:
    """Why FFmpeg could not read a file, in plain words."""
    known = (text for phrase, text in _REASONS if phrase in log)
    return next(known, "FFmpeg finds no audio in it")
