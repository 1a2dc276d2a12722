"""The layers of the emotion2vec network, channels last, each the quickest way its device has.

Shapes in comments: B clips, T frames, N frames with extra tokens, C channels, D embedding,
H heads, G groups, K taps of a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-5


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
            y = y[None]
        else:
            y = rows[0] @ taps[0]
            for row, tap in zip(rows[1:], taps[1:], strict=True):
                y = y + row @ tap
        return F.gelu(self.norm(y))

    def _make_taps(self) -> list[Tensor]:
        # The kernel in pieces of one stride, each a (taps * C_in, C_out) matrix.
        weight = self.weight.permute(2, 1, 0)  # (K, C_in, C_out)
        return [part.flatten(0, 1) for part in torch.split(weight, self.stride)]


class PositionalConv(nn.Conv1d):
    """Grouped convolution over time that keeps the number of frames."""

    def __init__(self, dim: int, kernel: int, groups: int) -> None:
        super().__init__(dim, dim, kernel, padding=kernel // 2, groups=groups)
        self._taps: Tensor | None = None

    def freeze(self) -> None:
        """Prepares what every call needs; afterwards the weights must not change."""
        if (
            self.weight.is_cpu and self.weight.dtype == torch.float32
        ):  # others would round at each tap
            width = self.weight.shape[1]
            taps = self.weight.view(self.groups, width, width, -1)  # (G, C_out, C_in, K)
            self._taps = taps.permute(3, 0, 2, 1).contiguous()  # (K, G, C_in, C_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, T, D)."""
        frames = x.shape[1]
        if self._taps is None or x.shape[0] > 1:
            # An even kernel gives one frame more.
            return super().forward(x.transpose(1, 2))[..., :frames].transpose(1, 2)
        # A matrix product of all groups for each tap takes half of the library's time.
        kernel, groups, width, _ = self._taps.shape
        assert self.bias is not None
        bias = self.bias.view(groups, 1, width)
        padded = x.new_zeros(groups, frames + kernel - 1, width)
        before = kernel // 2
        padded[:, before : before + frames] = x[0].view(frames, groups, width).transpose(0, 1)
        y = torch.baddbmm(bias, padded[:, :frames], self._taps[0])  # (G, T, C)
        for k in range(1, kernel):
            y.baddbmm_(padded[:, k : k + frames], self._taps[k])
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
            y = F.gelu(F.layer_norm(conv(y), x.shape[-1:], eps=EPS))
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


def fill(initialise: Callable[[Tensor], Tensor], parameter: Tensor) -> None:
    """Gives a parameter its first values, unless it is on the meta device.

    Random numbers mean nothing there, yet import sympy and torch._dynamo: seconds.
    """
    if not parameter.is_meta:
        initialise(parameter)
