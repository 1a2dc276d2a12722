from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from emotion.core.errors import CheckpointError
from emotion.core.labels import LABELS
from emotion.core.paths import PROJECT_DIR
from emotion.models.checkpoint import (
    load_checkpoint,
    native_name,
    parse_feature_spec,
    read_config,
    read_tokens,
)
from emotion.models.converted import converted_path, fingerprint, write_converted
from emotion.models.network import Emotion2vec

WEIGHTS = "model.pt"
LARGE = PROJECT_DIR.parent / "shared" / "emotion2vec_plus_large"


@pytest.fixture
def folder(tiny_checkpoint: Path, tmp_path: Path) -> Path:
    """A fresh copy, never converted before."""
    copy = tmp_path / "model"
    shutil.copytree(tiny_checkpoint, copy)
    converted_path(copy, "fp32").unlink(missing_ok=True)
    return copy


def edit_state(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    data = torch.load(folder / WEIGHTS, weights_only=True)
    data = change(data["model"]) or data
    torch.save(data, folder / WEIGHTS)


def edit_yaml(folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    path = folder / "config.yaml"
    data = yaml.safe_load(path.read_text())
    change(data["model_conf"], data["model_conf"]["modalities"]["audio"])
    path.write_text(yaml.safe_dump(data))


def same(a: Path, b: Path) -> bool:
    states = [load_checkpoint(path).model.state_dict() for path in (a, b)]
    return all(torch.equal(states[0][name], states[1][name]) for name in states[1])


@pytest.mark.parametrize("nest", ["model", "state_dict", "model_state_dict", None])
@pytest.mark.parametrize("prefix", ["", "d2v_model.", "module.", "module.d2v_model."])
def test_nesting_and_prefixes(
    folder: Path, tiny_checkpoint: Path, nest: str | None, prefix: str
) -> None:
    def change(state: dict[str, Any]) -> dict[str, Any]:
        plain = {name.removeprefix("d2v_model."): tensor for name, tensor in state.items()}
        renamed = {prefix + name: tensor for name, tensor in plain.items()}
        return {nest: renamed} if nest else renamed

    edit_state(folder, change)
    assert same(folder, tiny_checkpoint)


def test_all_misfits_are_listed_at_once(folder: Path) -> None:
    def change(state: dict[str, Any]) -> None:
        del state["d2v_model.blocks.0.attn.qkv.bias"]
        state["d2v_model.stray"] = torch.zeros(2)
        state["proj.bias"] = torch.zeros(8)

    edit_state(folder, change)
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(folder)
    text = str(caught.value)
    assert "2 tensor(s)" in text and "stray" not in text
    assert "missing blocks.1.qkv.bias (96,)" in text
    assert "head.bias is (8,), but config.yaml and tokens.txt make it (9,)" in text
    assert not converted_path(folder, "fp32").exists()


def test_values_that_are_not_finite_are_refused(folder: Path) -> None:
    def change(state: dict[str, Any]) -> None:
        state["d2v_model.blocks.0.attn.qkv.bias"][3] = float("nan")
        state["proj.bias"][0] = float("inf")

    edit_state(folder, change)
    with pytest.raises(
        CheckpointError, match=r"2 tensor.*not finite in fp32: .*blocks\.1\.qkv\.bias"
    ):
        load_checkpoint(folder)
    assert not converted_path(folder, "fp32").exists()


def test_half_precision_has_a_file_of_its_own(folder: Path) -> None:
    whole = load_checkpoint(folder).model.state_dict()
    for reads in range(2):  # converts, then maps
        half = load_checkpoint(folder, "bf16").model.state_dict()
        assert half.keys() == whole.keys()
        for name, tensor in half.items():
            exact = name.startswith("head.") or name == "alibi_scale"
            assert tensor.dtype == (torch.float32 if exact else torch.bfloat16)
            assert torch.equal(tensor, whole[name].to(tensor.dtype))
        assert half["blocks.0.qkv.weight"].t().is_contiguous()
        if reads == 0:
            os.utime(converted_path(folder, "bf16"), ns=(7, 7))
    assert converted_path(folder, "bf16").stat().st_mtime_ns == 7


def test_what_half_precision_cannot_hold_is_refused(folder: Path) -> None:
    def change(state: dict[str, Any]) -> None:
        state["d2v_model.blocks.0.attn.qkv.bias"][3] = 70_000.0

    edit_state(folder, change)
    with pytest.raises(
        CheckpointError, match=r"1 tensor.*not finite in fp16: blocks\.1\.qkv\.bias"
    ):
        load_checkpoint(folder, "fp16")
    load_checkpoint(folder, "bf16")


def test_float64_is_loaded_as_float32(folder: Path, tiny_checkpoint: Path) -> None:
    def change(state: dict[str, Any]) -> None:
        state["proj.weight"] = state["proj.weight"].double()

    edit_state(folder, change)
    assert same(folder, tiny_checkpoint)


def test_a_cache_of_another_shape_is_not_used(folder: Path, tiny_checkpoint: Path) -> None:
    state = load_checkpoint(tiny_checkpoint).model.state_dict()
    write_converted(folder, state | {"head.bias": torch.zeros(3)}, "fp32", fingerprint(folder))
    assert same(folder, tiny_checkpoint)


@pytest.mark.skipif(not LARGE.is_dir(), reason=f"{LARGE}: the real configuration is not there")
def test_the_configuration_of_the_published_large() -> None:
    tokens = read_tokens(LARGE)
    assert sorted(filter(None, tokens)) == sorted(LABELS)
    config = read_config(LARGE, num_tokens=len(tokens))
    assert (config.embed_dim, config.num_heads, config.prenet_depth, config.depth) == (
        1024,
        16,
        4,
        8,
    )
    assert (config.pos_kernel, config.hop_samples, config.receptive_field_samples) == (19, 320, 400)
    with torch.device("meta"):
        count = sum(tensor.numel() for tensor in Emotion2vec(config).parameters())
    assert count == pytest.approx(164e6, rel=0.02)


def test_the_head_must_fit_the_tokens(folder: Path) -> None:
    (folder / "tokens.txt").write_text("生气/angry\n开心/happy\n")
    with pytest.raises(CheckpointError, match=r"head\.bias is \(9,\).* make it \(2,\)"):
        load_checkpoint(folder)


class MakesFolder:
    """Unpickling it freely would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.folder),))


def test_nothing_in_a_pickle_is_executed(folder: Path) -> None:
    marker = folder / "marker"
    (folder / WEIGHTS).write_bytes(pickle.dumps({"model": MakesFolder(marker)}, protocol=2))
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(folder)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("model.pt", None, "model.pt: no such file"),
        ("model.pt", b"PK\x03\x04 not a zip", "model.pt is damaged"),
        ("config.yaml", None, "config.yaml: No such file"),
        ("config.yaml", b"a: [", "config.yaml"),
        ("config.yaml", b"model: Paraformer\n", "model_conf"),
        ("config.yaml", b"model_conf: {modalities: {audio: [1]}}\n", "config.yaml"),
        ("config.yaml", b"model_conf: {modalities: {audio: null}}\n", "config.yaml"),
        ("tokens.txt", None, "tokens.txt: No such file"),
        ("tokens.txt", b"", "each may come once"),
        ("tokens.txt", "开心/happy\n高兴/happy\n".encode(), "each may come once"),
        ("tokens.txt", b"bored\n", "'bored' is none of angry"),
    ],
)
def test_broken_folders(folder: Path, name: str, content: bytes | None, text: str) -> None:
    path = folder / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=text):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("where", "name", "value"),
    [
        ("conf", "layer_norm_first", True),
        ("conf", "norm_eps", 1e-6),
        ("audio", "extractor_mode", "default"),
        ("audio", "learned_alibi", True),
        ("audio", "conv_pos_pre_ln", True),
        ("audio", "num_alibi_heads", 2),
        ("audio", "feature_encoder_spec", "__import__('os').getcwd()"),
    ],
)
def test_variants_that_are_not_computed_are_refused(
    folder: Path, where: str, name: str, value: Any
) -> None:
    edit_yaml(
        folder, lambda conf, audio: (conf if where == "conf" else audio).update({name: value})
    )
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(folder)


def test_feature_encoder_spec() -> None:
    large = "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]"
    assert parse_feature_spec(large) == (((512, 10, 5),) + ((512, 3, 2),) * 4 + ((512, 2, 2),) * 2)
    for bad in ("[(1, 2)]", "[(1, 2, 'x')]", "[(1,2,3)] * 999999999", "[(1,2,3)", "5", "[x]"):
        with pytest.raises(ValueError, match="feature_encoder_spec"):
            parse_feature_spec(bad)


def test_tokens_in_any_order_with_unused_slots(folder: Path) -> None:
    (folder / "tokens.txt").write_text("<unk>\nunuse_0\n开心/happy\nangry\n")
    tokens = read_tokens(folder)
    assert tokens == ("unknown", None, "happy", "angry")


def test_names() -> None:
    encoder = "modality_encoders.AUDIO."
    names = {
        encoder + "extra_tokens": "extra_tokens",
        encoder + "local_encoder.conv_layers.3.0.weight": "convs.3.weight",
        encoder + "local_encoder.conv_layers.3.2.1.bias": "convs.3.norm.bias",
        encoder + "project_features.2.weight": "project.weight",
        encoder + "relative_positional_encoder.1.0.weight": "position.convs.0.weight",
        encoder + "context_encoder.blocks.7.mlp.fc2.bias": "blocks.7.fc2.bias",
        "blocks.2.attn.proj.weight": "blocks.10.out.weight",
        "proj.bias": "head.bias",
        "something.else": "",
        "alibi_scale": "",  # of another part, although ours has that name
    }
    assert {name: native_name(name, 8) for name in names} == names
