"""Recordings and a worker's setup, for the tests of several workers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

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
