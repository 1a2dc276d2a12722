"""Previews: what can be decoded can be heard, in a small file that leads back to its recording."""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.audio import decode
from emotion.core.config import AudioConfig
from emotion.ui import previews
from emotion.ui.previews import Previews

CONFIG = AudioConfig()


@pytest.fixture
def maker(tmp_path: Path) -> Previews:
    return Previews(tmp_path / "cache", CONFIG)


@pytest.mark.parametrize("name", ["clip.avi", "clip.w64", "clip.caf", "录音 a'b%d.aiff"])
def test_a_preview_is_a_small_mono_mp3_of_the_same_sound(
    maker: Previews, wav: Callable[..., Path], convert: Callable[..., Path], name: str
) -> None:
    path = convert(wav(3.0), name)
    made = maker.make(path)
    assert made is not None
    recording, heard = decode(path, CONFIG), decode(made, CONFIG)
    assert (heard.info.codec, heard.info.channels, heard.info.sample_rate_hz) == ("mp3", 1, 16_000)
    assert heard.duration_s == pytest.approx(recording.duration_s, abs=0.2)
    assert made.stat().st_size < 30_000
    length = min(heard.samples.size, recording.samples.size)
    spectra = [np.abs(np.fft.rfft(one.samples[:length]))[:6000] for one in (recording, heard)]
    assert np.corrcoef(spectra)[0, 1] > 0.9
    assert re.fullmatch(r"[0-9a-f]{32}", made.parent.name)


def test_a_preview_leads_back_to_its_recording(
    maker: Previews, wav: Callable[..., Path], tmp_path: Path
) -> None:
    path = wav()
    made = maker.make(path)
    assert made is not None
    assert maker.original(made) == path
    assert maker.original(path) == path
    assert maker.original(tmp_path / "other.mp3") == tmp_path / "other.mp3"
    made.unlink()  # Gradio deletes old files
    maker.make(path)
    assert made not in maker._originals and len(maker._originals) == 1


def test_the_encoder_reads_its_pipe_only(
    maker: Previews, wav: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    plain = subprocess.run

    def recorded(command: list[str], **options: Any) -> Any:
        commands.append(command)
        return plain(command, **options)

    monkeypatch.setattr(previews.subprocess, "run", recorded)
    assert maker.make(wav()) is not None
    (command,) = commands
    before = command[: command.index("-i")]
    assert command.count("-i") == 1 and command[command.index("-i") + 1] == "pipe:0"
    assert before[before.index("-protocol_whitelist") + 1] == "pipe,file"


def test_what_cannot_be_decoded_has_no_preview(
    maker: Previews, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "broken.avi"
    broken.write_bytes(os.urandom(3000))
    with caplog.at_level(logging.INFO, "emotion.ui.previews"):
        assert maker.make(broken) is None
    assert "no preview of broken.avi" in caplog.text
    assert not list((tmp_path / "cache").glob("*"))


def test_a_long_recording_has_none(
    wav: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previews, "LONGEST_S", 2.0)
    maker = Previews(tmp_path, CONFIG)
    assert maker.make(wav(1.5)) is not None
    assert maker.make(wav(4.0)) is None


@pytest.mark.parametrize("failure", [1, "timeout", "missing"])
def test_an_encoder_that_fails_leaves_nothing(
    maker: Previews, wav: Callable[..., Path], tmp_path: Path, failure: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fail(command: list[str], **_: Any) -> None:
        if failure == "timeout":
            raise subprocess.TimeoutExpired(command, 1)
        if failure == "missing":
            raise FileNotFoundError(command[0])
        raise subprocess.CalledProcessError(1, command)

    path = wav()
    monkeypatch.setattr(previews.subprocess, "run", fail)
    assert maker.make(path) is None
    assert not list((tmp_path / "cache").glob("*"))
    assert maker.original(path) == path


def test_the_encoder_reads_and_writes_nothing_else(
    maker: Previews, wav: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], dict[str, Any]]] = []
    monkeypatch.setattr(
        previews.subprocess, "run", lambda command, **options: seen.append((command, options))
    )
    maker.make(wav(2.0, "http:x.wav"))
    command, options = seen[0]
    assert "-nostdin" in command and command[-1].startswith("file:/")
    assert command[command.index("-protocol_whitelist") + 1] == "pipe,file"
    assert command[command.index("-i") + 1] == "pipe:0"
    assert options["timeout"] > 0 and len(options["input"]) == 4 * 32_000
