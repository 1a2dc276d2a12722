"""Wide layers packed for MKL: when, whether it may be relied on, what becomes of the memory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from emotion import layers
from emotion.engine import Engine
from emotion.layers import Linear
from tests.conftest import tone


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="no MKL")
def test_the_second_pass_packs_the_layers_and_changes_nothing(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotion.layers.PACKED_WIDTH", 1)
    monkeypatch.setattr("emotion.layers.SAME_PLACE_BYTES", 4)
    engine = Engine.load(tiny_checkpoint, device="cpu")
    linear = [m for m in engine._model.modules() if isinstance(m, Linear)]
    first = engine.infer(tone(1.0))
    assert not any(layer._packed for layer in linear)
    assert engine._mapped is not None
    weights, released = [layer.weight.data_ptr() for layer in linear], []
    monkeypatch.setattr(engine._mapped, "release", lambda w: released.append(w.data_ptr()))
    for _ in range(2):
        again = engine.infer(tone(1.0))
        assert all(layer._packed for layer in linear)
        assert sorted(released) == sorted(weights)
        np.testing.assert_allclose(again.logits, first.logits, atol=1e-5)
        np.testing.assert_allclose(again.features, first.features, atol=1e-5)
    engine.close()


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="no MKL")
def test_layers_are_packed_only_where_any_number_of_rows_will_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    packs = layers._packs.__wrapped__
    assert packs()
    right = torch.ops.mkl._mkl_linear

    def other_rows(x: torch.Tensor, *rest: Any) -> torch.Tensor:
        y = right(x, *rest)
        return y if len(x) == layers.PACKED_ROWS else y + 1

    monkeypatch.setattr(torch.ops.mkl, "_mkl_linear", other_rows)
    assert not packs()
    monkeypatch.setattr(layers, "_packs", packs)
    layer = Linear(layers.PACKED_WIDTH, layers.PACKED_WIDTH).requires_grad_(False)
    layer.freeze()
    assert layer.pack() is None and layer.weight.isfinite().all()


@pytest.mark.skipif(not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="only small")
def test_packed_layers_stay_in_small_pages() -> None:
    layer = Linear(1024, 1024).requires_grad_(False)
    layer.freeze()
    if layer.pack() is None:
        pytest.skip("no MKL")
    assert layer._packed is not None and layer.weight.isnan().all()
    place = torch.ops.mkldnn.data_ptr(layer._packed[0]) + 2**20
    for area in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text()):
        first, end = (int(text, 16) for text in area.split()[0].split("-"))
        if first <= place < end:
            assert re.search(r"^VmFlags:.* nh\b", area, re.MULTILINE)
            return
    pytest.fail("the packed layer is nowhere")


def test_a_request_is_answered_even_if_the_layers_cannot_be_packed(
    tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("not enough memory")

    engine = Engine.load(tiny_checkpoint, device="cpu")
    monkeypatch.setattr(engine._model, "pack", fail)
    first = engine.infer(tone(1.0))
    again = engine.infer(tone(1.0))
    np.testing.assert_array_equal(again.logits, first.logits)
    assert "not enough memory" in caplog.text
    engine.close()
