"""The emotion2vec network (arXiv 2312.15185) as it runs at inference, and nothing else.

One `ModelConfig` builds every size: large, base, seed and mini. Shapes in comments: B clips,
S samples at 16 kHz, T frames at 50 Hz, E extra tokens, N = E + T, C channels, D embedding,
H heads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotion.models.layers import (
    EPS,
    Block,
    ConvLayer,
    PositionalConv,
    PositionalEncoder,
    fill,
    is_native_bf16,
    rounded_up,
)

# Values of the widest layer's output at a time: 5 s of the large shape. The last layers have few
# rows a second, and products of few rows are slow; more take memory and no less time.
PIECE_VALUES = 1 << 23

KEPT_BIAS_BYTES = 80_000_000  # sixteen heads: 22 s in float32, 31 s in bf16

# Attention is given a multiple of so many rows: a CPU's vector of float32, a tile of bf16. It takes
# keys that fill no vector one by one, a third of its time in bf16, for which it also keeps code by
# the number of rows.
ROWS = 16


ConvLayers = Sequence[tuple[int, int, int]]  # (channels, kernel, stride) of each


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the network, all read from a checkpoint's own ``config.yaml``.

    Attributes:
        feature_encoder: (channels, kernel, stride) of each convolution over the waveform.
        embed_dim: D.
        num_heads: H.
        prenet_depth: Transformer blocks of the audio encoder.
        depth: Transformer blocks after it; all blocks are alike.
        mlp_dim: Hidden width of a block's MLP.
        pos_depth: Convolutions of the positional encoder.
        pos_kernel: Their kernel.
        pos_groups: Their groups.
        num_extra_tokens: E, learned tokens put in front.
        alibi_scales: Leading size of the learned ALiBi scale: 1, or one a block.
        alibi_heads: 1, or H where each head has its own scale.
        normalize: Whether the waveform is normalised to zero mean and unit variance.
        num_tokens: Rows of the head.
    """

    feature_encoder: tuple[tuple[int, int, int], ...]
    embed_dim: int
    num_heads: int
    prenet_depth: int
    depth: int
    mlp_dim: int
    pos_depth: int
    pos_kernel: int
    pos_groups: int
    num_extra_tokens: int
    alibi_scales: int
    alibi_heads: int
    normalize: bool
    num_tokens: int

    @property
    def num_blocks(self) -> int:
        """Transformer blocks in all."""
        return self.prenet_depth + self.depth

    @property
    def hop_samples(self) -> int:
        """Samples from one frame to the next (320: 50 frames a second)."""
        return hop_samples(self.feature_encoder)

    @property
    def receptive_field_samples(self) -> int:
        """Samples that the first frame covers, the shortest usable input (400 for large)."""
        return receptive_field_samples(self.feature_encoder)

    @property
    def piece_frames(self) -> int:
        """Frames to run through the convolutions at once, on a CPU."""
        steps = self.hop_samples  # of a layer's output, for one frame
        widest = 1
        for channels, _, stride in self.feature_encoder:
            steps //= stride
            widest = max(widest, steps * channels)
        return max(1, PIECE_VALUES // widest)

    def num_frames(self, samples: int) -> int:
        """Frames that a waveform of so many samples gives."""
        return num_frames(self.feature_encoder, samples)


def hop_samples(layers: ConvLayers) -> int:
    """Samples from one frame to the next."""
    return math.prod(stride for _, _, stride in layers)


def receptive_field_samples(layers: ConvLayers) -> int:
    """Samples that one frame covers."""
    size = 1
    for _, kernel, stride in reversed(layers):
        size = (size - 1) * stride + kernel
    return size


Lengths = TypeVar("Lengths", int, Tensor)


def num_frames(layers: ConvLayers, samples: Lengths) -> Lengths:
    """Frames that convolutions without padding give, of one clip or of each (B,)."""
    for _, kernel, stride in layers:
        samples = (samples - kernel) // stride + 1
    return samples


class Emotion2vec(nn.Module):
    """Waveforms to frame features, with a linear emotion head.

    Args:
        config: Sizes.
        dropout: Dropout in the blocks, for training only.
    """

    def __init__(self, config: ModelConfig, dropout: float = 0.0) -> None:
        super().__init__()
        self.config = config
        dim = config.embed_dim
        channels = [1, *(c for c, _, _ in config.feature_encoder)]
        self.convs = nn.ModuleList(
            ConvLayer(c, *layer) for c, layer in zip(channels, config.feature_encoder, strict=False)
        )
        self.project_norm = nn.LayerNorm(channels[-1], eps=EPS)
        self.project = nn.Linear(channels[-1], dim)
        self.position = PositionalEncoder(
            dim, config.pos_depth, config.pos_kernel, config.pos_groups
        )
        self.extra_tokens = nn.Parameter(torch.empty(1, config.num_extra_tokens, dim))
        fill(nn.init.normal_, self.extra_tokens)
        self.alibi_scale = nn.Parameter(
            torch.ones(config.alibi_scales, 1, config.alibi_heads, 1, 1)
        )
        self.context_norm = nn.LayerNorm(dim, eps=EPS)
        self.blocks = nn.ModuleList(
            Block(dim, config.num_heads, config.mlp_dim, dropout) for _ in range(config.num_blocks)
        )
        self.head = nn.Linear(dim, config.num_tokens)
        self._slopes: Tensor | None = None
        self._biases: list[Tensor] | None = None
        self._rounds = False

    def freeze(self) -> None:
        """Prepares what every call needs; afterwards the parameters must not change."""
        self.eval().requires_grad_(False)
        for module in self.modules():
            if isinstance(module, (ConvLayer, PositionalConv)):
                module.freeze()
        self._slopes = self._make_slopes()
        self._biases = []
        self._rounds = is_native_bf16(self.project.weight)

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Frame features, the same for a clip in a padded batch as alone.

        Args:
            waveforms: float32, (B, S), 16 kHz.
            lengths: int64, (B,), valid samples of each row; None where no row is padded.

        Returns:
            (B, T, D); rows past a clip's own frames hold no meaning.
        """
        x = self.encode(waveforms, lengths)
        frames = x.shape[1]
        valid = None
        if lengths is not None:
            count = num_frames(self.config.feature_encoder, lengths)
            valid = torch.arange(frames, device=x.device) < count[:, None]  # (B, T)
        x = self.position(x, None if valid is None else valid[..., None].to(x.dtype))
        extra = self.extra_tokens.expand(x.shape[0], -1, -1)
        x = torch.cat([extra, x], dim=1)  # (B, N, D)
        x = self.context_norm(x)
        biases = self.attention_biases(frames, valid, x.dtype)
        for i, block in enumerate(self.blocks):
            x = block(x, biases[min(i, len(biases) - 1)])
        frames_out: Tensor = x[:, self.config.num_extra_tokens :]  # (B, T, D)
        return frames_out

    def forward_packed(self, clips: Sequence[Tensor], depth: int | None = None) -> list[Tensor]:
        """Frame features of several clips, laid end to end: no padding is ever computed.

        Args:
            clips: float32, each (samples,), 16 kHz.
            depth: How many blocks to run; all by default.

        Returns:
            For each clip (T, D), the same as alone.
        """
        extra = self.config.num_extra_tokens
        parts, lengths = [], []
        for x in self.encode_packed(clips):
            x = self.position(x, None)  # (1, T, D)
            parts += [self.extra_tokens, x]
            lengths.append(extra + x.shape[1])
        before = -lengths[0] % ROWS  # rows in front of the first clip; others have their neighbours
        parts.insert(0, x.new_zeros(1, before, x.shape[2]))
        rows = before + sum(lengths)
        if self._rounds:
            parts.append(x.new_zeros(1, rounded_up(rows) - rows, x.shape[2]))
        x = self.context_norm(torch.cat(parts, dim=1))  # (1, sum of N or more, D)
        biases = self._packed_biases(lengths, x.dtype)
        for i, block in enumerate(self.blocks[:depth]):
            x = block(x, biases[min(i, len(biases) - 1)])
        return [part[extra:] for part in torch.split(x[0, before:rows], lengths)]

    def encode(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Local features before position and context: (B, S) to (B, T, D)."""
        if self.config.normalize:
            waveforms = normalize(waveforms, lengths)
        return self._encode_samples(waveforms)

    def _encode_samples(self, waveforms: Tensor) -> Tensor:
        # Normalised waveforms (B, S) to (B, T, D)
        x = waveforms[..., None].to(self.project.weight.dtype)  # (B, S, 1)
        for conv in self.convs:
            x = conv(x)  # (B, T, C) after the last
        return self.project(self.project_norm(x))  # type: ignore[no-any-return]

    def encode_packed(self, clips: Sequence[Tensor]) -> list[Tensor]:
        """`encode` of several clips, laid end to end and cut into pieces, of a frozen network.

        Args:
            clips: float32, each (samples,), 16 kHz.

        Returns:
            For each clip (1, T, D).
        """
        hop, field = self.config.hop_samples, self.config.receptive_field_samples
        starts = [0]  # in frames; the last ones of a clip would hear the next, and are left out
        for clip in clips:
            starts.append(starts[-1] + -(-clip.numel() // hop))
        most, frames = self.config.piece_frames, starts[-1]
        if self._rounds:
            frames = rounded_up(frames, 4 if frames < most else 8)
        sizes = [most] * (frames // most)
        if rest := frames % most:
            sizes.append(rest)
        x = clips[0].new_zeros((sum(sizes) - 1) * hop + field)
        for clip, start in zip(clips, starts, strict=False):
            wave = normalize(clip[None])[0] if self.config.normalize else clip
            x[start * hop : start * hop + clip.numel()] = wave
        starts_of_pieces = [i * most * hop for i in range(len(sizes))]
        pieces = [
            self._encode_samples(x[None, first : first + (size - 1) * hop + field])
            for first, size in zip(starts_of_pieces, sizes, strict=True)
        ]
        y = torch.cat(pieces, dim=1)
        lengths = (self.config.num_frames(clip.numel()) for clip in clips)
        return [y[:, i : i + n] for i, n in zip(starts, lengths, strict=False)]

    def _make_slopes(self) -> Tensor:
        scale = self.alibi_scale.float().clamp_min(0)
        slopes = torch.tensor(alibi_slopes(self.config.num_heads), device=scale.device)
        return scale * slopes[:, None, None]  # (1 or L, 1, H, 1, 1)

    def _packed_biases(
        self, lengths: Sequence[int], dtype: torch.dtype
    ) -> list[list[tuple[Tensor, int]]]:
        # For all blocks, or for each, the bias of each clip: a part of the longest one's.
        longest, biases = max(lengths), self._biases
        if not biases or biases[0].shape[2] < ROWS + longest:
            frames = longest - self.config.num_extra_tokens
            biases = self.attention_biases(frames, None, dtype, before=ROWS)
            if self._biases is not None and sum(b.nbytes for b in biases) <= KEPT_BIAS_BYTES:
                self._biases = biases
        parts = [slice(ROWS - -n % ROWS, ROWS + n) for n in lengths]
        return [
            [(bias[..., part, part], n) for part, n in zip(parts, lengths, strict=True)]
            for bias in biases
        ]

    def attention_biases(
        self, frames: int, valid: Tensor | None, dtype: torch.dtype, before: int = 0
    ) -> list[Tensor]:
        """Symmetric ALiBi, -|i - j| * slope * learned scale, 0 for the extra tokens.

        Args:
            frames: T.
            valid: bool, (B, T), False on padding, whose keys get minus infinity.
            dtype: That of the attention.
            before: Rows in front of the extra tokens', whose keys get minus infinity, too.

        Returns:
            One (1 or B, H, before + N, before + N) bias for all blocks, or one a block.
        """
        extra, heads = self.config.num_extra_tokens, self.config.num_heads
        rows = before + extra + frames
        device = self.alibi_scale.device
        position = torch.arange(frames, device=device)
        distance = (position[:, None] - position[None, :]).abs()  # (T, T)
        slopes = self._make_slopes() if self._slopes is None else self._slopes
        step = 1 if device.type == "cpu" else heads  # the float32 values take twice the memory
        biases = []
        for slope in slopes:
            bias = torch.zeros(1, heads, rows, rows, dtype=dtype, device=device)
            bias[..., :before].fill_(-torch.inf)
            for part in range(0, heads, step):
                these = slice(part, part + step)
                bias[:, these, -frames:, -frames:] = -slope[:, these] * distance
            if valid is not None:
                keys = F.pad(valid, (before + extra, 0), value=True)
                bias = bias.masked_fill(~keys[:, None, None, :], -torch.inf)
            biases.append(bias)
        return biases


def normalize(waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
    """Zero mean, unit variance over each clip's own samples; padding becomes 0.

    Args:
        waveforms: float32, (B, S).
        lengths: int64, (B,), or None where no row is padded.
    """
    if lengths is None:
        return F.layer_norm(waveforms, waveforms.shape[-1:], eps=EPS)
    valid = torch.arange(waveforms.shape[1], device=waveforms.device) < lengths[:, None]
    count = lengths[:, None].to(waveforms.dtype)
    mean = (waveforms * valid).sum(1, keepdim=True) / count
    centred: Tensor = (waveforms - mean) * valid
    variance = centred.square().sum(1, keepdim=True) / count
    scale: Tensor = torch.rsqrt(variance + EPS)
    return centred * scale


def alibi_slopes(heads: int) -> list[float]:
    """Slope of each head (arXiv 2108.12409): a geometric series, interleaved for odd counts."""
    power = 2 ** math.floor(math.log2(heads))
    slopes = [2 ** (-8 * (i + 1) / power) for i in range(power)]
    if power < heads:
        finer = [2 ** (-8 * (i + 1) / (2 * power)) for i in range(2 * power)]
        slopes += finer[0::2][: heads - power]
    return slopes
