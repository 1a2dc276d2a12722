"""Recordings, a worker's setup and the command ``batch``, for the tests of many recordings."""

from __future__ import annotations

import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import imageio_ffmpeg
import pytest

from emotion.cli import main
from emotion.core.config import AudioConfig
from emotion.core.options import RecognitionOptions
from emotion.corpus.inputs import Input
from emotion.corpus.part_worker import WorkerSetup
from emotion.recognition.opening import find_model
from tests.fakes import named


@pytest.fixture
def worker_setup(tiny_checkpoint: Path) -> WorkerSetup:
    config = named(tiny_checkpoint)
    return WorkerSetup(find_model(config), config, RecognitionOptions())


@pytest.fixture
def clips(wav: Callable[..., Path], tmp_path: Path) -> list[Input]:
    """Six recordings, the third one broken."""
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF no")
    made = [wav(0.6 + 0.1 * k, f"{k}.wav", seed=k) for k in range(6)]
    made[2] = broken
    return [Input(f"{k}", path, {"who": f"{k}"}) for k, path in enumerate(made)]


@pytest.fixture
def deadly(
    worker_setup: WorkerSetup,
    wav: Callable[..., Path],
    convert: Callable[..., Path],
    tmp_path: Path,
) -> tuple[WorkerSetup, Input]:
    """A recording that ends the process that decodes it, and the setup with which it does."""
    if sys.platform == "win32":
        pytest.skip("a script in place of FFmpeg")
    program, real = tmp_path / "ffmpeg", imageio_ffmpeg.get_ffmpeg_exe()
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *deadly*) kill -9 $PPID;; esac\nexec "{real}" "$@"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    config = replace(worker_setup.config, audio=AudioConfig(ffmpeg=str(program)))
    recording = convert(wav(0.8, "whole.wav"), "deadly.mp3")
    return replace(worker_setup, config=config), Input("deadly", recording, {"who": "x"})


@pytest.fixture
def batch(tiny_checkpoint: Path, tmp_path: Path) -> Callable[..., int]:
    """Runs the command with a tiny model; its tables lie in ``out``."""

    def run(*arguments: object) -> int:
        options = ["--model", tiny_checkpoint, "--device", "cpu", "--output-dir", tmp_path / "runs"]
        return main(["batch", *map(str, options), *map(str, arguments)])

    return run
