"""tools/make_checkpoint.py: what it writes loads, with the sizes of the published models."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from emotion.core.labels import LABELS
from emotion.core.paths import PROJECT_DIR
from emotion.models.checkpoint import Checkpoint, load_checkpoint
from tools.make_checkpoint import SHAPES, TOKENS, model_config, tensor_sizes, write_checkpoint

LARGE = PROJECT_DIR.parent / "shared" / "emotion2vec_plus_large"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint("tiny", tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Checkpoint:
    return load_checkpoint(folder)


def test_the_folder_has_funasr_files(folder: Path) -> None:
    names = {"config.yaml", "configuration.json", "tokens.txt", "model.pt"}
    assert names <= {path.name for path in folder.iterdir()}


def test_tiny_loads(checkpoint: Checkpoint) -> None:
    assert set(checkpoint.tokens) == set(LABELS)
    assert checkpoint.model.config.hop_samples == 320
    assert checkpoint.model.config.receptive_field_samples == 400
    assert checkpoint.model.config.num_blocks == 2


def test_model_pt_is_a_training_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    stored = torch.load(folder / "model.pt", weights_only=True)
    assert stored["cfg"]["task"]["normalize"] is True
    assert stored["last_optimizer_state"]["state"][0]["exp_avg"].numel() > 0
    state = stored["model"]
    assert all(isinstance(tensor, torch.Tensor) for tensor in state["d2v_model._ema"].values())
    assert any(".decoder." in name for name in state)
    total = sum(tensor.numel() for tensor in checkpoint.model.state_dict().values())
    kept = [name for name in tensor_sizes(SHAPES["tiny"]) if ".decoder." not in name]
    assert len(kept) == len(checkpoint.model.state_dict())
    assert sum(state[name].numel() for name in kept) == total


def test_scores_differ_between_clips(checkpoint: Checkpoint) -> None:
    time_s = torch.arange(32_000) / 16_000
    noise = torch.randn(32_000, generator=torch.Generator().manual_seed(0))
    clips = torch.stack([torch.sin(2 * torch.pi * 220 * time_s), 0.1 * noise])
    with torch.inference_mode():
        scores = checkpoint.model.head(checkpoint.model(clips).mean(1)).softmax(-1)
    assert (scores[0] - scores[1]).abs().max() > 0.01
    assert scores.max() < 0.99


def test_the_seed_decides_the_weights(tmp_path: Path, folder: Path) -> None:
    def weights(where: Path) -> torch.Tensor:
        state = torch.load(where / "model.pt", weights_only=True)["model"]
        return state["proj.weight"]

    same = write_checkpoint("tiny", tmp_path / "same", seed=0)
    other = write_checkpoint("tiny", tmp_path / "other", seed=1)
    assert torch.equal(weights(same), weights(folder))
    assert not torch.equal(weights(other), weights(folder))


def test_large_has_the_size_of_the_published_one() -> None:
    count = {name: torch.Size(size).numel() for name, size in tensor_sizes(SHAPES["large"]).items()}
    assert sum(count.values()) == pytest.approx(164e6, rel=0.02)
    assert not any(".decoder." in name for name in count)
    assert 3 * 4 * sum(count.values()) == pytest.approx(1_945_790_254, rel=0.01)


@pytest.mark.skipif(not LARGE.is_dir(), reason=f"{LARGE}: the real configuration is not there")
def test_large_has_the_configuration_of_the_published_one() -> None:
    real = yaml.safe_load((LARGE / "config.yaml").read_text(encoding="utf-8"))
    assert model_config(SHAPES["large"]) == real
    assert "\n".join(TOKENS) == (LARGE / "tokens.txt").read_text(encoding="utf-8")
