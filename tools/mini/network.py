"""The mini network: sizes, fixed first layer, training on bands at 25 Hz, running at 50 Hz."""

from __future__ import annotations

import dataclasses
import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotion.core.labels import LABELS
from emotion.models.layers import EPS, Block, ConvLayer
from emotion.models.network import Emotion2vec, ModelConfig
from tools.mini.bands import BANDS, HOP, KERNEL, PHASES, band_filters, to_phases

GAIN = 3.0  # of the first LayerNorm, so that GELU acts nearly as a rectifier
LEVEL = 2.0  # of an average frame, in units of LayerNorm's epsilon: quieter frames stay quieter
CONSTANTS = 3  # channels of the first layer that are always one


def mini_config(
    channels: int = 96,
    width: int = 192,
    heads: int = 4,
    prenet: int = 1,
    depth: int = 1,
    mlp: int = 256,
    pos: tuple[int, int, int] = (1, 15, 16),
    extra: int = 10,
) -> ModelConfig:
    """Sizes of the network as it is trained: 25 frames a second."""
    front = ((PHASES * BANDS, KERNEL, HOP), (channels, 3, 2), (channels, 3, 1), (channels, 3, 2))
    return ModelConfig(
        feature_encoder=front,
        embed_dim=width,
        num_heads=heads,
        prenet_depth=prenet,
        depth=depth,
        mlp_dim=mlp,
        pos_depth=pos[0],
        pos_kernel=pos[1],
        pos_groups=pos[2],
        num_extra_tokens=extra,
        alibi_scales=1,
        alibi_heads=heads,
        normalize=True,
        num_tokens=len(LABELS),
    )


class BandNetwork(Emotion2vec):
    """The network on bands, as `tools.mini.bands` keeps them, instead of waveforms."""

    def encode(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Local features of bands: (B, T_in, 2 * BANDS) to (B, T, D)."""
        if lengths is not None:
            raise ValueError("bands are not padded")
        first = cast(ConvLayer, self.convs[0])
        scale = first.weight.norm(dim=(1, 2))  # the filters themselves have unit norm
        x = F.gelu(first.norm(to_phases(waveforms) * scale))
        for conv in self.convs[1:]:
            x = conv(x)
        return self.project(self.project_norm(x))  # type: ignore[no-any-return]


@torch.no_grad()
def start(model: Emotion2vec, loudness: Tensor) -> None:
    """Makes the first layer the bands and the second their magnitudes.

    The first LayerNorm would make all frames equally loud. Its input is kept so small that its
    epsilon counts, which keeps quiet frames quiet, and constant channels tell the next layer.

    Args:
        model: Changed in place; its second layer has two channels a band.
        loudness: float32, (BANDS,), of speech of unit variance, after which the bands are made
            equally loud.
    """
    first, second = cast(ConvLayer, model.convs[0]), cast(ConvLayer, model.convs[1])
    filters = to_phases(band_filters().T).T  # (PHASES * BANDS, KERNEL)
    scale = LEVEL * math.sqrt(EPS) / loudness.repeat(PHASES)
    first.weight.copy_((filters * scale[:, None])[:, None])
    first.norm.weight.fill_(GAIN)
    first.norm.weight[:CONSTANTS], first.norm.bias[:CONSTANTS] = 0.0, 1.0
    nn.init.normal_(second.weight, std=0.1 / math.sqrt(second.weight[0].numel()))
    for band in range(BANDS):  # magnitudes, and inverted ones, which tell weak bands apart
        second.weight[band, band::BANDS] += 1.0
        second.weight[BANDS + band, band::BANDS] -= 1.0
    second.norm.weight[:BANDS], second.norm.weight[BANDS : 2 * BANDS] = 2.0, 5.0
    second.norm.bias[BANDS : 2 * BANDS] = 1.0
    for block in (cast(Block, module) for module in model.blocks):
        nn.init.normal_(block.out.weight, std=0.02)
        nn.init.normal_(block.fc2.weight, std=0.02)
    nn.init.normal_(model.extra_tokens, std=0.02)


@torch.no_grad()
def at_fifty_hz(model: Emotion2vec) -> Emotion2vec:
    """The same network with 50 frames a second, out of one trained with 25.

    The last stride of 2 becomes 1; so that every second frame sees what it saw before, the
    positional kernels get a zero between their taps, the attention bias falls off half as fast and
    each extra token stands twice. The frames in between see the same 20 ms later.

    Returns:
        A network on waveforms, in evaluation mode.
    """
    old = model.config
    *front, (channels, kernel, stride) = old.feature_encoder
    config = dataclasses.replace(
        old,
        feature_encoder=(*front, (channels, kernel, stride // 2)),
        pos_kernel=2 * old.pos_kernel - 1,
        num_extra_tokens=2 * old.num_extra_tokens,
    )
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state["alibi_scale"] /= 2
    state["extra_tokens"] = state["extra_tokens"].repeat(1, 2, 1)
    for name in [name for name in state if name.startswith("position.") and "weight" in name]:
        narrow = state[name]
        wide = torch.zeros(*narrow.shape[:2], config.pos_kernel)
        wide[..., ::2] = narrow
        state[name] = wide
    result = Emotion2vec(config)
    result.load_state_dict(state)
    return result.eval().requires_grad_(False)
