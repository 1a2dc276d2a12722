from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from emotion.core import registry
from emotion.core.paths import PROJECT_DIR
from emotion.core.registry import DEFAULT, EMBEDDED, MODELS, find


def test_names_and_titles() -> None:
    assert {name: model.title for name, model in MODELS.items()} == {
        "emotion2vec_plus_large": "Emotion2Vec+ Large",
        "emotion2vec_plus_base": "Emotion2Vec+ Base",
        "emotion2vec_plus_seed": "Emotion2Vec+ Seed",
        "emotion2vec_mini": "Emotion2Vec Mini",
        "wav2vec2-base-superb-er": "Wav2Vec2 Base, SUPERB ER",
        "hubert-large-superb-er": "HuBERT Large, SUPERB ER",
    }
    assert all(name == model.name for name, model in MODELS.items())


def test_default_and_embedded_are_known() -> None:
    assert DEFAULT == "emotion2vec_plus_large"
    assert EMBEDDED == "emotion2vec_mini"
    assert {DEFAULT, EMBEDDED} <= MODELS.keys()


def test_large_is_on_both_hubs() -> None:
    large = MODELS[DEFAULT]
    assert large.modelscope_id == "iic/emotion2vec_plus_large"
    assert large.huggingface_id == "emotion2vec/emotion2vec_plus_large"
    assert large.modelscope_revision == "master"  # a default tag has five labels only
    assert large.huggingface_revision == "main"
    assert 1.8e9 < large.size_bytes < 2.1e9


def test_mini_is_on_no_hub() -> None:
    mini = MODELS[EMBEDDED]
    assert mini.modelscope_id is None
    assert mini.huggingface_id is None
    assert mini.size_bytes == 0
    assert mini.licence == "CC BY-NC-SA 4.0"


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_each_model_has_what_loading_needs(model: registry.KnownModel) -> None:
    assert set(model.needed) <= set(model.files)
    # Small files first: a wrong repository is noticed early.
    assert model.files[-1] == model.needed[-1] in ("model.pt", "pytorch_model.bin")
    assert model.languages
    assert model.licence
    assert model.licence_url.startswith("https://")
    assert not any(".." in file or file.startswith(("/", ".")) for file in model.files)


def test_models_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        MODELS[DEFAULT].title = "x"  # type: ignore[misc]


@pytest.mark.parametrize(
    "name",
    [
        "emotion2vec_plus_base",
        "iic/emotion2vec_plus_base",
        "emotion2vec/emotion2vec_plus_base",
    ],
)
def test_find_by_name_or_hub_id(name: str) -> None:
    assert find(name) is MODELS["emotion2vec_plus_base"]


@pytest.mark.parametrize("name", ["", "large", "iic/other", "EMOTION2VEC_MINI", "../x"])
def test_find_nothing(name: str) -> None:
    assert find(name) is None


def test_import_is_light() -> None:
    heavy = "{'torch', 'numpy', 'requests', 'modelscope', 'huggingface_hub'}"
    code = f"import emotion.core.registry, sys; assert not {heavy} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT_DIR)
