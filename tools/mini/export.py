"""Writes a trained network as a folder in FunASR's layout."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from emotion.models.network import Emotion2vec, ModelConfig
from tools.make_checkpoint import CONFIGURATION, TOKENS

_AUDIO = "d2v_model.modality_encoders.AUDIO."
_NAMES: tuple[tuple[str, str], ...] = (
    (r"^(extra_tokens|alibi_scale)$", _AUDIO + r"\1"),
    (r"^convs\.(\d+)\.weight$", _AUDIO + r"local_encoder.conv_layers.\1.0.weight"),
    (r"^convs\.(\d+)\.norm\.(\w+)$", _AUDIO + r"local_encoder.conv_layers.\1.2.1.\2"),
    (r"^project_norm\.(\w+)$", _AUDIO + r"project_features.1.\1"),
    (r"^project\.(\w+)$", _AUDIO + r"project_features.2.\1"),
    (r"^context_norm\.(\w+)$", _AUDIO + r"context_encoder.norm.\1"),
    (r"^head\.(\w+)$", r"proj.\1"),
)
_BLOCK_PARTS = {"qkv": "attn.qkv", "out": "attn.proj", "fc1": "mlp.fc1", "fc2": "mlp.fc2"}


def funasr_name(name: str, prenet_depth: int) -> str:
    """FunASR's name of one of the network's tensors.

    Raises:
        ValueError: The network has no such tensor.
    """
    if match := re.fullmatch(r"position\.convs\.(\d+)\.(\w+)", name):
        return f"{_AUDIO}relative_positional_encoder.{int(match[1]) + 1}.0.{match[2]}"
    if match := re.fullmatch(r"blocks\.(\d+)\.(\w+)\.(\w+)", name):
        index, part = int(match[1]), _BLOCK_PARTS.get(match[2], match[2])
        if index < prenet_depth:
            return f"{_AUDIO}context_encoder.blocks.{index}.{part}.{match[3]}"
        return f"d2v_model.blocks.{index - prenet_depth}.{part}.{match[3]}"
    for pattern, replacement in _NAMES:
        new, hits = re.subn(pattern, replacement, name)
        if hits:
            return new
    raise ValueError(f"no tensor {name!r} in the network")


def funasr_config(config: ModelConfig) -> dict[str, Any]:
    """What FunASR reads as ``config.yaml``; parts that only its training uses are off or zero."""
    audio = {
        "type": "AUDIO",
        "prenet_depth": config.prenet_depth,
        "prenet_layerdrop": 0.0,
        "prenet_dropout": 0.0,
        "start_drop_path_rate": 0.0,
        "end_drop_path_rate": 0.0,
        "num_extra_tokens": config.num_extra_tokens,
        "init_extra_token_zero": True,
        "mask_noise_std": 0.01,
        "mask_prob_min": None,
        "mask_prob": 0.0,
        "inverse_mask": False,
        "mask_prob_adjust": 0.0,
        "keep_masked_pct": 0.0,
        "mask_length": 5,
        "add_masks": False,
        "remove_masks": False,
        "mask_dropout": 0.0,
        "encoder_zero_mask": True,
        "mask_channel_prob": 0.0,
        "mask_channel_length": 64,
        "ema_local_encoder": False,
        "local_grad_mult": 1.0,
        "use_alibi_encoder": True,
        "alibi_scale": 1.0,
        "learned_alibi": False,
        "alibi_max_pos": None,
        "learned_alibi_scale": True,
        "learned_alibi_scale_per_head": config.alibi_heads > 1,
        "learned_alibi_scale_per_layer": config.alibi_scales > 1,
        "num_alibi_heads": config.num_heads,
        "model_depth": config.depth,
        "decoder": None,
        "extractor_mode": "layer_norm",
        "feature_encoder_spec": " + ".join(f"[{layer}]" for layer in config.feature_encoder),
        "conv_pos_width": config.pos_kernel * config.pos_depth,
        "conv_pos_groups": config.pos_groups,
        "conv_pos_depth": config.pos_depth,
        "conv_pos_pre_ln": False,
    }
    conf = {
        "depth": config.depth,
        "embed_dim": config.embed_dim,
        "num_heads": config.num_heads,
        "mlp_ratio": config.mlp_dim / config.embed_dim,
        "normalize": config.normalize,
        "layer_norm_first": False,
        "norm_eps": 1e-5,
        "norm_affine": True,
        "start_drop_path_rate": 0.0,
        "end_drop_path_rate": 0.0,
        "encoder_dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "post_mlp_drop": 0.0,
        "dropout_input": 0.0,
        "layerdrop": 0.0,
        "average_top_k_layers": config.depth,
        "end_of_block_targets": False,
        "loss_beta": 0.0,
        "loss_scale": None,
        "clone_batch": 1,
        "supported_modality": "AUDIO",
        "shared_decoder": None,
        "modalities": {"audio": audio},
    }
    return {
        "model": "Emotion2vec",
        "model_conf": conf,
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
        "scope_map": ["d2v_model.", "none"],
    }


def export(model: Emotion2vec, folder: Path, temperature: float = 1.0) -> None:
    """Writes ``config.yaml``, ``configuration.json``, ``tokens.txt`` and ``model.pt``.

    Args:
        model: The network; it is not changed.
        folder: Made where there is none.
        temperature: The head is divided by it, so that plain softmax gives calibrated scores.
    """
    state: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        scaled = tensor / temperature if name.startswith("head.") else tensor
        state[funasr_name(name, model.config.prenet_depth)] = scaled.detach().float().clone()
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"model": state}, folder / "model.pt")
    text = yaml.safe_dump(funasr_config(model.config), sort_keys=True)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    (folder / "tokens.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    (folder / "configuration.json").write_text(json.dumps(CONFIGURATION) + "\n", encoding="utf-8")
