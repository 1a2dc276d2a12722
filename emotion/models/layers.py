"""The layers of the emotion2vec network, channels last, each the quickest way its device has.

Shapes in comments: B clips, T frames, N frames with extra tokens, C channels, D embedding,
H heads, G groups, K taps of a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotion.models.numerics import cpu_has_bf16

EPS = 1e-5

# Of a layer's output at a time, so that it stays in a CPU's cache from one step to the next.
CACHED_BYTES = 3_300_000


class ConvLayer(nn.Module):
    """Strided convolution without bias, LayerNorm over channels, GELU."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(channels, in_channels, kernel))
        self.norm = nn.LayerNorm(channels, eps=EPS)
        fill(nn.init.kaiming_normal_, self.weight)
        self._taps: list[Tensor] | None = None

    def freeze(self) -> None:
        """Prepares what every call needs; afterwards the weights must not change."""
        self._taps = [tap.contiguous() for tap in self._make_taps()]

    def forward(self, x: Tensor) -> Tensor:
        """(B, T_in, C_in) to (B, T_out, C_out)."""
        y = self._convolve(x)
        if self._taps is None or y.requires_grad or not y.is_cpu:
            return gelu(self.norm(y))
        for part in torch.split(y, cached_rows(y), dim=1):
            torch.ops.aten.gelu.out(self.norm(part), out=part)
        return y

    def _convolve(self, x: Tensor) -> Tensor:
        kernel, in_channels = self.weight.shape[2], x.shape[2]
        batch, frames = x.shape[0], (x.shape[1] - kernel) // self.stride + 1
        # The rows that a piece of the kernel sees lie side by side and do not overlap those of
        # the next frame, so each piece is a matrix product over a view: nothing is copied.
        x = x.contiguous()
        step = self.stride * in_channels
        taps = self._taps or self._make_taps()
        rows = [
            x.as_strided(
                (batch, frames, tap.shape[0]), (x.stride(0), step, 1), x.storage_offset() + i * step
            )
            for i, tap in enumerate(taps)
        ]
        if batch == 1:  # plain matrices: batched products take longer, the narrow ones six times
            y = rows[0][0] @ taps[0]
            for row, tap in zip(rows[1:], taps[1:], strict=True):
                y.addmm_(row[0], tap)
            return y[None]
        y = rows[0] @ taps[0]
        for row, tap in zip(rows[1:], taps[1:], strict=True):
            y = y + row @ tap
        return y

    def _make_taps(self) -> list[Tensor]:
        # The kernel in pieces of one stride, each a (taps * C_in, C_out) matrix.
        weight = self.weight.permute(2, 1, 0)  # (K, C_in, C_out)
        return [part.flatten(0, 1) for part in torch.split(weight, self.stride)]


