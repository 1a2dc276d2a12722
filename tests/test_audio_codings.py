"""Recordings of telephones and messengers, encrypted ones, and damage to any kind."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pysilk
import pytest
import soundfile

from emotion.audio import decode
from emotion.core.config import AudioConfig
from emotion.core.errors import (
    AudioDecodeError,
    AudioEncryptedError,
    AudioError,
    AudioTooLongError,
)
from tests.conftest import codes, tone

Wav = Callable[..., Path]
Convert = Callable[..., Path]


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
