"""Several channels and several tracks, in many formats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from emotion.audio import decode
from emotion.audio.decode import MOST_APART
from emotion.core.config import AudioConfig
from emotion.core.errors import (
    AudioChannelError,
    AudioDecodeError,
    AudioEncryptedError,
    AudioSilentError,
    AudioTrackError,
    ConfigError,
)
from tests.conftest import codes, tone
from tests.test_audio import correlation

Wav = Callable[..., Path]
Convert = Callable[..., Path]


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
    assert mixed.channels == {}
    apart = decode(path, config, apart=True)
    np.testing.assert_array_equal(apart.samples, mixed.samples)
    assert list(apart.channels) == [1, 2]
    for number, heard in apart.channels.items():
        one = decode(path, config, channel=number)
        assert one.warnings == heard.warnings == () and one.info.channel == number
        np.testing.assert_allclose(one.samples, call[:, number - 1], atol=1e-6)
        np.testing.assert_array_equal(heard.buffer.read(), one.samples)
    with pytest.raises(AudioChannelError, match="no channel 3, the track has 2"):
        decode(path, config, channel=3)
    with pytest.raises(ConfigError, match="channel is 0"):
        decode(path, config, channel=0)


def test_silent_channels_are_left_out_and_many_are_refused(
    tmp_path: Path, config: AudioConfig
) -> None:
    path = tmp_path / "half.wav"
    soundfile.write(path, np.stack([np.zeros(32000), tone(2.0)], 1), 16000)
    assert list(decode(path, config, apart=True).channels) == [2]
    wide = tmp_path / "wide.wav"
    soundfile.write(wide, np.stack([tone(1.0)] * (MOST_APART + 1), 1), 16000)
    with pytest.raises(ConfigError, match="channels is 'split', but must be 'mix' for 17"):
        decode(wide, config, apart=True)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.m4a"])
def test_only_the_first_seconds(wav: Wav, convert: Convert, config: AudioConfig, name: str) -> None:
    source = wav(5.0, "long.wav")
    path = source if name == "a.wav" else convert(source, name)
    short = AudioConfig(ffmpeg=config.ffmpeg, max_duration_s=3.0)
    recording = decode(path, short, first_s=2.0)
    assert recording.duration_s == pytest.approx(2.0) and recording.info.duration_s == 2.0
    (warning,) = recording.warnings
    assert (warning.code, warning.params) == ("first_only", {"first_s": 2.0})
    whole = decode(path, config, first_s=9.0)
    assert whole.duration_s == pytest.approx(5.0, abs=0.1) and whole.warnings == ()
    assert correlation(recording.samples, whole.samples[:32000]) > 0.999


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