class PositionalConv(nn.Conv1d):
    """Grouped convolution over time that keeps the number of frames."""

    def __init__(self, dim: int, kernel: int, groups: int) -> None:
        super().__init__(dim, dim, kernel, padding=kernel // 2, groups=groups)
        self._pieces: Tensor | None = None

    def freeze(self) -> None:
        """Prepares what every call needs; afterwards the weights must not change."""
        kernel = self.kernel_size[0]
        if self.weight.is_cpu and self.weight.dtype == torch.float32:
            taps, together = 1, 1  # a product for each tap: nothing is copied
        elif is_native_bf16(self.weight):
            # One product, of copied rows: several would round at each tap. Two frames in a row:
            # half the copies, and products twice as wide.
            taps, together = kernel + 1, 2
        else:
            return
        width, groups = self.weight.shape[1], self.groups
        weight = self.weight.view(groups, width, width, kernel)  # (G, C_out, C_in, K)
        count = (kernel + together - 1) // taps
        pieces = weight.new_zeros(count, groups, taps, width, together, width)
        by_tap = pieces.transpose(1, 2).view(-1, groups, width, together, width)
        for i in range(together):
            by_tap[i : i + kernel, :, :, i] = weight.permute(3, 0, 2, 1)
        self._pieces = pieces.view(count, groups, taps * width, together * width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        frames = x.shape[1]
        if self._pieces is None or x.shape[0] > 1:
            # An even kernel gives one frame more.
            return super().forward(x.transpose(1, 2))[..., :frames].transpose(1, 2)
        # Matrix products of all groups take half of the library's time, in bf16 less.
        kernel, groups = self.kernel_size[0], self.groups
        count, _, heard, wide = self._pieces.shape
        width = self.weight.shape[1]
        together = wide // width
        rows = frames if count > 1 else rounded_up(-(-frames // together))
        assert self.bias is not None
        y = self.bias.view(groups, 1, width).repeat(1, 1, together)
        padded = x.new_zeros(groups, rows * together + kernel - 1, width)
        before = kernel // 2
        padded[:, before : before + frames] = x[0].view(frames, groups, width).transpose(0, 1)
        for i, piece in enumerate(self._pieces):
            seen = padded.as_strided((groups, rows, heard), (padded.stride(0), wide, 1), i * heard)
            y = torch.baddbmm(y, seen, piece) if i == 0 else y.baddbmm_(seen, piece)
        y = y.view(groups, rows * together, width)[:, :frames]  # (G, T, C)
        return y.transpose(0, 1).reshape(1, frames, groups * width)


class PositionalEncoder(nn.Module):
    """Grouped convolutions, each with parameter-free LayerNorm and GELU, added to the input."""

    def __init__(self, dim: int, depth: int, kernel: int, groups: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(PositionalConv(dim, kernel, groups) for _ in range(depth))

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """(B, T, D) to (B, T, D); ``valid`` (B, T, 1) is 0 on padding, which must not leak in."""
        y = x
        for conv in self.convs:
            if valid is not None:
                y = y * valid
            y = gelu(F.layer_norm(conv(y), x.shape[-1:], eps=EPS))
        return x + y


class Block(nn.Module):
    """Post-norm transformer block: attention with an additive bias, then an MLP."""

    def __init__(self, dim: int, num_heads: int, mlp_dim: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.dropout = dropout
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.norm1 = nn.LayerNorm(dim, eps=EPS)
        self.fc1 = nn.Linear(dim, mlp_dim)
        self.fc2 = nn.Linear(mlp_dim, dim)
        self.norm2 = nn.LayerNorm(dim, eps=EPS)

    def forward(self, x: Tensor, bias: Tensor | Sequence[tuple[Tensor, int]]) -> Tensor:
        """Mixes the frames of each clip.

        Args:
            x: (B, N, D), a clip a row; or (1, sum of N or more, D), clips end to end.
            bias: (1 or B, H, N, N), added to the attention logits; or for each clip one
                (1, H, M, M) and N, where the last N of M rows are the clip's own. Those before
                the first clip, and after the last, are nobody's.

        Returns:
            The shape of ``x``.
        """
        drop = self.dropout if self.training else 0.0
        x = self.norm1(F.dropout(self.out(self._heard(self.qkv(x), bias, drop)), drop).add_(x))
        y = self.fc2(gelu(self.fc1(x)))
        return self.norm2(F.dropout(y, drop).add_(x))  # type: ignore[no-any-return]

    def _heard(
        self, qkv: Tensor, bias: Tensor | Sequence[tuple[Tensor, int]], drop: float
    ) -> Tensor:
        # What each row hears from those of its clip: (B, N, 3 D) to (B, N, D)
        if isinstance(bias, Tensor):
            return self._attend(qkv, bias, drop)
        first = end = bias[0][0].shape[2] - bias[0][1]
        heard = []
        for part, own in bias:
            end += own
            rows = self._attend(qkv[:, end - part.shape[2] : end], part, drop)
            heard.append(rows[:, -own:])
        width = qkv.shape[2] // 3
        return torch.cat([qkv[:, :first, :width], *heard, qkv[:, end:, :width]], dim=1)

    def _attend(self, qkv: Tensor, bias: Tensor, drop: float) -> Tensor:
        batch, length, width = qkv.shape
        dim = width // 3
        qkv = qkv.view(batch, length, 3, self.num_heads, dim // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, H, N, D / H)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias, dropout_p=drop)
        return y.transpose(1, 2).flatten(2)  # (B, N, D)


def gelu(x: Tensor) -> Tensor:
    """GELU, in the place of what it is given unless a gradient needs that."""
    return F.gelu(x) if x.requires_grad else torch.ops.aten.gelu_(x)


def cached_rows(x: Tensor) -> int:
    """How many rows of (1, T, C) to take at a time."""
    return max(1, CACHED_BYTES // (x.shape[2] * x.itemsize))


def rounded_up(rows: int, steps: int = 8) -> int:
    """How many rows to compute instead of so many, a multiple of 16 as an AMX tile has.

    oneDNN generates code for each number of rows and keeps it: the first takes a third of the time
    of a pass over a short clip, the second a megabyte a layer. So few numbers may come up.

    Args:
        rows: How many are needed.
        steps: From one power of two to the next: at most one in so many rows is added.
    """
    step = max(16, (1 << rows.bit_length() - 1) // steps)
    return -(-rows // step) * step


def is_native_bf16(weight: Tensor) -> bool:
    """Whether a CPU multiplies this tensor by its own bfloat16 instructions, through oneDNN."""
    return weight.is_cpu and weight.dtype == torch.bfloat16 and cpu_has_bf16()


def fill(initialise: Callable[[Tensor], Tensor], parameter: Tensor) -> None:
    """Gives a parameter its first values, unless it is on the meta device.

    Random numbers mean nothing there, yet import sympy and torch._dynamo: seconds.
    """
    if not parameter.is_meta:
        initialise(parameter)
