"""Fixtures shared by all tests: small seeded inputs, a tiny checkpoint, a fake engine."""

from __future__ import annotations

import logging
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from emotion.audio import decode
from emotion.core.config import SAMPLE_RATE_HZ, AudioConfig, Config
from emotion.core.paths import PROJECT_DIR
from emotion.recognition.loaded_model import LoadedModel
from emotion.services.model_service import ModelService
from emotion.services.recognitions import RecognitionService
from emotion.storage.run_store import RunStore
from tests.fakes import FakeDetector, FakeEngine, FakeHub, FakeService
from tests.ffmpegs import programs

pytest_plugins = ["tests.api", "tests.browser", "tests.parts"]

SPEECH = PROJECT_DIR.parent / "shared" / "speech"
MINI = PROJECT_DIR / "models" / "emotion2vec_mini"


def tone(seconds: float, seed: int = 0) -> NDArray[np.float32]:
    """Speech-like sound: a gliding, pulsing harmonic series with noise.

    Args:
        seconds: Length.
        seed: Of the noise and the pitch.

    Returns:
        float32, (samples,), 16 kHz, peak 0.5.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    pitch = 110 + 60 * rng.random() + 30 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE_HZ
    voice = sum(np.sin(k * phase) / k for k in range(1, 12))
    pulse = 0.6 + 0.4 * np.sin(2 * np.pi * 3.1 * t)
    sound = voice * pulse + 0.05 * rng.standard_normal(t.size)
    return np.float32(0.5 * sound / np.abs(sound).max())


def codes(path: Path, config: AudioConfig, **options: int) -> list[str]:
    """The warnings that decoding gives."""
    return [warning.code for warning in decode(path, config, **options).warnings]


@pytest.fixture(params=programs())
def config(request: pytest.FixtureRequest) -> AudioConfig:
    """One for every FFmpeg that is here."""
    return AudioConfig(ffmpeg=request.param)


@pytest.fixture(autouse=True)
def own_log_handlers() -> Iterator[None]:
    """Takes away the log handlers that a test installed.

    The CLI's handler holds the ``stderr`` of the test that called it, which pytest closes; a later
    test that logs would write to a closed stream.
    """
    root = logging.getLogger()
    level, before = root.level, list(root.handlers)
    yield
    for handler in list(root.handlers):
        if handler not in before:
            root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def wav(tmp_path: Path) -> Callable[..., Path]:
    """Writes a WAV file of so many seconds and returns its path.

    A name that is taken gets a folder of its own: a run may still be reading the other file.
    """

    def write(seconds: float = 2.0, name: str = "clip.wav", seed: int = 0) -> Path:
        path = tmp_path / name
        if path.exists():
            path = Path(tempfile.mkdtemp(dir=tmp_path)) / name
        soundfile.write(path, tone(seconds, seed), SAMPLE_RATE_HZ, subtype="PCM_16")
        return path

    return write


@pytest.fixture
def convert(tmp_path: Path) -> Callable[..., Path]:
    """Converts a file with FFmpeg: ``convert(source, "name.mp3", "-b:a", "64k")``.

    The program is the bundled one, so that the files do not depend on what decodes them.
    """

    def run(source: Path, name: str, *options: str) -> Path:
        target = tmp_path / name
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-v",
            "error",
            "-nostdin",
            "-y",
            "-i",
            str(source),
        ]
        subprocess.run([*command, *options, str(target)], check=True, capture_output=True)
        return target

    return run


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in FunASR's layout with random weights of a tiny shape."""
    from tools.make_checkpoint import write_checkpoint

    folder = tmp_path_factory.mktemp("tiny")
    write_checkpoint("tiny", folder, 0)
    return folder


@pytest.fixture(scope="session")
def mini_checkpoint() -> Path:
    """The trained checkpoint that ships with the project."""
    return MINI


@pytest.fixture(scope="session")
def speech() -> Path:
    """A folder of labelled real speech with ``manifest.csv``; skips where it is absent."""
    if not (SPEECH / "manifest.csv").is_file():
        pytest.skip("no labelled speech beside the project")
    return SPEECH


@pytest.fixture
def fake_engine() -> FakeEngine:
    """An engine without a network, whose logits follow the loudness of the samples."""
    return FakeEngine()


@pytest.fixture
def fake_model(fake_engine: FakeEngine) -> LoadedModel:
    """A model with the fake engine."""
    return LoadedModel(fake_engine, name="fake", title="Fake", detector=FakeDetector())


@pytest.fixture
def service(fake_model: LoadedModel, tmp_path: Path) -> Iterator[RecognitionService]:
    """Recognitions by the fake model; its run folders lie in ``outputs``."""
    made = RecognitionService(FakeService(fake_model), RunStore(tmp_path / "outputs"))
    yield made
    made.close()


def run_folders(service: RecognitionService) -> list[Path]:
    """All folders beside the runs of a service, hidden ones too."""
    folder = service.store.folder
    return list(folder.iterdir()) if folder.exists() else []


@pytest.fixture
def hub(tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """A hub under the test's control, in place of the models on this machine and the network."""
    made = FakeHub(tiny_checkpoint)
    monkeypatch.setattr("emotion.recognition.opening.locate", made.locate)
    monkeypatch.setattr("emotion.services.model_service.locate", made.locate)
    monkeypatch.setattr("emotion.models.download.fetch", made.fetch)
    return made


@pytest.fixture
def start() -> Iterator[Callable[[Config], ModelService]]:
    """Starts services of real models; they end with the test."""
    services: list[ModelService] = []

    def run(config: Config) -> ModelService:
        services.append(ModelService(config))
        services[-1].start()
        return services[-1]

    yield run
    for service in services:
        service.stop()
