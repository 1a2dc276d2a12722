from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from emotion.inference.device import cpu_has_bf16
from emotion.models.layers import PositionalConv, gelu, rounded_up
from emotion.models.network import (
    ROWS,
    Emotion2vec,
    ModelConfig,
    alibi_slopes,
    normalize,
    num_frames,
)
from tests.conftest import tone

needs_mkl = pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="no MKL")


def config(**changes: object) -> ModelConfig:
    values: dict[str, object] = {
        "feature_encoder": ((16, 10, 5), (16, 3, 4), (16, 4, 4), (16, 2, 2), (16, 2, 2)),
        "embed_dim": 24,
        "num_heads": 6,
        "prenet_depth": 1,
        "depth": 2,
        "mlp_dim": 48,
        "pos_depth": 3,
        "pos_kernel": 6,
        "pos_groups": 4,
        "num_extra_tokens": 3,
        "alibi_scales": 1,
        "alibi_heads": 6,
        "normalize": True,
        "num_tokens": 9,
    }
    return ModelConfig(**(values | changes))  # type: ignore[arg-type]


def build(**changes: object) -> Emotion2vec:
    torch.manual_seed(0)
    return Emotion2vec(config(**changes)).eval()


def clip(seconds: float, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(tone(seconds, seed))


@torch.inference_mode()
def test_a_padded_batch_gives_what_each_clip_gives_alone() -> None:
    model = build()
    clips = [clip(s, i) for i, s in enumerate((0.2, 1.37, 0.9))]
    lengths = torch.tensor([c.numel() for c in clips])
    batch = torch.full((3, int(lengths.max())), 7.0)  # padding that must not matter
    for row, c in zip(batch, clips, strict=True):
        row[: c.numel()] = c
    together = model(batch, lengths)
    for row, c in zip(together, clips, strict=True):
        alone = model(c[None])[0]
        assert alone.shape[0] == model.config.num_frames(c.numel())
        torch.testing.assert_close(row[: alone.shape[0]], alone, atol=2e-5, rtol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("alibi_scales", [1, 3])
def test_packed_clips_give_what_each_gives_alone(alibi_scales: int) -> None:
    model = build(alibi_scales=alibi_scales)
    clips = [clip(s, i) for i, s in enumerate((0.2, 21.0, 0.9, 1.3))]
    alone = [model(c[None])[0] for c in clips]
    model.freeze()
    for samples in (16000, 16000 + 3 * 320, 16000 + 20 * 320):  # what was kept is too short
        sound = clips[1][:samples]
        expected = model(sound[None])[0]
        found = model.forward_packed([sound])[0]
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)
    for _ in range(2):  # the second time with what the first has kept
        for found, expected in zip(model.forward_packed(clips), alone, strict=True):
            torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5)
    seen: list[int] = []
    for block in model.blocks:
        block._attend = watched(block._attend, seen)  # type: ignore[assignment]
    for c, expected in zip(clips, alone, strict=True):
        torch.testing.assert_close(model.forward_packed([c])[0], expected, atol=2e-5, rtol=1e-5)
    model.forward_packed(clips)
    asked = [3 + model.config.num_frames(c.numel()) for c in clips]
    least = [-(-n // ROWS) * ROWS for n in asked]
    assert seen == [n for n in least for _ in model.blocks] + least * 3


def watched(attend: Callable[..., Tensor], seen: list[int]) -> Callable[..., Tensor]:
    """Notes how many rows each call has."""

    def run(qkv: Tensor, bias: Tensor, drop: float) -> Tensor:
        seen.append(qkv.shape[1])
        assert bias.shape[2:] == (qkv.shape[1],) * 2
        return attend(qkv, bias, drop)

    return run


@torch.inference_mode()
def test_gain_and_offset_do_not_matter_when_normalising() -> None:
    sound = clip(1.0)[None]
    torch.testing.assert_close(build()(sound), build()(0.3 * sound + 0.1), atol=2e-3, rtol=1e-3)
    raw = build(normalize=False)
    assert not torch.allclose(raw(sound), raw(0.3 * sound + 0.1), atol=1e-2)


@pytest.mark.parametrize("batch", [1, 2])
def test_convolution_equals_the_library_one(batch: int) -> None:
    for layer in build().convs:
        x = torch.randn(batch, 57, layer.weight.shape[1])
        expected = torch.nn.functional.conv1d(x.mT, layer.weight, stride=layer.stride).mT
        expected = torch.nn.functional.gelu(layer.norm(expected))
        torch.testing.assert_close(layer(x), expected)
        torch.testing.assert_close(layer(x[:, 5:]), layer(x[:, 5:].clone()))


@torch.inference_mode()
@pytest.mark.parametrize("frames", [1, 4, 5, 1000])
def test_convolution_in_pieces_equals_that_at_once(
    frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for layer in build().convs:
        for parameter in layer.norm.parameters():
            parameter.copy_(torch.randn_like(parameter))
        x = torch.randn(1, 57, layer.weight.shape[1])
        expected = layer(x)
        layer.requires_grad_(False).freeze()
        monkeypatch.setattr("emotion.models.layers.CACHED_BYTES", frames * expected.shape[2] * 4)
        torch.testing.assert_close(layer(x), expected)


def test_gelu_leaves_its_input_to_gradients() -> None:
    x = torch.linspace(-3, 3, 50)
    expected = torch.nn.functional.gelu(x)
    weight = torch.ones(50, requires_grad=True)
    torch.testing.assert_close(gelu(weight * x), expected)
    gelu(weight * x).sum().backward()
    assert weight.grad is not None and weight.grad.isfinite().all()
    assert gelu(x) is x
    torch.testing.assert_close(x, expected)


@torch.inference_mode()
@pytest.mark.parametrize("kernel", [5, 6])
@pytest.mark.parametrize("frames", [1, 3, 40])
def test_positional_convolution_equals_the_library_one(kernel: int, frames: int) -> None:
    layer = PositionalConv(24, kernel, 4)
    x = torch.randn(1, frames, 24)
    expected = layer(x)
    layer.freeze()
    assert layer._pieces is not None
    torch.testing.assert_close(layer(x), expected)
    two = torch.cat([x, x.flip(1)])
    torch.testing.assert_close(layer(two)[:1], expected)


@pytest.mark.skipif(not cpu_has_bf16(), reason="no native bf16")
@torch.inference_mode()
def test_layers_in_bf16_equal_those_in_float32_but_for_rounding() -> None:
    x = torch.randn(1, 40, 24).bfloat16()
    for layer in (PositionalConv(24, 5, 4), PositionalConv(24, 6, 4)):
        layer.to(torch.bfloat16)
        exact = copy.deepcopy(layer).float()(x.float())
        layer.freeze()
        torch.testing.assert_close(layer(x).float(), exact, rtol=0.01, atol=0.005)


def test_few_numbers_of_rows_come_up() -> None:
    assert [rounded_up(n) for n in (1, 16, 17, 214, 257, 509, 513)] == [
        16,
        16,
        32,
        224,
        288,
        512,
        576,
    ]
    assert [rounded_up(n, 4) for n in (1, 100, 149, 250)] == [16, 112, 160, 256]
    for steps, numbers in ((8, 36), (4, 22)):
        found = [rounded_up(n, steps) for n in range(1, 1537)]
        assert all(n <= r <= max(n + 15, n + n / steps) for n, r in enumerate(found, 1))
        assert len(set(found)) == numbers


@torch.inference_mode()
def test_rounding_up_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model, clips = build(), [clip(0.3, 1), clip(2.5, 2), clip(1.1, 3)]
    monkeypatch.setattr("emotion.models.network.PIECE_VALUES", 16 * 64 * 50)
    model.freeze()
    expected = [model.forward_packed([sound])[0] for sound in clips]
    pieces: list[int] = []
    rows: list[int] = []
    model.project.register_forward_hook(lambda _, x, y: pieces.append(y.shape[1]))
    model.blocks[0].fc1.register_forward_hook(lambda _, x, y: rows.append(y.shape[1]))
    model._rounds = True
    for sounds in (clips, clips[:1]):
        for one, alone in zip(model.forward_packed(sounds), expected, strict=False):
            torch.testing.assert_close(one, alone)
    assert rows == [224, 32]
    assert pieces == [50, 50, 50, 50, 8, 16]


@torch.inference_mode()
@pytest.mark.parametrize("normalises", [True, False])
def test_encoding_in_pieces_changes_nothing(
    normalises: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(normalize=normalises)
    sounds = [clip(seconds, i) for i, seconds in enumerate((0.5, 2.5, 0.03, 1.61))]
    expected = [model.encode(sound[None]) for sound in sounds]
    model.freeze()
    monkeypatch.setattr("emotion.models.layers.CACHED_BYTES", 16 * 4 * 700)
    for frames in (30, 77, 1000):
        monkeypatch.setattr("emotion.models.network.PIECE_VALUES", 16 * 64 * frames)
        assert model.config.piece_frames == frames
        for first in range(len(sounds)):
            found = model.encode_packed(sounds[first:])
            assert len(found) == len(sounds[first:])
            for one, alone in zip(found, expected[first:], strict=True):
                torch.testing.assert_close(one, alone)


def test_frames_and_receptive_field() -> None:
    large = config(feature_encoder=((512, 10, 5), *((512, 3, 2),) * 4, *((512, 2, 2),) * 2))
    assert (large.hop_samples, large.receptive_field_samples) == (320, 400)
    assert large.piece_frames == 256
    assert [large.num_frames(n) for n in (400, 719, 720, 16000, 480000)] == [1, 1, 2, 49, 1499]
    model = build()
    minimum = model.config.receptive_field_samples
    assert model(torch.randn(1, minimum)).shape == (1, 1, 24)
    lengths = num_frames(model.config.feature_encoder, torch.tensor([minimum, 16000]))
    assert lengths.tolist() == [1, model.config.num_frames(16000)]


def test_alibi_slopes_are_those_of_the_paper() -> None:
    assert alibi_slopes(8) == [2.0**-i for i in range(1, 9)]
    assert alibi_slopes(12)[:8] == alibi_slopes(8)
    assert alibi_slopes(12)[8:] == pytest.approx([2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5])


def test_attention_biases() -> None:
    model = build(alibi_scales=3)
    with torch.no_grad():
        model.alibi_scale[1] = -1.0  # clamped at zero
    biases = model.attention_biases(5, None, torch.float32)
    assert len(biases) == 3 and biases[0].shape == (1, 6, 8, 8)
    assert biases[1].abs().max() == 0
    assert biases[0][0, 0, :3].abs().max() == 0 and biases[0][0, 0, :, :3].abs().max() == 0
    assert biases[0][0, 0, 3, 7] == biases[0][0, 0, 7, 3] == -4 * alibi_slopes(6)[0]
    valid = torch.tensor([[True, True, False, False, False]])
    masked = model.attention_biases(5, valid, torch.float32)[0]
    assert torch.isinf(masked[0, :, :, 5:]).all() and torch.isfinite(masked[0, :, :, :5]).all()
    further = model.attention_biases(5, valid, torch.float32, before=4)[0]
    assert further.shape == (1, 6, 12, 12) and torch.isinf(further[..., :4]).all()
    assert torch.equal(further[..., 4:, 4:], masked) and further[..., :4, 4].abs().max() == 0


def test_normalisation_over_own_samples() -> None:
    x = torch.randn(2, 100) * 3 + 5
    lengths = torch.tensor([100, 40])
    y = normalize(x, lengths)
    torch.testing.assert_close(y[:1], normalize(x[:1]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(y[1, :40], normalize(x[1:, :40])[0], atol=1e-5, rtol=1e-5)
    assert y[1, 40:].abs().max() == 0


def test_dropout_only_in_training() -> None:
    model = Emotion2vec(config(), dropout=0.5)
    sound = clip(0.5)[None]
    assert not torch.equal(model.train()(sound), model(sound))
    assert torch.equal(model.eval()(sound), model(sound))
