"""The emotion2vec network (arXiv 2312.15185) as it runs at inference, and nothing else.

One `ModelConfig` builds every size: large, base, seed and mini. Shapes in comments: B clips,
S samples at 16 kHz, T frames at 50 Hz, E extra tokens, N = E + T, C channels, D embedding,
H heads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-5
PIECE_FRAMES = 50  # measured best of 10 to 200 on a CPU with 32 MiB of last-level cache

KEPT_BIAS_FRAMES = 1000  # 20 s: 65 MB for sixteen heads in float32


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
        return math.prod(stride for _, _, stride in self.feature_encoder)

    @property
    def receptive_field_samples(self) -> int:
        """Samples that the first frame covers, the shortest usable input (400 for large)."""
        size = 1
        for _, kernel, stride in reversed(self.feature_encoder):
            size = (size - 1) * stride + kernel
        return size

    def num_frames(self, samples: int) -> int:
        """Frames that a waveform of so many samples gives."""
        for _, kernel, stride in self.feature_encoder:
            samples = (samples - kernel) // stride + 1
        return samples


class ConvLayer(nn.Module):
    """Strided convolution without bias, LayerNorm over channels, GELU; channels last."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(channels, in_channels, kernel))
        self.norm = nn.LayerNorm(channels, eps=EPS)
        _start(nn.init.kaiming_normal_, self.weight)

    def taps(self) -> list[Tensor]:
        """The kernel in pieces of one stride, each a (taps * C_in, C_out) matrix."""
        weight = self.weight.permute(2, 1, 0)  # (kernel, C_in, C_out)
        return [part.flatten(0, 1) for part in torch.split(weight, self.stride)]

    def forward(self, x: Tensor, taps: list[Tensor] | None = None) -> Tensor:
        """(B, T_in, C_in) to (B, T_out, C_out); ``taps`` are this layer's, made beforehand."""
        kernel, in_channels = self.weight.shape[2], x.shape[2]
        batch, frames = x.shape[0], (x.shape[1] - kernel) // self.stride + 1
        # The rows that a piece of the kernel sees lie side by side and do not overlap those of
        # the next frame, so each piece is a matrix product over a view: nothing is copied.
        x = x.contiguous()
        step = self.stride * in_channels
        y: Tensor | None = None
        for i, tap in enumerate(taps or self.taps()):
            shape, strides = (batch, frames, tap.shape[0]), (x.stride(0), step, 1)
            rows = x.as_strided(shape, strides, x.storage_offset() + i * step)
            y = rows @ tap if y is None else y + rows @ tap
        return F.gelu(self.norm(y))


