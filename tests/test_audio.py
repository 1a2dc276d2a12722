from __future__ import annotations

import importlib
import os
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from emotion.audio import decode, ffmpeg_path, write_wav
from emotion.core.config import AudioConfig
from emotion.core.errors import (
    AudioDecodeError,
    AudioEmptyError,
    AudioError,
    AudioNotFoundError,
    AudioSamplesError,
    AudioSilentError,
    AudioStreamError,
    AudioTooLargeError,
    AudioTooLongError,
    AudioTooShortError,
    CancelledError,
    ConfigError,
    DecoderMissingError,
    DecoderTimeoutError,
)
from tests.conftest import tone

Wav = Callable[..., Path]
Convert = Callable[..., Path]
CONFIG = AudioConfig()
FFMPEG = importlib.import_module("emotion.audio.decode")  # the package has a function of that name
FFMPEG_PIPED = FFMPEG.piped


FORMATS = [
    ("8bit.wav", ["-c:a", "pcm_u8"]),
    ("24bit.wav", ["-c:a", "pcm_s24le"]),
    ("32bit.wav", ["-c:a", "pcm_s32le"]),
    ("float.wav", ["-c:a", "pcm_f32le"]),
    ("mulaw.wav", ["-c:a", "pcm_mulaw", "-ar", "8000"]),
    ("192k.wav", ["-ar", "192000"]),
    ("stereo.wav", ["-ac", "2"]),
    ("surround.wav", ["-ac", "6"]),
    ("clip.mp3", ["-b:a", "64k"]),
    ("clip.m4a", ["-c:a", "aac"]),
    ("clip.aac", ["-c:a", "aac"]),
    ("clip.flac", []),
    ("clip.ogg", ["-c:a", "libvorbis"]),
    ("clip.opus", ["-c:a", "libopus"]),
    ("clip.webm", ["-c:a", "libopus"]),
    ("clip.wma", ["-c:a", "wmav2"]),
    ("clip.aiff", []),
    ("clip.au", []),
]


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Peak of the normalised cross-correlation, so that a codec's delay does not matter."""
    size = 1 << (a.size + b.size).bit_length()
    spectrum = np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size))
    return float(np.fft.irfft(spectrum).max() / np.linalg.norm(a) / np.linalg.norm(b))


@pytest.mark.parametrize(("name", "options"), FORMATS, ids=[name for name, _ in FORMATS])
def test_formats(
    wav: Wav, convert: Convert, config: AudioConfig, name: str, options: list[str]
) -> None:
    source = wav(2.0, "source.wav")
    recording = decode(convert(source, name, *options), config)
    assert recording.samples.dtype == np.float32
    assert recording.duration_s == pytest.approx(2.0, abs=0.15)
    assert correlation(recording.samples, tone(2.0)) > 0.95
    assert recording.info.file == name
    assert recording.info.codec and recording.info.container
    assert recording.warnings == ()


def test_pcm16_at_16_khz_is_bit_exact(wav: Wav) -> None:
    path = wav(1.5)
    expected, _ = soundfile.read(path, dtype="float32")
    recording = decode(path, CONFIG)
    np.testing.assert_array_equal(recording.samples, expected)
    assert (recording.info.sample_rate_hz, recording.info.channels) == (16000, 1)


def test_plain_wav_is_read_as_ffmpeg_reads_it_but_without_it(
    wav: Wav, convert: Convert, monkeypatch: pytest.MonkeyPatch, config: AudioConfig
) -> None:
    path = wav(0.8)
    tagged = convert(path, "tagged.wav", "-c:a", "copy", "-metadata", "title=a title")
    with monkeypatch.context() as patch:
        patch.setattr(FFMPEG, "_read_ffmpeg", None)
        ours = [decode(p, config) for p in (path, tagged)]
    monkeypatch.setattr(FFMPEG, "is_plain_wav", lambda *_: False)
    for recording, p in zip(ours, (path, tagged), strict=True):
        theirs = decode(p, config)
        np.testing.assert_array_equal(recording.samples, theirs.samples)
        assert (recording.info, recording.warnings) == (theirs.info, theirs.warnings)


