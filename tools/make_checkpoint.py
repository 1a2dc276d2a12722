"""Writes a folder in FunASR's layout with random weights: something real in shape to load and time.

    python tools/make_checkpoint.py --shape large --out /tmp/large

The names and shapes are FunASR's own (funasr/models/emotion2vec), so that both FunASR's
``AutoModel`` and this package load the folder. ``large`` has the layout of the published
Emotion2Vec+ Large: a fairseq training checkpoint with a teacher and optimizer state, three times
what inference needs. Scores mean nothing, but differ between clips.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

CONFIGURATION = {
    "framework": "pytorch",
    "task": "emotion-recognition",
    "model": {"type": "funasr"},
    "file_path_metas": {
        "init_param": "model.pt",
        "config": "config.yaml",
        "tokenizer_conf": {"token_list": "tokens.txt"},
    },
}
TOKENS = (
    "生气/angry",
    "厌恶/disgusted",
    "恐惧/fearful",
    "开心/happy",
    "中立/neutral",
    "其他/other",
    "难过/sad",
    "吃惊/surprised",
    "<unk>",
)
POS_WIDTH, POS_DEPTH, POS_GROUPS = 95, 5, 16
EXTRA_TOKENS = 10
DECODER_LAYERS, DECODER_KERNEL, DECODER_GROUPS = 4, 7, 16


@dataclass(frozen=True)
class Shape:
    """Sizes of a checkpoint.

    Attributes:
        embed_dim: Width of the transformer.
        num_heads: Attention heads.
        prenet_depth: Blocks of the audio encoder.
        depth: Blocks after it.
        conv_channels: Channels of the seven convolutions over the waveform; hop 320 samples.
        decoder_dim: Width of the pre-training decoder that the configuration describes.
        decoder: Whether ``model.pt`` holds that decoder.
        training_state: Whether ``model.pt`` is a whole training checkpoint: the network beside a
            nested ``_ema`` table with the teacher, and top-level configuration and optimizer state.
        alibi_per_layer: Whether each block has its own learned ALiBi scales.
    """

    embed_dim: int
    num_heads: int
    prenet_depth: int
    depth: int
    conv_channels: int = 512
    decoder_dim: int = 384
    decoder: bool = True
    training_state: bool = False
    alibi_per_layer: bool = False

    @property
    def feature_spec(self) -> str:
        """The convolutions over the waveform as ``config.yaml`` says them."""
        c = self.conv_channels
        return f"[({c}, 10, 5)] + [({c}, 3, 2)] * 4 + [({c},2,2)] + [({c},2,2)]"


SHAPES = {
    "tiny": Shape(32, 4, 1, 1, conv_channels=16, decoder_dim=16, training_state=True),
    "base": Shape(768, 12, 4, 8),
    "large": Shape(1024, 16, 4, 8, decoder_dim=768, decoder=False, training_state=True),
}


def write_checkpoint(
    shape: str | Shape, folder: Path, seed: int = 0, dtype: torch.dtype = torch.float32
) -> Path:
    """Writes ``config.yaml``, ``configuration.json``, ``tokens.txt`` and ``model.pt``.

    Args:
        shape: A name in `SHAPES`, or sizes of one's own.
        folder: Made if need be.
        seed: The same seed gives the same weights.
        dtype: What the weights are stored as.

    Returns:
        The folder.
    """
    sizes = SHAPES[shape] if isinstance(shape, str) else shape
    folder.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_dump(model_config(sizes), sort_keys=False)
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    (folder / "configuration.json").write_text(json.dumps(CONFIGURATION) + "\n")
    (folder / "tokens.txt").write_text("\n".join(TOKENS), encoding="utf-8")
    random = torch.Generator().manual_seed(seed)
    state = {
        name: _fill(name, size, random).to(dtype) for name, size in tensor_sizes(sizes).items()
    }
    data = _training_checkpoint(state) if sizes.training_state else {"model": state}
    torch.save(data, folder / "model.pt")
    return folder


def _training_checkpoint(state: dict[str, Tensor]) -> dict[str, Any]:
    # After public descriptions of data2vec 2.0's checkpoints: the teacher is one entry that is
    # itself a table. An optimizer's state fills the file to the published size, three times the
    # network's.
    teacher = {name: tensor.clone() for name, tensor in state.items() if "blocks" in name}
    count = sum(tensor.numel() for tensor in state.values())
    moments = torch.zeros(2 * count - sum(tensor.numel() for tensor in teacher.values()))
    return {
        "args": None,
        "cfg": {"_name": None, "task": {"_name": "audio_classification", "normalize": True}},
        "model": state | {"d2v_model._ema": teacher} | _unknown(state),
        "criterion": None,
        "optimizer_history": [{"optimizer_name": "FairseqAdam", "num_updates": 100_000}],
        "task_state": {},
        "extra_state": {"epoch": 1, "train_iterator": {"epoch": 1}},
        "last_optimizer_state": {"state": {0: {"step": 100_000, "exp_avg": moments}}},
    }


def _unknown(state: dict[str, Tensor]) -> dict[str, Tensor]:
    # Names that no reader knows: the class loss of the authors' option class.
    dim = state["proj.weight"].shape[1]
    return {
        "d2v_model.cls_token_proj.weight": torch.zeros(dim, dim),
        "d2v_model.cls_token_proj.bias": torch.zeros(dim),
    }


def tensor_sizes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the tensors of the network in ``model.pt``."""
    sizes = {f"d2v_model.{name}": size for name, size in _network(shape)}
    dim = shape.embed_dim
    sizes |= {"proj.weight": (len(TOKENS), dim), "proj.bias": (len(TOKENS),)}
    return sizes


