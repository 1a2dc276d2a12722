"""Which models there are, and which of them answers."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emotion.core.labels import LABELS
from emotion.core.registry import DEFAULT, EMBEDDED, MODELS
from emotion.inference.engine import Engine
from emotion.recognition.loaded_model import LoadedModel
from emotion.services.model_list import Answering, list_models
from tests.fakes import FakeEngine


def test_known_models_without_their_weights(tmp_path: Path) -> None:
    listed = {model.name: model for model in list_models(tmp_path)}
    assert list(listed) == list(MODELS)
    large = listed[DEFAULT]
    assert (large.state, large.title) == ("missing", "Emotion2Vec+ Large")
    assert large.size_bytes == MODELS[DEFAULT].size_bytes
    assert large.licence == MODELS[DEFAULT].licence and large.licence_url
    assert large.folder == tmp_path / DEFAULT
    assert all(model.answering is None for model in listed.values())


def test_weights_that_are_there(tmp_path: Path, tiny_checkpoint: Path) -> None:
    shutil.copytree(tiny_checkpoint, tmp_path / DEFAULT)
    (tmp_path / ".partial-emotion2vec_plus_base").mkdir()
    (tmp_path / ".partial-emotion2vec_plus_base" / "model.pt").write_bytes(b"12345")
    listed = {model.name: model for model in list_models(tmp_path)}
    files = [file for file in (tmp_path / DEFAULT).rglob("*") if file.is_file()]
    assert listed[DEFAULT].state == "ready"
    assert listed[DEFAULT].size_bytes == sum(file.stat().st_size for file in files)
    base = listed["emotion2vec_plus_base"]
    assert (base.state, base.size_bytes) == ("partial", 5)


@pytest.mark.parametrize("name", [EMBEDDED, DEFAULT])
def test_the_one_that_answers(tmp_path: Path, name: str) -> None:
    model = LoadedModel(FakeEngine(), name=name, title="Title", fallback_reason="no route")
    listed = list_models(tmp_path, model)
    assert [one.name for one in listed if one.answering] == [name]
    assert len(listed) == len(MODELS)
    (answering,) = (one.answering for one in listed if one.answering)
    assert answering == Answering(LABELS, 4, "cpu", "fp32", "native", "no route")


def test_a_folder_of_ones_own_is_listed_too(tmp_path: Path, fake_model: LoadedModel) -> None:
    last = list_models(tmp_path, fake_model)[-1]
    assert (last.name, last.title, last.state) == ("fake", "Fake", "ready")
    assert last.size_bytes is None and last.licence is None and last.folder is None
    assert last.answering is not None


def test_what_the_network_itself_says(tiny_checkpoint: Path) -> None:
    engine = Engine.load(tiny_checkpoint, device="cpu", precision="fp32")
    model = LoadedModel(engine, name="tiny", title="Tiny")
    answering = Answering.of(model)
    assert answering.embedding_dim == engine.config.embed_dim
    assert list(answering.labels) == [label for label in LABELS if label in engine.labels]
    engine.close()


def test_listing_imports_no_network(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from emotion.services.model_list import list_models; "
        f"list_models(pathlib.Path({str(tmp_path)!r})); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
