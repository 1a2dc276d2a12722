"""What is on the disk of a model: found, complete, begun or missing. No network."""

from __future__ import annotations

from pathlib import Path

import pytest

from emotion.core.config import EngineConfig
from emotion.core.errors import CheckpointError, ModelUnknownError
from emotion.core.registry import EMBEDDED
from emotion.models import store as weights
from emotion.models.download import fetch
from emotion.models.store import is_complete, locate, missing_files, status
from tests.hub_server import FILES, write_model

NAME = "emotion2vec_plus_large"
SIZE = len(FILES["model.pt"])


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


def test_a_folder_is_itself(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "mine")
    assert locate(str(folder), tmp_path / "models") == folder


def test_a_known_name_is_below_the_models_folder(models: Path) -> None:
    assert locate(NAME, models) is None
    folder = write_model(models / NAME)
    assert locate(NAME, models) == folder
    assert locate(f"iic/{NAME}", models) == folder


@pytest.mark.parametrize("leave_out", ["config.yaml", "tokens.txt", "model.pt"])
def test_an_incomplete_folder(tmp_path: Path, leave_out: str) -> None:
    folder = write_model(tmp_path / "mine", leave_out)
    assert not is_complete(folder)
    with pytest.raises(CheckpointError, match=leave_out):
        locate(str(folder), tmp_path)
    named = write_model(tmp_path / NAME, leave_out)
    assert named.is_dir()
    assert locate(NAME, tmp_path) is None


def test_converted_weights_are_enough(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "mine", "model.pt")
    (folder / "model.safetensors").write_bytes(b"x")
    assert is_complete(folder)


def test_an_empty_file_is_missing(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "mine")
    (folder / "tokens.txt").write_bytes(b"")
    assert missing_files(folder) == ["tokens.txt"]


@pytest.mark.parametrize("name", ["emotion2vec_plus_huge", "", "./nothing", "~nobody/models"])
def test_unknown_names(name: str, models: Path) -> None:
    with pytest.raises(ModelUnknownError, match=rf"{name}.*emotion2vec_mini"):
        locate(name, models)
    with pytest.raises(ModelUnknownError):
        fetch(name, EngineConfig(models_dir=models))
    with pytest.raises(ModelUnknownError):
        status(name, models)


def test_the_embedded_model_is_found_beside_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(weights, "bundled_model", lambda name: tmp_path / "models" / name)
    folder = write_model(tmp_path / "models" / EMBEDDED)
    assert locate(EMBEDDED, tmp_path / "elsewhere") == folder
    own = write_model(tmp_path / "elsewhere" / EMBEDDED)
    assert locate(EMBEDDED, tmp_path / "elsewhere") == own


def test_status(models: Path) -> None:
    assert status(NAME, models).state == "missing"
    assert status(NAME, models).size_bytes == 0
    begun = models / f".partial-{NAME}" / "ms"
    begun.mkdir(parents=True)
    (begun / "model.pt").write_bytes(b"12345")
    found = status(NAME, models)
    assert (found.state, found.size_bytes, found.folder) == ("partial", 5, models / NAME)
    write_model(models / NAME)
    found = status(NAME, models)
    assert found.state == "ready"
    assert found.size_bytes > SIZE
    assert found.model.title == "Emotion2Vec+ Large"
