"""tools/make_checkpoint.py: what it writes loads strictly, and the leftovers are stripped."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from emotion.checkpoint import Checkpoint, load_checkpoint
from emotion.labels import LABELS
from tools.make_checkpoint import SHAPES, tensor_sizes, write_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint("tiny", tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def checkpoint(folder: Path) -> Checkpoint:
    return load_checkpoint(folder)


def test_the_folder_has_funasr_files(folder: Path) -> None:
    names = {"config.yaml", "configuration.json", "tokens.txt", "model.pt"}
    assert names <= {path.name for path in folder.iterdir()}


def test_tiny_loads_strictly(checkpoint: Checkpoint) -> None:
    assert set(checkpoint.tokens) == set(LABELS)
    assert checkpoint.model.config.hop_samples == 320
    assert checkpoint.model.config.receptive_field_samples == 400
    assert checkpoint.model.config.num_blocks == 2


def test_model_pt_has_leftovers_and_the_converted_file_has_not(
    folder: Path, checkpoint: Checkpoint
) -> None:
    stored = torch.load(folder / "model.pt", weights_only=True)["model"]
    assert any(name.startswith("d2v_model._ema.") for name in stored)
    assert any(".decoder." in name for name in stored)
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        converted = set(file.keys())
    assert not any("ema" in name or "decoder" in name for name in converted)
    assert converted == set(checkpoint.model.state_dict())


def test_every_tensor_of_inference_is_kept(folder: Path, checkpoint: Checkpoint) -> None:
    stored = torch.load(folder / "model.pt", weights_only=True)["model"]
    kept = [n for n in stored if "._ema." not in n and ".decoder." not in n]
    assert len(kept) == len(checkpoint.model.state_dict())
    total = sum(stored[name].numel() for name in kept)
    assert total == sum(tensor.numel() for tensor in checkpoint.model.state_dict().values())


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
    leftovers = ("._ema.", ".decoder.")
    used = sum(n for name, n in count.items() if not any(part in name for part in leftovers))
    assert used == pytest.approx(314e6, rel=0.01)
    assert 4 * sum(count.values()) == pytest.approx(1.9 * 2**30, rel=0.02)