def test_the_audio_of_a_video(wav: Wav, convert: Convert) -> None:
    picture = ["-f", "lavfi", "-i", "color=c=red:s=64x64:d=2", "-c:v", "mpeg4", "-shortest"]
    video = convert(wav(2.0), "video.mp4", *picture, "-c:a", "aac")
    recording = decode(video, CONFIG)
    assert recording.info.codec == "aac"
    assert correlation(recording.samples, tone(2.0)) > 0.95


def test_what_the_file_says_is_kept(wav: Wav, convert: Convert) -> None:
    info = decode(convert(wav(2.0), "x.wav", "-ac", "6", "-ar", "48000"), CONFIG).info
    assert (info.sample_rate_hz, info.channels, info.codec) == (48000, 6, "pcm_s16le")
    assert info.size_bytes > 1_000_000 and info.duration_s == 2.0


def test_amr_of_a_telephone(tmp_path: Path) -> None:
    # Few FFmpeg builds can write AMR, so this one is by hand: 100 frames of 12.2 kbit/s.
    rng = np.random.default_rng(0)
    path = tmp_path / "call.amr"
    path.write_bytes(b"#!AMR\n" + b"".join(b"\x3c" + rng.bytes(31) for _ in range(100)))
    recording = decode(path, CONFIG)
    assert (recording.duration_s, recording.info.sample_rate_hz) == (2.0, 8000)
    assert recording.info.codec == "amr_nb"


def test_strange_names(wav: Wav) -> None:
    for name in ("-i.flac", "a b'c\"d%03d.flac", "录音：愤怒.flac", "http:x.flac", "-i.wav"):
        assert decode(wav(1.0, name), CONFIG).info.file == name


def test_short_audio_gets_a_warning(wav: Wav) -> None:
    (warning,) = decode(wav(0.5), CONFIG).warnings
    assert warning.code == "short_audio" and warning.params == {"duration_s": 0.5}


