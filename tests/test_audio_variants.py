"""The kinds of recording in shared/bad_inputs, made anew in other formats."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pysilk
import pytest
import soundfile
from numpy.typing import NDArray

from emotion.audio import count_channels, decode, write_wav
from emotion.core.config import AudioConfig
from emotion.core.errors import (
    AudioChannelError,
    AudioDecodeError,
    AudioEncryptedError,
    AudioError,
    AudioSilentError,
    AudioTooLongError,
    AudioTrackError,
    ConfigError,
)
from tests.conftest import tone
from tests.ffmpegs import programs
from tests.test_audio import correlation

Wav = Callable[..., Path]
Convert = Callable[..., Path]


@pytest.fixture(params=programs())
def config(request: pytest.FixtureRequest) -> AudioConfig:
    """One for every FFmpeg that is here."""
    return AudioConfig(ffmpeg=request.param)


def codes(path: Path, config: AudioConfig, **options: int) -> list[str]:
    return [warning.code for warning in decode(path, config, **options).warnings]


def halve(path: Path) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return path


def patched(path: Path, *changes: tuple[bytes, int, bytes]) -> Path:
    """Overwrites bytes some way after a marker."""
    data = bytearray(path.read_bytes())
    for marker, after, value in changes:
        at = data.index(marker) + after
        data[at : at + len(value)] = value
    path.write_bytes(data)
    return path


# --- Headers that are wrong -------------------------------------------------------------------


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
@pytest.mark.parametrize(
    ("riff", "data", "expected"),
    [
        (0, 0, []),
        (0xFFFFFFFF, 0xFFFFFFFF, []),
        (0x7FFFFFFF, 0x7FFFFFDB, []),
        (36, 8000, ["header_mismatch"]),
        (36, 9_000_000, ["truncated_audio"]),
    ],
)
def test_wav_with_wrong_sizes(
    tmp_path: Path,
    config: AudioConfig,
    subtype: str,
    rate_hz: int,
    riff: int,
    data: int,
    expected: list[str],
) -> None:
    path = tmp_path / "clip.wav"
    samples = np.repeat(tone(2.0), 3)[: 2 * rate_hz]
    soundfile.write(path, samples, rate_hz, subtype=subtype)
    patched(path, (b"RIFF", 4, struct.pack("<I", riff)), (b"data", 4, struct.pack("<I", data)))
    recording = decode(path, config)
    assert recording.duration_s == pytest.approx(2.0, abs=0.01)
    assert [warning.code for warning in recording.warnings] == expected


def test_wav_with_chunks_after_the_samples_is_right(tmp_path: Path, config: AudioConfig) -> None:
    path = tmp_path / "clip.wav"
    soundfile.write(path, tone(2.0), 16000)
    data = path.read_bytes()
    for tail in (
        b"LIST\x04\x00\x00\x00INFO",
        b"id3 \x06\x00\x00\x00abcdef" + b"PAD \x02\x00\x00\x00ab",
        b"TAG" + bytes(125),
        bytes(3),
    ):
        path.write_bytes(data + tail)
        recording = decode(path, config)
        assert recording.duration_s == 2.0 and recording.warnings == ()


def test_two_wav_files_end_to_end_are_both_heard(tmp_path: Path, config: AudioConfig) -> None:
    path = tmp_path / "clip.wav"
    soundfile.write(path, tone(2.0), 16000)
    path.write_bytes(path.read_bytes() * 2)
    recording = decode(path, config)
    assert recording.duration_s == pytest.approx(4.0, abs=0.01)
    assert [warning.code for warning in recording.warnings] == ["header_mismatch"]


@pytest.mark.parametrize("form", ["RF64", "W64", "AIFF", "AU", "CAF", "FLAC"])
def test_what_is_right_in_other_containers(tmp_path: Path, config: AudioConfig, form: str) -> None:
    path = tmp_path / "clip"  # no suffix
    soundfile.write(path, tone(2.0), 16000, format=form, subtype="PCM_24")
    recording = decode(path, config)
    assert (recording.duration_s, recording.warnings) == (2.0, ())


@pytest.mark.parametrize("form", ["RF64", "W64", "AIFF", "AU", "CAF"])
def test_stale_sizes_in_other_containers(tmp_path: Path, config: AudioConfig, form: str) -> None:
    path = tmp_path / "clip"
    soundfile.write(path, tone(4.0), 16000, format=form, subtype="PCM_16")
    one_s = 32_000
    changes = {
        "RF64": (b"ds64", 16, struct.pack("<Q", one_s)),
        "W64": (b"data", 16, struct.pack("<Q", one_s + 24)),
        "AIFF": (b"SSND", 4, struct.pack(">I", one_s + 8)),
        "AU": (b".snd", 8, struct.pack(">I", one_s)),
        "CAF": (b"data", 4, struct.pack(">q", one_s + 4)),
    }
    recording = decode(patched(path, changes[form]), config)
    assert recording.duration_s == pytest.approx(4.0, abs=0.01)
    assert [warning.code for warning in recording.warnings] == ["header_mismatch"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("clip.flac", []),
        ("clip.mp3", []),
        ("clip.m4a", ["-movflags", "faststart"]),
        ("clip.ogg", ["-c:a", "libvorbis"]),
        ("clip.opus", ["-c:a", "libopus"]),
        ("clip.webm", ["-c:a", "libopus"]),
        ("clip.mka", ["-c:a", "aac"]),
        ("clip.wav", ["-ar", "44100"]),
        ("clip.wav", []),
        ("clip.aiff", []),
        ("clip.w64", []),
        ("clip.caf", []),
        ("clip.au", []),
        ("clip.wma", []),
        ("clip.aac", []),
        ("clip.avi", []),
        ("clip.flv", ["-ar", "44100"]),
        ("clip.mxf", ["-f", "lavfi", "-i", "color=s=64x64:d=6", "-ar", "48000"]),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value)[:12],
)
def test_every_format_says_when_its_end_is_missing(
    wav: Wav, convert: Convert, config: AudioConfig, name: str, options: list[str]
) -> None:
    whole = convert(wav(6.0, "source.flac"), name, *options)
    assert codes(whole, config) == []
    assert "truncated_audio" in codes(halve(whole), config)


def test_a_cover_picture_is_no_video(wav: Wav, convert: Convert, config: AudioConfig) -> None:
    picture = ["-f", "lavfi", "-i", "color=s=32x32", "-map", "1", "-frames:v", "1"]
    cover = convert(wav(1.0), "cover.png", *picture)
    options = ["-i", str(cover), "-map", "0", "-map", "1", "-c:v", "copy"]
    options += ["-disposition:v", "attached_pic"]
    for name in ("clip.mp3", "clip.flac"):
        whole = convert(wav(6.0, f"source-{name}.flac"), name, *options)
        assert codes(whole, config) == []
        assert codes(halve(whole), config) == ["truncated_audio"]


# --- Channels ---------------------------------------------------------------------------------


def voices(*seeds: int) -> NDArray[np.float32]:
    """float32, (samples, channels): a talker a channel, in turns."""
    channels = []
    for number, seed in enumerate(seeds):
        voice = tone(4.0, seed)
        voice[number * 32000 : number * 32000 + 16000] *= 0.01
        channels.append(voice)
    return np.stack(channels, 1)


@pytest.mark.parametrize("residue", [0.001, 0.02, 0.1])
@pytest.mark.parametrize("form", ["wav", "flac", "mp3"])
def test_channels_that_cancel(
    tmp_path: Path, config: AudioConfig, residue: float, form: str
) -> None:
    path = tmp_path / f"clip.{form}"
    voice = tone(3.0)
    soundfile.write(path, np.stack([(residue - 1) * voice, voice], 1), 16000)
    recording = decode(path, config)
    (warning,) = recording.warnings
    assert (warning.code, warning.params) == ("channels_cancel", {"channels": 2, "channel": 2})
    assert (recording.info.channels, recording.info.channel) == (2, 2)
    assert correlation(recording.samples, voice) > 0.95
    assert abs(recording.samples).max() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("channels", [3, 4, 5, 6, 7, 8, 10, 12, 16])
def test_the_mix_is_the_mean_of_all_channels(
    tmp_path: Path, config: AudioConfig, channels: int
) -> None:
    # Sound in one slot at a time, the LFE's among them: each must weigh the same.
    for slot in {0, 3 % channels, channels - 1}:
        path = tmp_path / f"{slot}.wav"
        samples = np.zeros((32000, channels), np.float32)
        samples[:, slot] = tone(2.0)
        soundfile.write(path, samples, 16000, subtype="PCM_24")
        recording = decode(path, AudioConfig(ffmpeg=config.ffmpeg, quiet_dbfs=-200))
        assert recording.info.channels == channels and recording.warnings == ()
        np.testing.assert_allclose(recording.samples, tone(2.0) / channels, atol=1e-6)


def test_a_named_layout_does_not_change_the_mean(
    wav: Wav, convert: Convert, config: AudioConfig
) -> None:
    stereo = convert(wav(2.0, "s.wav"), "x.wav", "-af", "pan=5.1|LFE=c0", "-c:a", "pcm_s24le")
    recording = decode(stereo, AudioConfig(ffmpeg=config.ffmpeg, quiet_dbfs=-200))
    assert recording.info.channels == 6
    np.testing.assert_allclose(recording.samples, tone(2.0) / 6, atol=1e-4)


def test_different_speech_a_channel(tmp_path: Path, config: AudioConfig) -> None:
    path = tmp_path / "call.wav"
    call = voices(1, 2)
    soundfile.write(path, call, 16000, subtype="PCM_24")
    mixed = decode(path, config)
    (warning,) = mixed.warnings
    assert warning.code == "channels_differ" and "--channels split" in warning.message
    np.testing.assert_allclose(mixed.samples, call.mean(1), atol=1e-5)
    assert count_channels(path, config) == 2
    for channel in (1, 2):
        one = decode(path, config, channel=channel)
        assert one.warnings == () and one.info.channel == channel
        np.testing.assert_allclose(one.samples, call[:, channel - 1], atol=1e-6)
    with pytest.raises(AudioChannelError, match="no channel 3, the track has 2"):
        decode(path, config, channel=3)
    with pytest.raises(ConfigError, match="channel is 0"):
        decode(path, config, channel=0)


def test_one_voice_in_two_places_is_no_difference(tmp_path: Path, config: AudioConfig) -> None:
    voice = tone(4.0)
    room = np.stack([voice, np.roll(voice, 37) * 0.6], 1)  # 2 ms later at the second microphone
    noisy = room + np.random.default_rng(0).normal(0, 0.01, room.shape)
    half = np.stack([voice, np.zeros_like(voice)], 1)
    for number, samples in enumerate((room, noisy, half)):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, samples, 16000)
        assert codes(path, config) == []


def test_a_silent_channel_is_silent_on_its_own(tmp_path: Path, config: AudioConfig) -> None:
    path = tmp_path / "half.wav"
    soundfile.write(path, np.stack([tone(2.0), np.zeros(32000)], 1), 16000)
    assert decode(path, config, channel=1).warnings == ()
    with pytest.raises(AudioSilentError):
        decode(path, config, channel=2)


# --- Tracks -----------------------------------------------------------------------------------


@pytest.fixture
def tracks(tmp_path: Path, convert: Convert) -> Callable[..., Path]:
    """Puts several sounds into one file: ``tracks("a.mkv", tone(2), None)``; None is silence."""

    def build(name: str, *sounds: NDArray[np.float32] | None, codec: str = "aac") -> Path:
        paths = []
        for number, sound in enumerate(sounds):
            paths.append(tmp_path / f"{name}-{number}.wav")
            soundfile.write(paths[-1], np.zeros(32000) if sound is None else sound, 16000)
        more = [word for path in paths[1:] for word in ("-i", str(path))]
        maps = [word for number in range(len(paths)) for word in ("-map", str(number))]
        return convert(paths[0], name, *more, *maps, "-c:a", codec)

    return build


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4", "clip.mov", "clip.mka"])
def test_tracks(tracks: Callable[..., Path], config: AudioConfig, name: str) -> None:
    both = tracks(name, tone(2.0, 1), tone(3.0, 2))
    first = decode(both, config)
    assert [warning.code for warning in first.warnings] == ["several_tracks"]
    assert "--track N" in first.warnings[0].message
    assert (first.info.tracks, first.info.track) == (2, 1)
    second = decode(both, config, track=2)
    assert second.warnings == () and second.info.track == 2
    assert second.duration_s == pytest.approx(3.0, abs=0.1)
    with pytest.raises(AudioTrackError, match="no audio track 3, the file has 2"):
        decode(both, config, track=3)
    with pytest.raises(ConfigError, match="track is 0"):
        decode(both, config, track=0)


def test_a_silent_first_track(tracks: Callable[..., Path], config: AudioConfig) -> None:
    path = tracks("clip.mkv", None, None, tone(2.0))
    recording = decode(path, config)
    assert [warning.code for warning in recording.warnings] == ["track_chosen"]
    assert (recording.info.tracks, recording.info.track) == (3, 3)
    with pytest.raises(AudioSilentError):
        decode(path, config, track=1)
    assert codes(tracks("two.mkv", None, tone(2.0), tone(2.0)), config) == [
        "track_chosen",
        "several_tracks",
    ]
    assert codes(tracks("last.mkv", tone(2.0), None), config) == []
    with pytest.raises(AudioSilentError):
        decode(tracks("none.mkv", None, None), config)


@pytest.mark.parametrize(
    ("name", "codec", "known", "unknown"),
    [("clip.mkv", "flac", b"A_FLAC", b"A_XLAC"), ("clip.mp4", "alac", b"alac", b"apac")],
)
def test_an_undecodable_first_track(
    tracks: Callable[..., Path],
    convert: Convert,
    config: AudioConfig,
    name: str,
    codec: str,
    known: bytes,
    unknown: bytes,
) -> None:
    one = tracks(f"one-{name}", tone(2.0, 1), codec=codec)
    aac = tracks("aac.m4a", tone(2.0, 2))
    both = convert(one, name, "-i", str(aac), "-map", "0", "-map", "1", "-c", "copy")
    for path in (one, both):
        path.write_bytes(path.read_bytes().replace(known, unknown))
    recording = decode(both, config)
    assert [warning.code for warning in recording.warnings] == ["track_chosen"]
    assert (recording.info.track, recording.info.codec) == (2, "aac")
    for options in ({"path": one}, {"path": both, "track": 1}):
        with pytest.raises(AudioDecodeError, match="no decoder for its codec"):
            decode(config=config, **options)  # type: ignore[arg-type]


# --- Time -------------------------------------------------------------------------------------


def onset_s(samples: NDArray[np.float32]) -> float:
    return float(np.argmax(abs(samples) > 0.05)) / 16000


@pytest.mark.parametrize("name", ["clip.mka", "clip.mkv", "clip.webm", "clip.mp4", "clip.m4a"])
def test_a_late_start_is_silence(
    wav: Wav, convert: Convert, tmp_path: Path, config: AudioConfig, name: str
) -> None:
    codec = "libopus" if name.endswith("webm") else "aac"
    early = convert(wav(2.0), f"early-{name}", "-c:a", codec)
    late = convert(early, name, "-itsoffset", "3", "-i", str(early), "-map", "1", "-c", "copy")
    recording = decode(late, config)
    assert recording.duration_s == pytest.approx(5.0, abs=0.12)
    assert onset_s(recording.samples) == pytest.approx(3.0, abs=0.12)
    assert recording.warnings == ()
    with pytest.raises(AudioTooLongError):
        decode(late, AudioConfig(ffmpeg=config.ffmpeg, max_duration_s=4))


def test_a_gap_is_silence(wav: Wav, convert: Convert, config: AudioConfig) -> None:
    source = convert(wav(4.0), "clip.mka", "-c:a", "libopus")
    # Every packet after 2 s is shown 3 s later.
    bsf = "setts=ts=TS+3000*gte(TS\\,2000)"
    gap = convert(source, "gap.webm", "-c", "copy", "-bsf:a", bsf)
    recording = decode(gap, config)
    assert recording.duration_s == pytest.approx(7.0, abs=0.1)
    assert abs(recording.samples[int(2.2 * 16000) : int(4.8 * 16000)]).max() < 1e-3
    assert abs(recording.samples[int(5.2 * 16000) :]).max() > 0.2


def test_a_broadcast_starts_when_its_recording_does(
    wav: Wav, convert: Convert, config: AudioConfig
) -> None:
    source = convert(wav(2.0), "clip.mka", "-c:a", "libopus")
    bsf = "setts=ts=TS+5000000"
    piece = convert(source, "piece.webm", "-c", "copy", "-bsf:a", bsf, "-live", "1")
    assert decode(piece, config).duration_s == pytest.approx(2.0, abs=0.1)


# --- Levels -----------------------------------------------------------------------------------


@pytest.mark.parametrize("full_scale", [2.0**7, 2.0**15, 2.0**23, 2.0**31])
@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_integers_in_floating_point(
    tmp_path: Path, config: AudioConfig, full_scale: float, rate_hz: int
) -> None:
    path = tmp_path / "clip.wav"
    sound = np.repeat(tone(2.0), rate_hz // 16_000)
    soundfile.write(path, sound * full_scale * 1.9, rate_hz, subtype="FLOAT")
    recording = decode(path, config)
    (warning,) = recording.warnings
    assert (warning.code, warning.params["divisor"]) == ("scaled_audio", full_scale)
    assert 0.5 < abs(recording.samples).max() <= 1


def test_loud_audio_is_scaled_and_not_clipped(tmp_path: Path, config: AudioConfig) -> None:
    path, out = tmp_path / "loud.wav", tmp_path / "out.wav"
    loud = tone(2.0) * 5  # peak 2.5
    soundfile.write(path, loud, 16000, subtype="FLOAT")
    recording = decode(path, config)
    assert recording.warnings == () and abs(recording.samples).max() == pytest.approx(1, abs=1e-6)
    write_wav(out, recording.samples)
    np.testing.assert_allclose(soundfile.read(out)[0], loud / 2.5, atol=1e-4)


# --- Telephones, voice messages, other worlds ---------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "form"),
    [("g722", "g722"), ("al", "alaw"), ("alaw", "alaw"), ("ul", "mulaw"), ("ULAW", "mulaw")],
)
def test_telephone_audio_by_suffix(
    wav: Wav, convert: Convert, config: AudioConfig, suffix: str, form: str
) -> None:
    rate_hz = 16_000 if form == "g722" else 8_000
    path = convert(wav(2.0), f"call.{suffix}", "-ar", str(rate_hz), "-f", form)
    recording = decode(path, config)
    assert recording.duration_s == pytest.approx(2.0, abs=0.01)
    assert recording.info.sample_rate_hz == rate_hz
    (warning,) = recording.warnings
    assert warning.code == "raw_audio" and "suffix" in warning.message
    wrong = wav(2.0, f"really-wav.{suffix}.wav").rename(path.with_name(f"wav.{suffix}"))
    assert codes(wrong, config) == []


@pytest.mark.parametrize("coding", ["pcm", "ulaw", "shorten"])
def test_sphere(tmp_path: Path, config: AudioConfig, coding: str) -> None:
    lines = ["NIST_1A", "   1024", "sample_count -i 16000", "channel_count -i 1"]
    width = 1 if coding == "ulaw" else 2
    lines += [f"sample_n_bytes -i {width}", "sample_rate -i 8000", "sample_byte_format -s2 01"]
    name = {"shorten": "pcm,embedded-shorten-v2.00"}.get(coding, coding)
    lines += [f"sample_coding -s{len(name)} {name}", "end_head", ""]
    head = "\n".join(lines).encode().ljust(1024)
    raw = io.BytesIO()
    subtype = "ULAW" if coding == "ulaw" else "PCM_16"
    soundfile.write(raw, tone(2.0)[::2], 8000, format="RAW", subtype=subtype, endian="LITTLE")
    path = tmp_path / "sw02001.sph"
    path.write_bytes(head + raw.getvalue())
    if coding == "shorten":
        with pytest.raises(AudioDecodeError, match="Shorten"):
            decode(path, config)
        return
    recording = decode(path, config)
    assert recording.duration_s == 2.0 and recording.warnings == ()
    assert recording.info.sample_rate_hz == 8000


def silk(seconds: float = 3.0, *, tencent: bool = True) -> bytes:
    out = io.BytesIO()
    pcm = (tone(seconds) * 32767).astype("<i2").tobytes()
    pysilk.encode(io.BytesIO(pcm), out, 16000, 24000, tencent=tencent)
    return out.getvalue()


@pytest.mark.parametrize("name", ["voice.silk", "voice.slk", "voice.amr", "voice", "voice.wav"])
@pytest.mark.parametrize("tencent", [True, False])
def test_voice_messages(tmp_path: Path, name: str, tencent: bool) -> None:
    path = tmp_path / name
    path.write_bytes(silk(tencent=tencent))
    recording = decode(path, AudioConfig())
    assert recording.duration_s == pytest.approx(3.0, abs=0.05)
    assert (recording.info.codec, recording.warnings) == ("silk", ())
    path.write_bytes(silk(tencent=tencent)[:-20])
    assert codes(path, AudioConfig()) == ["truncated_audio"]


def test_damaged_voice_messages_say_silk(tmp_path: Path) -> None:
    whole = silk()
    path = tmp_path / "voice.silk"
    for damaged in (whole[:10], whole[:9], b"\x00" * 500, whole[:10] + b"\xff\x7f" + whole[12:]):
        path.write_bytes(damaged)
        with pytest.raises(AudioDecodeError, match="SILK"):
            decode(path, AudioConfig())
    path.write_bytes(whole)
    with pytest.raises(AudioTooLongError):
        decode(path, AudioConfig(max_duration_s=2))


@pytest.mark.parametrize(
    ("name", "content", "scheme"),
    [
        ("song.ncm", b"CTENFDAM\x01\x61" + bytes(500), "NetEase"),
        ("song.mp3", b"CTENFDAM\x01\x61" + bytes(500), "NetEase"),
        ("song.qmcflac", np.random.default_rng(0).bytes(500), "QQ Music"),
        ("song.kgm", np.random.default_rng(1).bytes(500), "KuGou"),
    ],
)
def test_encrypted_music(tmp_path: Path, name: str, content: bytes, scheme: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioEncryptedError, match=f"encrypted .{scheme}"):
        decode(path, AudioConfig())


@pytest.mark.parametrize(("entry", "scheme"), [(b"enca", "CENC"), (b"drms", "FairPlay")])
@pytest.mark.parametrize("faststart", [True, False])
def test_encrypted_mp4(
    tracks: Callable[..., Path], convert: Convert, entry: bytes, scheme: str, faststart: bool
) -> None:
    path = tracks("clip.m4a", tone(2.0), tone(2.0))
    if faststart:
        path = convert(path, "fast.m4a", "-map", "0", "-c", "copy", "-movflags", "faststart")
    data = path.read_bytes()
    # Sample descriptions begin with the length of the entry and its name.
    assert data.count(b"mp4a\x00\x00") == 2
    path.write_bytes(data.replace(b"mp4a\x00\x00", entry + b"\x00\x00", 1))
    recording = decode(path, AudioConfig())
    assert recording.info.track == 2
    with pytest.raises(AudioEncryptedError, match=scheme):
        decode(path, AudioConfig(), track=1)
    path.write_bytes(data.replace(b"mp4a\x00\x00", entry + b"\x00\x00"))
    with pytest.raises(AudioEncryptedError, match=scheme):
        decode(path, AudioConfig())


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("clip.wav", b"PK\x03\x04" + bytes(100), "unpack it first"),
        ("clip.mp3", b"\n<!DOCTYPE html><html>" + bytes(100), "a web page"),
        ("clip.mp3", b"\x89PNG\r\n\x1a\n" + bytes(100), "a document or a picture"),
        ("clip.mid", b"MThd" + bytes(100), "MIDI"),
        ("clip.pcm", np.random.default_rng(0).bytes(3000), "raw samples without a header"),
    ],
)
def test_what_is_no_recording_gets_the_plain_reason(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioDecodeError, match=reason):
        decode(path, AudioConfig())


# --- Damage -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["wav", "rf64", "m4a", "silk", "flac", "sph", "caf"])
def test_random_damage_gives_a_result_or_one_clear_error(
    wav: Wav, convert: Convert, tmp_path: Path, kind: str
) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / f"damaged.{kind}"
    if kind == "silk":
        whole = silk(1.0)
    elif kind == "rf64":
        soundfile.write(path, tone(1.0), 16000, format="RF64")
        whole = path.read_bytes()
    elif kind == "sph":
        soundfile.write(path, tone(1.0), 16000, format="NIST", subtype="PCM_16")
        whole = path.read_bytes()
    else:
        whole = convert(wav(1.0), f"whole.{kind}").read_bytes()
    errors = 0
    for _ in range(25):
        data = bytearray(whole)
        for at in rng.integers(0, min(len(data), 200), 4):
            data[at] = rng.integers(256)
        if rng.random() < 0.5:
            data = data[: rng.integers(1, len(data))]
        path.write_bytes(data)
        with contextlib.suppress(AudioError):  # anything else fails the test
            errors += 1
            recording = decode(path, AudioConfig(max_duration_s=60))
            errors -= 1
            assert np.isfinite(recording.samples).all() and recording.duration_s <= 60
    assert 0 < errors < 25
