"""The layers of the emotion2vec network, channels last, each the quickest way its device has.

Shapes in comments: B clips, T frames, N frames with extra tokens, C channels, D embedding,
H heads, G groups, K taps of a kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from emotion.device import cpu_has_bf16, keep_small_pages, small_pages

EPS = 1e-5

# Rows that lie so many bytes apart share a place in a CPU's first cache, which has few for each:
# attention in float32, which reads a part of each row, then takes a sixth longer.
SAME_PLACE_BYTES = 4096

# Layers at least so wide are packed, for so many rows first of all: those of 10 s.
PACKED_WIDTH = 512
PACKED_ROWS = 512

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


class WaveformLayer(ConvLayer):
    """The first of them, over the waveform itself.

    On a CPU its LayerNorm takes longer than its product. So what that does is folded in: with
    kernels W less their mean over channels, x W has no mean, and its variance is that of x R,
    where W = Q R and Q is orthogonal. The samples are divided by its root, and multiplied by W
    scaled; a tap that hears 1 adds the bias.
    """

    def __init__(self, channels: int, kernel: int, stride: int) -> None:
        super().__init__(1, channels, kernel, stride)
        self._spread: Tensor | None = None  # R, transposed: (K, K)
        self._folded: Tensor | None = None  # (K + 1, C_out)
        self._kept: Tensor | None = None  # as memory that is new is slow to write

    def freeze(self) -> None:
        """Prepares what every call needs; afterwards the weights must not change."""
        super().freeze()
        if not self.weight.is_cpu:  # where clips are padded, and no `in_pieces` is called
            return
        weight = self.weight[:, 0].double()
        weight = weight - weight.mean(dim=0)  # (C_out, K)
        scale, bias = self.norm.weight.double()[:, None], self.norm.bias.double()
        spread = torch.linalg.qr(weight)[1] / len(weight) ** 0.5
        self._spread = spread.t().float().contiguous()
        self._folded = torch.cat([(scale * weight).t(), bias[None]]).to(self.weight.dtype)

    def in_pieces(self, x: Tensor) -> Tensor:
        """The same as a frozen layer's `forward`, for one waveform and without gradients.

        Args:
            x: float32, (S,).

        Returns:
            (1, T, C), in the weights' format; overwritten by the next call.
        """
        assert self._spread is not None and self._folded is not None
        (channels, _, kernel), dtype = self.weight.shape, self.weight.dtype
        heard = x.unfold(0, kernel, self.stride)  # (T, K)
        variance = (heard @ self._spread).square_().sum(dim=1, keepdim=True)
        scaled = x.new_ones(len(heard), kernel + 1, dtype=dtype)
        scaled[:, :kernel] = heard * variance.add_(self.norm.eps).rsqrt_()
        if self._kept is None or len(self._kept) < len(heard):
            self._kept = x.new_empty(len(heard), channels, dtype=dtype)
        y = self._kept[: len(heard)]
        size = cached_rows(y[None])
        for rows, part in zip(torch.split(scaled, size), torch.split(y, size), strict=True):
            torch.ops.aten.gelu.out(rows @ self._folded, out=part)
        return y[None]


class Linear(nn.Linear):
    """Linear layer.

    Args:
        in_features: Width of its input.
        out_features: Of its output.
        apart: Whether rows of the output lie apart, where the next step would pay for it else.
    """

    def __init__(self, in_features: int, out_features: int, apart: bool = False) -> None:
        super().__init__(in_features, out_features)
        self._apart = apart
        self._fused = False
        self._gap = 0
        self._packed: tuple[Tensor, Tensor, Tensor] | None = None  # as `_mkl_linear` takes them

    def freeze(self) -> None:
        """Prepares what every call needs; afterwards the weights must not change."""
        weight = self.weight
        self._fused = is_native_bf16(weight) and _fuses()
        if self._apart and weight.is_cpu and weight.dtype == torch.float32:
            collides = len(weight) * weight.itemsize % SAME_PLACE_BYTES == 0
            self._gap = 16 if collides else 0

    def pack(self) -> Tensor | None:
        """Lays a frozen layer's weights out as MKL wants them, as each call else does anew.

        Takes a while and as much memory as the weights. Afterwards ``weight`` has its shape, but
        no numbers.

        Returns:
            The weights as they were, or None where nothing is gained.
        """
        weight, bias = self.weight.detach(), self.bias.detach()
        wanted = weight.is_cpu and weight.dtype == torch.float32
        if self._packed or not wanted or min(weight.shape) < PACKED_WIDTH or not _packs():
            return None
        padded = F.pad(weight, (0, 0, 0, self._gap)) if self._gap else weight
        shape = weight.new_full((1,), torch.nan).expand(padded.shape)
        self._packed = _pack_weight(padded), shape, F.pad(bias, (0, self._gap))
        self.weight = nn.Parameter(shape[: len(weight)], requires_grad=False)
        return weight

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) to (..., out)."""
        if self._fused:
            # Torch's own way writes the bias to the result first and adds the product to that.
            fused = torch.ops.mkldnn._linear_pointwise
            return fused(x, self.weight, self.bias, "none", [], "")  # type: ignore[no-any-return]
        if self._packed is not None:
            # What is packed for some number of rows serves any, says `_packs`.
            rows, width = x.flatten(0, -2), len(self.weight)
            y = torch.ops.mkl._mkl_linear(rows, *self._packed, len(rows))
            return y[:, :width].view(*x.shape[:-1], width)  # type: ignore[no-any-return]
        if self._gap and not x.requires_grad:
            rows, width = x.flatten(0, -2), len(self.weight)
            y = x.new_empty(len(rows), width + self._gap)[:, :width]
            return torch.addmm(self.bias, rows, self.weight.t(), out=y).view(*x.shape[:-1], width)
        return super().forward(x)


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
        self.qkv = Linear(dim, 3 * dim, apart=True)
        self.out = Linear(dim, dim)
        self.norm1 = nn.LayerNorm(dim, eps=EPS)
        self.fc1 = Linear(dim, mlp_dim)
        self.fc2 = Linear(mlp_dim, dim)
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