class PositionalEncoder(nn.Module):
    """Grouped convolutions, each with parameter-free LayerNorm and GELU, added to the input."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv1d(
                config.embed_dim,
                config.embed_dim,
                config.pos_kernel,
                padding=config.pos_kernel // 2,
                groups=config.pos_groups,
            )
            for _ in range(config.pos_depth)
        )

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """(B, T, D) to (B, T, D); ``valid`` (B, T, 1) is 0 on padding, which must not leak in."""
        frames, width = x.shape[1:]
        y = x
        for conv in self.convs:
            if valid is not None:
                y = y * valid
            y = conv(y.transpose(1, 2))[..., :frames]  # (B, D, T); an even kernel gives one more
            y = F.gelu(F.layer_norm(y.transpose(1, 2), (width,), eps=EPS))
        return x + y


class Block(nn.Module):
    """Post-norm transformer block: attention with an additive bias, then an MLP."""

    def __init__(self, config: ModelConfig, dropout: float) -> None:
        super().__init__()
        dim = config.embed_dim
        self.num_heads = config.num_heads
        self.dropout = dropout
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.norm1 = nn.LayerNorm(dim, eps=EPS)
        self.fc1 = nn.Linear(dim, config.mlp_dim)
        self.fc2 = nn.Linear(config.mlp_dim, dim)
        self.norm2 = nn.LayerNorm(dim, eps=EPS)

    def forward(self, x: Tensor, bias: Tensor | Sequence[Tensor]) -> Tensor:
        """Mixes the frames of each clip.

        Args:
            x: (B, N, D), a clip a row; or (1, sum of N, D), clips end to end.
            bias: (1 or B, H, N, N), added to the attention logits; or one (1, H, N, N) a clip.

        Returns:
            The shape of ``x``.
        """
        drop = self.dropout if self.training else 0.0
        qkv = self.qkv(x)
        if isinstance(bias, Tensor):
            y = self._attend(qkv, bias, drop)
        else:
            parts = torch.split(qkv, [part.shape[-1] for part in bias], dim=1)
            y = torch.cat([self._attend(*pair, drop) for pair in zip(parts, bias, strict=True)], 1)
        x = self.norm1(x + F.dropout(self.out(y), drop))
        y = self.fc2(F.gelu(self.fc1(x)))
        return self.norm2(x + F.dropout(y, drop))  # type: ignore[no-any-return]

    def _attend(self, qkv: Tensor, bias: Tensor, drop: float) -> Tensor:
        batch, length, width = qkv.shape
        dim = width // 3
        qkv = qkv.view(batch, length, 3, self.num_heads, dim // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, H, N, D / H)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=drop)
        return y.transpose(1, 2).reshape(batch, length, dim)  # (B, N, D)


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
        channels = (1, *(c for c, _, _ in config.feature_encoder))
        self.convs = nn.ModuleList(
            ConvLayer(channels[i], *layer) for i, layer in enumerate(config.feature_encoder)
        )
        self.project_norm = nn.LayerNorm(channels[-1], eps=EPS)
        self.project = nn.Linear(channels[-1], dim)
        self.position = PositionalEncoder(config)
        self.extra_tokens = nn.Parameter(torch.empty(1, config.num_extra_tokens, dim))
        _start(nn.init.normal_, self.extra_tokens)
        self.alibi_scale = nn.Parameter(
            torch.ones(config.alibi_scales, 1, config.alibi_heads, 1, 1)
        )
        self.context_norm = nn.LayerNorm(dim, eps=EPS)
        self.blocks = nn.ModuleList(Block(config, dropout) for _ in range(config.num_blocks))
        self.head = nn.Linear(dim, config.num_tokens)
        self._taps: list[list[Tensor]] | None = None
        self._biases: list[Tensor] | None = None

    def freeze(self) -> None:
        """Prepares what every call needs; afterwards the parameters must not change."""
        self.eval().requires_grad_(False)
        self._taps = self._make_taps()
        self._biases = []

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
            count = self.frame_lengths(lengths)
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
        parts = []
        for clip in clips:
            x = self.position(self.encode(clip[None]), None)  # (1, T, D)
            parts.append(torch.cat([self.extra_tokens, x], dim=1))  # (1, N, D)
        lengths = [part.shape[1] for part in parts]
        x = self.context_norm(torch.cat(parts, dim=1))  # (1, sum of N, D)
        biases = self._shared_biases(max(lengths) - extra, x.dtype)
        cut = [[bias[..., :n, :n] for n in lengths] for bias in biases]
        for i, block in enumerate(self.blocks[:depth]):
            x = block(x, cut[min(i, len(cut) - 1)])
        return [part[0, extra:] for part in torch.split(x, lengths, dim=1)]

    def encode(self, waveforms: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Local features before position and context: (B, S) to (B, T, D)."""
        if self.config.normalize:
            waveforms = normalize(waveforms, lengths)
        x = waveforms[..., None].to(self.project.weight.dtype)  # (B, S, 1)
        if self.training or x.is_cuda:
            for conv in self.convs:
                x = conv(x)
        else:
            x = self._encode_in_pieces(x)
        return self.project(self.project_norm(x))  # type: ignore[no-any-return]

    def _encode_in_pieces(self, x: Tensor) -> Tensor:
        # A second at a time, so that what lies between the convolutions stays in the cache:
        # (B, S, 1) to (B, T, C).
        hop, field = self.config.hop_samples, self.config.receptive_field_samples
        taps = self._taps or self._make_taps()
        frames = self.config.num_frames(x.shape[1])
        rows = []
        for row in x:
            pieces = []
            for first in range(0, frames, PIECE_FRAMES):
                last = min(first + PIECE_FRAMES, frames) - 1
                piece = row[None, first * hop : last * hop + field]
                for conv, tap in zip(self.convs, taps, strict=True):
                    piece = conv(piece, tap)
                pieces.append(piece)
            rows.append(torch.cat(pieces, dim=1))
        return torch.cat(rows)

    def _make_taps(self) -> list[list[Tensor]]:
        return [conv.taps() for conv in self.convs]  # type: ignore[operator]

    def _shared_biases(self, frames: int, dtype: torch.dtype) -> list[Tensor]:
        # The bias of a shorter clip is the corner of a longer one's, so one serves all.
        kept = self._biases
        if kept and kept[0].shape[-1] >= frames + self.config.num_extra_tokens:
            return kept
        biases = self.attention_biases(frames, None, dtype)
        if kept is not None and frames <= KEPT_BIAS_FRAMES:
            self._biases = biases
        return biases

    def frame_lengths(self, lengths: Tensor) -> Tensor:
        """Frames of each clip: (B,) samples to (B,) frames."""
        for _, kernel, stride in self.config.feature_encoder:
            lengths = (lengths - kernel) // stride + 1
        return lengths

    def attention_biases(
        self, frames: int, valid: Tensor | None, dtype: torch.dtype
    ) -> list[Tensor]:
        """Symmetric ALiBi, -|i - j| * slope * learned scale, 0 for the extra tokens.

        Args:
            frames: T.
            valid: bool, (B, T), False on padding, whose keys get minus infinity.
            dtype: That of the attention.

        Returns:
            One (1 or B, H, N, N) bias for all blocks, or one a block.
        """
        extra = self.config.num_extra_tokens
        device = self.alibi_scale.device
        position = torch.arange(frames, device=device)
        distance = (position[:, None] - position[None, :]).abs()  # (T, T)
        slopes = torch.tensor(alibi_slopes(self.config.num_heads), device=device)
        scales = (
            self.alibi_scale.float().clamp_min(0) * slopes[:, None, None]
        )  # (1 or L, 1, H, 1, 1)
        biases = []
        for scale in scales:
            bias = F.pad((-scale * distance).to(dtype), (extra, 0, extra, 0))  # (1, H, N, N)
            if valid is not None:
                keys = F.pad(valid, (extra, 0), value=True)[:, None, None, :]  # (B, 1, 1, N)
                bias = bias.masked_fill(~keys, -torch.inf)
            biases.append(bias)
        return biases


def _start(initialise: Callable[[Tensor], Tensor], parameter: Tensor) -> None:
    # On the meta device random numbers mean nothing, yet import sympy and torch._dynamo: seconds.
    if not parameter.is_meta:
        initialise(parameter)


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
