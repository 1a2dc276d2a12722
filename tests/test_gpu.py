"""The engine on a CUDA device: `pytest -m gpu`, where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.core.config import Precision
from emotion.inference.engine import Engine
from tests.conftest import MINI, tone

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def test_cuda_agrees_with_the_cpu(tiny_checkpoint: Path) -> None:
    cpu = Engine.load(tiny_checkpoint, device="cpu", precision="fp32")
    cuda = Engine.load(tiny_checkpoint, device="cuda", precision="fp32")
    for seconds in (0.03, 3.0, 1.1, 40.0):
        expected, found = cpu.infer(tone(seconds)), cuda.infer(tone(seconds))
        np.testing.assert_allclose(found.logits, expected.logits, atol=1e-3)
        np.testing.assert_allclose(found.features, expected.features, atol=1e-2)


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 1e-3), ("bf16", 0.1), ("fp16", 0.02)])
def test_batches_equal_single_passes(precision: Precision, apart: float) -> None:
    clips = [tone(1.0 + 0.1 * i, i) for i in range(12)]
    engine = Engine.load(MINI, device="cuda", precision=precision)
    together = dict(engine.infer_many(clips))
    assert sorted(together) == list(range(len(clips)))
    for i, clip in enumerate(clips):
        expected = engine.infer(clip).logits.mean(0)
        np.testing.assert_allclose(together[i].logits.mean(0), expected, atol=apart)


def test_memory_is_told_while_the_engine_works() -> None:
    engine = Engine.load(MINI, device="cuda")
    engine.infer(tone(20.0))
    assert engine.memory.startswith("GPU: cuda:0, VRAM: ")
