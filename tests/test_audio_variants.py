"""What shared/bad_inputs holds, made anew in other formats: headers, times, levels."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from emotion.audio import decode, write_wav
from emotion.core.config import AudioConfig
from emotion.core.errors import (
    AudioTooLongError,
)
from tests.conftest import codes, tone

Wav = Callable[..., Path]
Convert = Callable[..., Path]


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