def test_a_flac_cut_in_the_middle_says_so(wav: Wav, convert: Convert) -> None:
    flac = convert(wav(4.0), "clip.flac")
    flac.write_bytes(flac.read_bytes()[: flac.stat().st_size // 2])
    (warning,) = decode(flac, CONFIG).warnings
    assert warning.code == "truncated_audio"
    assert warning.params["declared_s"] == pytest.approx(4.0, abs=0.1)


def write(path: Path, samples: np.ndarray, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, 16000, subtype=subtype)
    return path


def test_unusable_files(tmp_path: Path, wav: Wav, convert: Convert) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.mp3").write_text("This is not audio.\n" * 100)
    (tmp_path / "noise.bin").write_bytes(np.random.default_rng(0).bytes(5000))
    bad = tone(1.0)
    bad[100:110] = np.nan
    video = tmp_path / "video.mp4"
    convert(wav(1.0), "video.mp4", "-f", "lavfi", "-i", "color=d=1", "-map", "1:v")
    cases: list[tuple[Path, type[AudioError], str]] = [
        (tmp_path / "missing.wav", AudioNotFoundError, "No such file"),
        (tmp_path, AudioNotFoundError, "Not a file"),
        (tmp_path / ("x" * 300), AudioNotFoundError, "File name too long"),
        (tmp_path / "empty.wav", AudioEmptyError, "0 bytes"),
        (tmp_path / "text.mp3", AudioDecodeError, "cannot be read as audio"),
        (tmp_path / "noise.bin", AudioDecodeError, "cannot be read as audio"),
        (video, AudioStreamError, "no audio stream"),
        (write(tmp_path / "s.wav", tone(0.024)), AudioTooShortError, "0.024 s .* 0.025 s"),
        (write(tmp_path / "none.wav", np.zeros(0)), AudioDecodeError, "no samples"),
        (write(tmp_path / "z.wav", np.zeros(16000)), AudioSilentError, "-200 dBFS"),
        (write(tmp_path / "nan.wav", bad, "FLOAT"), AudioSamplesError, "10 of 16000"),
    ]
    for path, kind, text in cases:
        with pytest.raises(kind, match=text):
            decode(path, CONFIG)


def test_limits(wav: Wav) -> None:
    path = wav(3.0)
    with pytest.raises(AudioTooLongError, match="more than 2 s"):
        decode(path, AudioConfig(max_duration_s=2))
    with pytest.raises(AudioTooLargeError, match=r"0\.1 MB, but at most 0 MB"):
        decode(path, AudioConfig(max_upload_bytes=1000))
    assert decode(path, AudioConfig(max_duration_s=3)).duration_s == 3


def test_playlists_and_addresses_are_not_followed(tmp_path: Path, wav: Wav) -> None:
    target = wav(1.0, "secret.wav")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\nfile://{target}\n#EXT-X-ENDLIST\n")
    concat = tmp_path / "list.wav"
    concat.write_text(f"ffconcat version 1.0\nfile {target.name}\n")
    for path in (playlist, concat):
        with pytest.raises(AudioDecodeError):
            decode(path, CONFIG)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", "#EXTM3U\n#EXTINF:1,\nhttp://{host}/a.wav\n#EXT-X-ENDLIST\n"),
        ("list.mp3", "#EXTM3U\n#EXTINF:1,\nhttp://{host}/a.wav\n#EXT-X-ENDLIST\n"),
        ("list.wav", "ffconcat version 1.0\nfile http://{host}/a.wav\n"),
        ("list.mpd", '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">'
         "<BaseURL>http://{host}/</BaseURL></MPD>"),
        ("list.sdp", "v=0\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n"),
    ],
)  # fmt: skip
def test_no_playlist_reaches_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    commands: list[list[str]] = []

    def recorded(command: list[str], *args: Any, **options: Any) -> Any:
        commands.append(command)
        return FFMPEG_PIPED(command, *args, **options)

    monkeypatch.setattr(FFMPEG, "piped", recorded)
    path = tmp_path / name
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        path.write_text(text.format(host=host) * 50)
        with pytest.raises(AudioDecodeError):
            decode(path, CONFIG)
        server.setblocking(False)
        with pytest.raises(BlockingIOError):
            server.accept()
    for command in commands:
        inputs = [at for at, word in enumerate(command) if word == "-i"]
        assert len(inputs) == 1
        before = command[: inputs[0]]
        assert before[before.index("-protocol_whitelist") + 1] == "file"
        assert "-format_whitelist" in before and command[inputs[0] + 1].startswith("file:")


def fake_ffmpeg(tmp_path: Path, script: str) -> str:
    """A program that writes 1 s of sound and then does as it is told."""
    sound = write(tmp_path / "sound.wav", tone(1.0), "FLOAT")
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\ncat '{sound}'\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    return str(program)


def test_a_hanging_decoder_is_stopped(tmp_path: Path, wav: Wav) -> None:
    config = AudioConfig(decode_timeout_s=0.1, ffmpeg=fake_ffmpeg(tmp_path, "exec sleep 60"))
    with pytest.raises(DecoderTimeoutError, match="longer than 0 s"):
        decode(wav(name="clip.flac"), config)


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        ("kill -9 $$", "stopped before the end"),
        ("exit 255", "stopped before the end"),
        ("kill -SEGV $$", "crashed on it; try another with --ffmpeg"),
    ],
)
def test_a_decoder_that_is_stopped_gives_no_shorter_recording(
    tmp_path: Path, wav: Wav, ending: str, reason: str
) -> None:
    config = AudioConfig(ffmpeg=fake_ffmpeg(tmp_path, ending))
    with pytest.raises(AudioDecodeError, match=reason):
        decode(wav(name="clip.flac"), config)


