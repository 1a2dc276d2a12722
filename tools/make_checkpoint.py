"""Writes a folder in FunASR's layout with random weights: something real in shape to load and time.

    python tools/make_checkpoint.py --shape large --out /tmp/large

The names and shapes are FunASR's own (funasr/models/emotion2vec), pre-training leftovers
included, so that both FunASR's ``AutoModel`` and this package load the folder. Scores mean
nothing, but differ between clips.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
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
        decoder_dim: Width of the pre-training decoder.
        ema_blocks: Of so many of the last blocks ``model.pt`` also holds an ``_ema`` copy.
        alibi_per_layer: Whether each block has its own learned ALiBi scales.
    """

    embed_dim: int
    num_heads: int
    prenet_depth: int
    depth: int
    conv_channels: int = 512
    decoder_dim: int = 384
    ema_blocks: int = 0
    alibi_per_layer: bool = False

    @property
    def feature_spec(self) -> str:
        """The convolutions over the waveform as ``config.yaml`` says them."""
        c = self.conv_channels
        return f"[({c}, 10, 5)] + [({c}, 3, 2)] * 4 + [({c}, 2, 2)] * 2"


SHAPES = {
    "tiny": Shape(32, 4, 1, 1, conv_channels=16, decoder_dim=16, ema_blocks=1),
    "base": Shape(768, 12, 4, 8),
    "large": Shape(1024, 16, 8, 16, ema_blocks=16),
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
    (folder / "config.yaml").write_text(_config(sizes), encoding="utf-8")
    (folder / "configuration.json").write_text(json.dumps(CONFIGURATION) + "\n")
    (folder / "tokens.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    random = torch.Generator().manual_seed(seed)
    state = {
        name: _fill(name, size, random).to(dtype) for name, size in tensor_sizes(sizes).items()
    }
    torch.save({"model": state}, folder / "model.pt")
    return folder


def tensor_sizes(shape: Shape) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all tensors of ``model.pt``."""
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
    yield from _decoder(f"{encoder}.decoder", dim, shape.decoder_dim)
    for i in range(shape.depth - shape.ema_blocks, shape.depth):
        yield from _block(f"_ema.blocks.{i}", dim)


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


# What funasr/models/emotion2vec reads; the dropouts do not matter at inference.
_CONFIG = """\
model: Emotion2vec
model_conf:
  activation_dropout: 0.0
  attention_dropout: 0.1
  average_top_k_layers: {depth}
  depth: {depth}
  dropout_input: 0.0
  embed_dim: {embed_dim}
  encoder_dropout: 0.1
  end_drop_path_rate: 0.0
  end_of_block_targets: false
  layer_norm_first: false
  layerdrop: 0.05
  loss_beta: 0.0
  loss_scale: null
  mlp_ratio: 4.0
  modalities:
    audio:
      type: AUDIO
      add_masks: false
      alibi_max_pos: null
      alibi_scale: 1.0
      conv_pos_depth: {pos_depth}
      conv_pos_groups: {pos_groups}
      conv_pos_pre_ln: false
      conv_pos_width: {pos_width}
      decoder:
        add_positions_all: false
        add_positions_masked: false
        decoder_dim: {decoder_dim}
        decoder_groups: {decoder_groups}
        decoder_kernel: {decoder_kernel}
        decoder_layers: {decoder_layers}
        decoder_residual: true
        input_dropout: 0.1
        projection_layers: 1
        projection_ratio: 2.0
      ema_local_encoder: false
      encoder_zero_mask: true
      end_drop_path_rate: 0.0
      extractor_mode: layer_norm
      feature_encoder_spec: "{feature_spec}"
      init_extra_token_zero: true
      inverse_mask: false
      keep_masked_pct: 0.0
      learned_alibi: false
      learned_alibi_scale: true
      learned_alibi_scale_per_head: true
      learned_alibi_scale_per_layer: {alibi_per_layer}
      local_grad_mult: 1.0
      mask_channel_prob: 0.0
      mask_length: 5
      mask_noise_std: 0.01
      mask_prob: 0.5
      mask_prob_min: null
      model_depth: {depth}
      num_alibi_heads: {num_heads}
      num_extra_tokens: {extra_tokens}
      prenet_depth: {prenet_depth}
      prenet_dropout: 0.1
      prenet_layerdrop: 0.05
      remove_masks: false
      start_drop_path_rate: 0.0
      use_alibi_encoder: true
  norm_affine: true
  norm_eps: 1.0e-05
  normalize: true
  num_heads: {num_heads}
  post_mlp_drop: 0.1
  start_drop_path_rate: 0.0
  supported_modality: AUDIO
scope_map:
- d2v_model.
- none
tokenizer: CharTokenizer
tokenizer_conf:
  split_with_space: true
  unk_symbol: <unk>
"""


def _config(shape: Shape) -> str:
    return _CONFIG.format(
        **asdict(shape),
        feature_spec=shape.feature_spec,
        pos_width=POS_WIDTH,
        pos_depth=POS_DEPTH,
        pos_groups=POS_GROUPS,
        extra_tokens=EXTRA_TOKENS,
        decoder_groups=DECODER_GROUPS,
        decoder_kernel=DECODER_KERNEL,
        decoder_layers=DECODER_LAYERS,
    )


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
