"""The mini network: sizes, mel-band start, regularisation for training, export for FunASR."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from emotion.labels import LABELS
from emotion.model import Block, ConvLayer, Emotion2vec, ModelConfig

RATE_HZ = 16_000
PHASES = 3


def mini_config(
    front: tuple[tuple[int, int, int], ...] = ((144, 400, 160), (96, 3, 2), (96, 3, 1), (96, 3, 1)),
    width: int = 96,
    heads: int = 4,
    prenet: int = 1,
    depth: int = 1,
    mlp: int = 192,
    pos: tuple[int, int, int] = (1, 15, 16),
) -> ModelConfig:
    """Sizes of the mini network."""
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
        num_extra_tokens=10,
        alibi_scales=1,
        alibi_heads=heads,
        normalize=True,
        num_tokens=len(LABELS),
    )


def mel_filters(bands: int, samples: int) -> Tensor:
    """Windowed sinusoids, spaced on the mel scale from 60 Hz to 7600 Hz, in three phases.

    Returns:
        float32, (3 * bands, 1, samples), unit norm: all bands at 0 degrees, then at 120, at 240.
    """
    low, high = (2595 * math.log10(1 + hz / 700) for hz in (60.0, 7600.0))
    hz = 700 * (10 ** (torch.linspace(low, high, bands) / 2595) - 1)
    time_s = (torch.arange(samples) - samples / 2) / RATE_HZ
    window = torch.hann_window(samples)
    angle = 2 * math.pi * hz[:, None] * time_s
    turns = [angle + 2 * math.pi * k / PHASES for k in range(PHASES)]
    filters = torch.cat([torch.cos(turn) * window for turn in turns])
    unit: Tensor = filters / filters.norm(dim=1, keepdim=True)
    return unit[:, None]


@torch.no_grad()
def start_from_mel(model: Emotion2vec, speech: Tensor, gain: float = 3.0) -> None:
    """Makes the first layer a mel filter bank and the second the magnitudes of its bands.

    Args:
        model: Changed in place. The first layer's channels are three phases of its bands; the
            second layer has at least two channels a band.
        speech: float32, (B, S), 16 kHz, speech after which the bands are made equally loud.
        gain: Of the first LayerNorm, so that GELU acts nearly as a rectifier.
    """
    first, second = cast(ConvLayer, model.convs[0]), cast(ConvLayer, model.convs[1])
    channels, _, kernel = first.weight.shape
    bands = channels // PHASES
    filters = mel_filters(bands, kernel)
    frames = speech.unfold(1, kernel, first.stride).reshape(-1, kernel)
    power = (frames @ filters[:, 0].T).square().mean(0).reshape(PHASES, bands).mean(0)
    loudness = power.sqrt().repeat(PHASES)
    first.weight.copy_(filters / (loudness / loudness.mean())[:, None, None])
    first.norm.weight.fill_(gain)
    nn.init.normal_(second.weight, std=0.1 / math.sqrt(second.weight[0].numel()))
    for band in range(bands):  # magnitudes, and inverted ones, which tell weak bands apart
        second.weight[band, band::bands] += 1.0
        second.weight[bands + band, band::bands] -= 1.0
    second.norm.weight[:bands], second.norm.weight[bands : 2 * bands] = 2.0, 5.0
    second.norm.bias[bands : 2 * bands] = 1.0
    for block in (cast(Block, module) for module in model.blocks):
        nn.init.normal_(block.out.weight, std=0.02)
        nn.init.normal_(block.fc2.weight, std=0.02)
    nn.init.normal_(model.extra_tokens, std=0.02)


def channel_dropout(rate: float) -> Callable[[nn.Module, Any, Tensor], Tensor | None]:
    """A forward hook that drops whole channels of (B, T, C) in training, alike for all frames."""

    def hook(module: nn.Module, _inputs: Any, output: Tensor) -> Tensor | None:
        if not module.training:
            return None
        keep = torch.rand(output.shape[0], 1, output.shape[2]) >= rate
        return output * (keep / (1 - rate))

    return hook