def _network(shape: Shape) -> Iterator[tuple[str, tuple[int, ...]]]:
    encoder = "modality_encoders.AUDIO"
    dim, channels = shape.embed_dim, shape.conv_channels
    layers = shape.prenet_depth + shape.depth if shape.alibi_per_layer else 1
    yield f"{encoder}.extra_tokens", (1, EXTRA_TOKENS, dim)
    yield f"{encoder}.alibi_scale", (layers, 1, shape.num_heads, 1, 1)
    for i, kernel in enumerate((10, 3, 3, 3, 3, 2, 2)):
        conv = f"{encoder}.local_encoder.conv_layers.{i}"
        yield f"{conv}.0.weight", (channels, channels if i else 1, kernel)
        yield from _affine(f"{conv}.2.1", channels)
    yield from _affine(f"{encoder}.project_features.1", channels)
    yield from _linear(f"{encoder}.project_features.2", channels, dim)
    for i in range(1, POS_DEPTH + 1):
        conv = f"{encoder}.relative_positional_encoder.{i}.0"
        yield f"{conv}.weight", (dim, dim // POS_GROUPS, POS_WIDTH // POS_DEPTH)
        yield f"{conv}.bias", (dim,)
    yield from _affine(f"{encoder}.context_encoder.norm", dim)
    for i in range(shape.prenet_depth):
        yield from _block(f"{encoder}.context_encoder.blocks.{i}", dim)
    for i in range(shape.depth):
        yield from _block(f"blocks.{i}", dim)
    if shape.decoder:
        yield from _decoder(f"{encoder}.decoder", dim, shape.decoder_dim)


def _affine(name: str, dim: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (dim,)
    yield f"{name}.bias", (dim,)


def _linear(name: str, inputs: int, outputs: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _block(name: str, dim: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield from _affine(f"{name}.norm1", dim)
    yield from _linear(f"{name}.attn.qkv", dim, 3 * dim)
    yield from _linear(f"{name}.attn.proj", dim, dim)
    yield from _affine(f"{name}.norm2", dim)
    yield from _linear(f"{name}.mlp.fc1", dim, 4 * dim)
    yield from _linear(f"{name}.mlp.fc2", 4 * dim, dim)


def _decoder(name: str, dim: int, width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for i in range(DECODER_LAYERS):
        inputs = (width if i else dim) // DECODER_GROUPS
        yield f"{name}.blocks.{i}.0.weight", (width, inputs, DECODER_KERNEL)
        yield f"{name}.blocks.{i}.0.bias", (width,)
    yield from _linear(f"{name}.proj", width, dim)


def _fill(name: str, size: tuple[int, ...], random: torch.Generator) -> Tensor:
    values = torch.randn(size, generator=random)
    if name.endswith("alibi_scale"):
        return values.mul_(0.5).add_(1)  # a negative one is used as 0
    if name.endswith("extra_tokens"):
        return values
    if len(size) == 1:
        # Weights of a LayerNorm are near 1; all other vectors are biases.
        return values.mul_(0.1).add_(1.0 if name.endswith("weight") else 0.0)
    return values.mul_(math.sqrt(2 / math.prod(size[1:])))  # Kaiming's scale keeps signals alive


# Options of the published Emotion2Vec+ Large. Inference reads few of them; the rest is there so
# that a loader meets what it will meet in the real file.
_MODEL_OPTIONS = {
    "_name": "data2vec_multi",
    "supported_modality": "AUDIO",
    "seed": 1,
    "max_update": 100_000,
    "mlp_ratio": 4.0,
    "norm_affine": True,
    "norm_eps": 1e-5,
    "normalize": True,
    "layer_norm_first": False,
    "end_of_block_targets": False,
    "mae_init": False,
    "activation_dropout": 0.0,
    "attention_dropout": 0.1,
    "encoder_dropout": 0.1,
    "dropout_input": 0.0,
    "layerdrop": 0.0,
    "post_mlp_drop": 0.1,
    "start_drop_path_rate": 0.0,
    "end_drop_path_rate": 0.0,
    "average_top_k_layers": 16,
    "clone_batch": 12,
    "log_norms": True,
    "instance_norm_target_layer": True,
    "instance_norm_targets": False,
    "batch_norm_target_layer": False,
    "layer_norm_target_layer": False,
    "layer_norm_targets": False,
    "min_pred_var": 0.01,
    "min_target_var": 0.1,
    "cls_loss": 1.0,
    "cls_type": "chunk",
    "d2v_loss": 1.0,
    "recon_loss": 0.0,
    "loss_beta": 0.0,
    "loss_scale": None,
    "decoder_group": False,
    "shared_decoder": None,
    "ema_decay": 0.9997,
    "ema_end_decay": 1.0,
    "ema_anneal_end_step": 20_000,
    "ema_encoder_only": False,
    "ema_same_dtype": True,
    "skip_ema": False,
    "adversarial_training": False,
    "adversarial_hidden_dim": 128,
    "adversarial_weight": 0.1,
}
_MODALITY_OPTIONS = {
    "add_masks": False,
    "remove_masks": False,
    "encoder_zero_mask": True,
    "mask_prob": 0.7,
    "mask_prob_adjust": 0.0,
    "mask_prob_min": None,
    "mask_length": 5,
    "mask_noise_std": 0.01,
    "mask_dropout": 0.0,
    "inverse_mask": False,
    "mask_channel_prob": 0.0,
    "mask_channel_length": 64,
    "keep_masked_pct": 0.0,
    "alibi_max_pos": None,
    "alibi_scale": 1.0,
    "use_alibi_encoder": False,
    "learned_alibi": False,
    "learned_alibi_scale": False,
    "learned_alibi_scale_per_head": False,
    "learned_alibi_scale_per_layer": False,
    "num_extra_tokens": 0,
    "init_extra_token_zero": True,
    "local_grad_mult": 1.0,
    "prenet_dropout": 0.0,
    "prenet_layerdrop": 0.0,
    "ema_local_encoder": False,
    "start_drop_path_rate": 0.0,
    "end_drop_path_rate": 0.0,
}
_IMAGE_OPTIONS = {
    "type": "IMAGE",
    "input_size": 224,
    "patch_size": 16,
    "in_chans": 3,
    "embed_dim": 768,
    "alibi_dims": 2,
    "alibi_distance": "manhattan",
    "fixed_positions": True,
    "transformer_decoder": False,
    "enc_dec_transformer": False,
}
_TEXT_OPTIONS = {
    "type": "TEXT",
    "max_source_positions": 512,
    "learned_pos": True,
    "dropout": 0.1,
    "layernorm_embedding": True,
    "no_scale_embedding": True,
    "no_token_positional_embeddings": False,
}


def model_config(shape: Shape) -> dict[str, Any]:
    """What ``config.yaml`` holds; for ``large`` the values of the published one."""
    sizes = {
        "model_depth": shape.depth,
        "num_alibi_heads": shape.num_heads,
        "prenet_depth": shape.prenet_depth,
    }
    other = {**_MODALITY_OPTIONS, **sizes, "decoder": _decoder_options(384, kernel=5, layers=5)}
    audio = {
        **other,
        "type": "AUDIO",
        "extractor_mode": "layer_norm",
        "use_alibi_encoder": True,
        "feature_encoder_spec": shape.feature_spec,
        "decoder": _decoder_options(shape.decoder_dim, DECODER_KERNEL, DECODER_LAYERS),
        "conv_pos_width": POS_WIDTH,
        "conv_pos_depth": POS_DEPTH,
        "conv_pos_groups": POS_GROUPS,
        "conv_pos_pre_ln": False,
        "num_extra_tokens": EXTRA_TOKENS,
        "prenet_dropout": 0.1,
        "mask_prob": 0.55,
        "mask_prob_adjust": 0.1,
        "learned_alibi_scale": True,
        "learned_alibi_scale_per_head": True,
        "learned_alibi_scale_per_layer": shape.alibi_per_layer,
    }
    image, text = {**other, **_IMAGE_OPTIONS}, {**other, **_TEXT_OPTIONS}
    return {
        "model": "Emotion2vec",
        "model_conf": {
            **_MODEL_OPTIONS,
            "depth": shape.depth,
            "embed_dim": shape.embed_dim,
            "num_heads": shape.num_heads,
            "modalities": {"_name": None, "audio": audio, "image": image, "text": text},
        },
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
        "scope_map": ["d2v_model.", "none"],
    }


def _decoder_options(dim: int, kernel: int, layers: int) -> dict[str, Any]:
    return {
        "decoder_dim": dim,
        "decoder_kernel": kernel,
        "decoder_layers": layers,
        "decoder_groups": DECODER_GROUPS,
        "decoder_residual": True,
        "input_dropout": 0.1,
        "add_positions_all": False,
        "add_positions_masked": False,
        "projection_layers": 1,
        "projection_ratio": 2.0,
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write a checkpoint with random weights.")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="large")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = write_checkpoint(options.shape, options.out, options.seed)
    size_mb = (folder / "model.pt").stat().st_size / 1e6
    print(f"{folder}: {options.shape}, model.pt {size_mb:,.0f} MB")


if __name__ == "__main__":
    main()
