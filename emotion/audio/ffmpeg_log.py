"""What FFmpeg's log says about its input, in the words of any version from 4.2 on."""

from __future__ import annotations

import re
from dataclasses import dataclass

# FFmpeg 4 indents streams by four spaces, later versions by two; an id and a language may follow
# the index: `Stream #0:1[0x2](und): Audio: aac (LC) (mp4a / 0x6134706D), 16000 Hz, mono, fltp`.
_STREAM = re.compile(
    r"(?m)^ {2,4}Stream #0:(?P<index>\d+)(?:\[0x[0-9a-fA-F]+\])?(?:\([^)\n]*\))*: "
    r"(?P<kind>[A-Z]\w+): (?P<codec>\w+)(?P<rest>[^\n]*)"
)
_DURATION = re.compile(
    r"(?m)^  Duration: (?:N/A|(?P<length>\d+:\d+:\d+(?:\.\d+)?))(?:, start: (?P<start>-?[\d.]+))?"
)
_TAG = re.compile(r"(?m)^ +DURATION +: (\d+:\d+:\d+(?:\.\d+)?)")
_BEGIN = re.compile(r"(?m)^Input #0, (?P<container>\S+?),? from ")
_END = re.compile(r"(?m)^(?:Stream mapping:|Output #0|Press \[q\])")
# Phrases with which demuxers say that the file ends too soon.
_CUT = ("partial file", "File ended prematurely", "corrupt input packet", "Packet corrupt")
_CUT_DECODING = ("Error while decoding stream", "Error submitting packet to decoder")
_SAYS_CUT = {"w64": _CUT, "caf": _CUT, "mov": _CUT, "matroska": _CUT, "aac": _CUT + _CUT_DECODING}


@dataclass(frozen=True)
class Stream:
    """An audio stream.

    Attributes:
        codec: FFmpeg's name; ``none`` where it knows none.
        rate_hz: Sampling rate; 0 where it is not told.
        duration_s: Length by the stream's own tag; None where it has none.
    """

    codec: str
    rate_hz: int
    duration_s: float | None


@dataclass(frozen=True)
class Probe:
    """What the log tells of the input.

    Attributes:
        opened: Whether FFmpeg knew the format.
        container: FFmpeg's name of the format.
        tracks: The audio streams, in the file's order.
        video: Whether there is a moving picture (a cover is none).
        start_s: Time of the first sample of any stream.
        duration_s: Length by the header; None where it has none, or FFmpeg guessed it.
        cut: Whether the demuxer says that the file ends too soon.
    """

    opened: bool
    container: str
    tracks: tuple[Stream, ...]
    video: bool
    start_s: float
    duration_s: float | None
    cut: bool


def parse(log: str) -> Probe:
    """Reads what FFmpeg writes about its input.

    Args:
        log: FFmpeg's standard error at its usual level.
    """
    begin = _BEGIN.search(log)
    if begin is None:
        return Probe(False, "", (), False, 0.0, None, False)
    end = _END.search(log, begin.end())
    text = log[begin.end() : end.start() if end else len(log)]
    container = begin["container"].split(",")[0]
    streams = {int(match["index"]): match for match in reversed([*_STREAM.finditer(text)])}
    duration = _DURATION.search(text)
    guessed = "Estimating duration from bitrate" in log
    length = duration["length"] if duration and not guessed else None
    ordered = [streams[index] for index in sorted(streams)]
    cut = any(phrase in log for phrase in _SAYS_CUT.get(container, ()))
    return Probe(
        opened=True,
        container=container,
        tracks=tuple(_stream(match, text) for match in ordered if match["kind"] == "Audio"),
        video=any(m["kind"] == "Video" and "(attached pic)" not in m["rest"] for m in ordered),
        start_s=float(duration["start"] or 0) if duration else 0.0,
        duration_s=_seconds(length) if length else None,
        cut=cut,
    )


def _stream(match: re.Match[str], text: str) -> Stream:
    following = _STREAM.search(text, match.end())
    tag = _TAG.search(text, match.end(), following.start() if following else len(text))
    rate = re.search(r", (\d+) Hz", match["rest"])
    return Stream(match["codec"], int(rate[1]) if rate else 0, _seconds(tag[1]) if tag else None)


def _seconds(text: str) -> float:
    hours, minutes, seconds = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