def test_a_picture_that_lasts_longer_is_not_a_truncation(wav: Wav, convert: Convert) -> None:
    picture = ["-f", "lavfi", "-i", "color=c=red:s=64x64:d=9", "-c:v", "mpeg4"]
    assert decode(convert(wav(2.0), "video.mp4", *picture, "-c:a", "aac"), CONFIG).warnings == ()


def test_names_and_tags_are_not_taken_for_the_words_of_ffmpeg(wav: Wav, convert: Convert) -> None:
    tag = convert(wav(2.0), "tag.flac", "-metadata", "title=Duration: 99:00:00.00")
    assert decode(tag, CONFIG).warnings == ()
    name = "  Duration: 99:00:00.00, matches no streams, moov atom not found.flac"
    assert decode(wav(2.0, name), CONFIG).warnings == ()


def test_a_name_that_is_not_utf8(wav: Wav, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xd6\xd0.flac"))
    wav(1.0, "clip.flac").rename(odd)
    assert decode(odd, CONFIG).info.file == "\ufffd\ufffd.flac"


def test_cancelling_stops_the_decoder(tmp_path: Path, wav: Wav) -> None:
    config = AudioConfig(ffmpeg=fake_ffmpeg(tmp_path, "exec cat /dev/zero"))
    with pytest.raises(CancelledError):
        decode(wav(name="clip.flac"), config, cancelled=lambda: True)


@pytest.fixture
def fresh_path() -> Iterator[None]:
    """The choice of the program is remembered; forget it before and after."""
    ffmpeg_path.cache_clear()
    yield
    ffmpeg_path.cache_clear()


@pytest.mark.usefixtures("fresh_path")
def test_without_ffmpeg_the_bundled_one_is_used(monkeypatch: pytest.MonkeyPatch, wav: Wav) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    assert "imageio_ffmpeg" in ffmpeg_path()
    assert decode(wav(1.0, "clip.flac"), CONFIG).duration_s == 1.0
    ffmpeg_path.cache_clear()
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(DecoderMissingError, match="Install FFmpeg"):
        ffmpeg_path()


def test_a_chosen_ffmpeg_must_be_a_program(tmp_path: Path, wav: Wav) -> None:
    config = AudioConfig(ffmpeg=str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="must be an FFmpeg program"):
        decode(wav(name="clip.flac"), config)
    assert ffmpeg_path(fake_ffmpeg(tmp_path, "true")) == str(tmp_path / "ffmpeg")


def test_processed_audio_is_pcm16_and_clips_instead_of_wrapping(tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    write_wav(path, np.float32([0, 0.5, 1.5, -1.5]))
    info = soundfile.info(path)
    assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
    samples, _ = soundfile.read(path, dtype="int16")
    assert samples.tolist() == [0, 16384, 32767, -32768]
    with pytest.raises(FileNotFoundError):
        write_wav(tmp_path / "none" / "out.wav", np.zeros(10, np.float32))


def test_processed_audio_is_what_libsndfile_would_write(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    edges = [0, 1, -1, 1.5, -1.5, 1e-9, -1e-9, 1 / 32768, -1 / 32768, np.nextafter(1, 0)]
    sound = np.concatenate([rng.uniform(-1.1, 1.1, 50_000), edges]).astype(np.float32)
    ours, theirs = tmp_path / "ours.wav", tmp_path / "theirs.wav"
    write_wav(ours, iter([sound[:777], sound[777:]]))
    soundfile.write(theirs, sound, 16_000, subtype="PCM_16")
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full here")
def test_a_full_disk_is_called_so() -> None:
    with pytest.raises(OSError, match="No space left on device"):
        write_wav(Path("/dev/full"), np.zeros(100_000, np.float32))