@cache
def _fuses() -> bool:
    # Not where oneDNN is told to leave the CPU's instructions alone, or torch was built without.
    zeros = torch.zeros(16, 16, dtype=torch.bfloat16)
    try:
        torch.ops.mkldnn._linear_pointwise(zeros, zeros, zeros[0], "none", [], "")
    except (RuntimeError, AttributeError):
        return False
    return True


def _pack_weight(weight: Tensor) -> Tensor:
    with small_pages():  # MKL asks for 1.7 to 3.3 times the memory that it writes
        packed = torch.ops.mkl._mkl_reorder_linear_weight(weight, PACKED_ROWS)
    memory = torch.ops.mkldnn
    keep_small_pages(memory.data_ptr(packed), memory._nbytes(packed))
    return packed  # type: ignore[no-any-return]


@cache
def _packs() -> bool:
    # MKL takes the number of rows to choose how threads share the work; that the packed weights
    # serve others too is not in its reference, though others rely on it: so it is tried.
    weight = torch.eye(PACKED_ROWS).roll(1, 0)
    try:
        packed = _pack_weight(weight)
        for rows in (1, 100, PACKED_ROWS, 3 * PACKED_ROWS - 1):
            x = torch.arange(float(rows * PACKED_ROWS)).view(rows, PACKED_ROWS)
            y = torch.ops.mkl._mkl_linear(x, packed, weight, None, rows)
            if not torch.equal(y, x.roll(1, 1)):
                return False
    except (RuntimeError, AttributeError):  # torch was built without MKL or oneDNN
        return False
    return True


def fill(initialise: Callable[[Tensor], Tensor], parameter: Tensor) -> None:
    """Gives a parameter its first values, unless it is on the meta device.

    Random numbers mean nothing there, yet import sympy and torch._dynamo: seconds.
    """
    if not parameter.is_meta:
        initialise(parameter)
