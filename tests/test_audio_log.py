from __future__ import annotations

import pytest

from emotion.audio.ffmpeg_log import Stream, parse

FFMPEG_4 = """\
Guessed Channel Layout for Input Stream #0.0 : mono
Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:':
  Metadata:
    title           :   Duration: 99:00:00.00
  Duration: 00:00:05.00, start: 0.021000, bitrate: 120 kb/s
    Stream #0:0(und): Video: h264 (High) (avc1 / 0x31637661), yuv420p, 64x64, 10 fps (default)
    Stream #0:1(und): Audio: aac (LC) (mp4a / 0x6134706D), 16000 Hz, mono, fltp, 69 kb/s (default)
    Metadata:
      handler_name    : SoundHandler
    Stream #0:2(eng): Audio: none (apac / 0x63617061), 48000 Hz, mono, 137 kb/s
Stream mapping:
  Stream #0:1 -> #0:0 (aac (native) -> pcm_f32le (native))
Output #0, wav, to 'pipe:1':
    Stream #0:0(und): Audio: pcm_f32le ([3][0][0][0] / 0x0003), 16000 Hz, mono, flt, 512 kb/s
"""
FFMPEG_8 = """\
Input #0, matroska,webm, from 'file:':
  Duration: 00:00:04.56, start: 0.000000, bitrate: 81 kb/s
  Stream #0:0[0x100](eng)(forced): Audio: mp3 (mp3float), 44100 Hz, 5.1.4, fltp, start 0.043000
    Metadata:
      title           : Desktop
      DURATION        : 00:01:04.500000000
  Stream #0:1: Audio: aac (LC), 16000 Hz, mono, fltp
  Stream #0:2: Video: png, rgb24(pc, gbr/unknown/unknown), 32x32, 90k tbr (attached pic)
[aist#0:1/aac @ 0x1] [dec:aac @ 0x2] Error submitting packet to decoder: Invalid data
[in#0/matroska,webm @ 0x3] File ended prematurely
"""


def test_the_log_of_ffmpeg_4() -> None:
    probe = parse(FFMPEG_4)
    assert probe.opened and probe.container == "mov" and probe.video and not probe.cut
    assert probe.tracks == (Stream("aac", 16000, None), Stream("none", 48000, None))
    assert (probe.duration_s, probe.start_s) == (5.0, 0.021)


def test_the_log_of_ffmpeg_8() -> None:
    probe = parse(FFMPEG_8)
    assert probe.container == "matroska" and not probe.video and probe.cut
    assert probe.tracks == (Stream("mp3", 44100, 64.5), Stream("aac", 16000, None))
    assert (probe.duration_s, probe.start_s) == (4.56, 0.0)


@pytest.mark.parametrize(
    ("line", "duration_s", "start_s"),
    [
        ("  Duration: N/A, start: -0.002000, bitrate: N/A", None, -0.002),
        ("  Duration: N/A, bitrate: N/A", None, 0.0),
        ("  Duration: 01:02:03.50, bitrate: 1161 kb/s", 3723.5, 0.0),
        ("", None, 0.0),
    ],
)
def test_durations(line: str, duration_s: float | None, start_s: float) -> None:
    log = f"Input #0, ogg, from 'file:':\n{line}\n  Stream #0:0: Audio: opus, 48000 Hz, mono\n"
    probe = parse(log)
    assert (probe.duration_s, probe.start_s) == (duration_s, start_s)
    assert probe.tracks == (Stream("opus", 48000, None),)
    guessed = "[aac @ 0x1] Estimating duration from bitrate, this may be inaccurate\n" + log
    assert parse(guessed).duration_s is None


def test_programs_that_share_streams_are_counted_once() -> None:
    stream = "    Stream #0:1[0x101]: Audio: ac3, 48000 Hz, stereo, fltp\n"
    log = "Input #0, mpegts, from 'file:':\n  Duration: N/A\n"
    log += f"  Program 1\n{stream}  Program 2\n{stream}"
    assert parse(log).tracks == (Stream("ac3", 48000, None),)


def test_a_file_that_was_not_opened() -> None:
    probe = parse("file:: Invalid data found when processing input\n")
    assert not probe.opened and probe.tracks == ()


def test_damage_in_the_middle_is_no_missing_end() -> None:
    log = "Input #0, mpegts, from 'file:':\n[mpegts @ 0x1] Packet corrupt (stream = 0)\n"
    assert not parse(log).cut
    assert parse(log.replace("mpegts", "w64")).cut
