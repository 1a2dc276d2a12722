"""The engine on a CUDA device: `pytest -m gpu`, where there is one."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion.config import Precision
from emotion.engine import Engine
from tests.conftest import MINI, tone

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]


def recordings(engine: Engine) -> int:
    """How many lengths the engine replays, after making sure that it still does."""
    assert engine._recorded is not None and engine._recorded.usable
    return len(engine._recorded._recordings)


def test_cuda_agrees_with_the_cpu(tiny_checkpoint: Path) -> None:
    cpu = Engine.load(tiny_checkpoint, device="cpu", precision="fp32")
    cuda = Engine.load(tiny_checkpoint, device="cuda", precision="fp32")
    for seconds in (0.03, 3.0, 3.0, 3.0, 1.1, 1.1, 1.1, 40.0):  # as a pass, recorded, replayed
        expected, found = cpu.infer(tone(seconds)), cuda.infer(tone(seconds))
        np.testing.assert_allclose(found.logits, expected.logits, atol=1e-3)
        np.testing.assert_allclose(found.features, expected.features, atol=1e-2)
    assert recordings(cuda) >= 2


@pytest.mark.parametrize(("precision", "apart"), [("fp32", 1e-3), ("bf16", 0.1), ("fp16", 0.02)])
def test_replays_and_batches_equal_single_passes(precision: Precision, apart: float) -> None:
    clips = [tone(1.0 + 0.1 * i, i) for i in range(12)]
    plain = Engine.load(MINI, device="cuda", precision=precision)
    assert plain._recorded is not None
    plain._recorded.usable = False
    engine = Engine.load(MINI, device="cuda", precision=precision)
    for _ in range(2):
        replayed = [engine.infer(clip) for clip in clips]
    assert recordings(engine) >= 1
    together = dict(engine.infer_many(clips))
    assert sorted(together) == list(range(len(clips)))
    for i, clip in enumerate(clips):
        expected = plain.infer(clip).logits.mean(0)
        for found in (replayed[i], together[i]):
            np.testing.assert_allclose(found.logits.mean(0), expected, atol=apart)


def test_recordings_share_their_memory() -> None:
    engine = Engine.load(MINI, device="cuda")
    for _ in range(2):
        engine.infer(tone(29.0))
    first = torch.cuda.memory_reserved()
    for seconds in range(28, 1, -1):
        for _ in range(2):
            engine.infer(tone(float(seconds)))
    assert recordings(engine) > 15
    assert torch.cuda.memory_reserved() < 1.5 * first


def test_the_memory_can_be_asked_for_while_a_pass_is_recorded() -> None:
    engine = Engine.load(MINI, device="cuda")
    done = threading.Event()
    told: list[str] = []

    def ask() -> None:
        while not done.is_set():
            told.append(engine.memory)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        for seconds in (1.0, 4.0, 9.0, 20.0):
            for _ in range(3):
                engine.infer(tone(seconds))
    finally:
        done.set()
        thread.join()
    assert recordings(engine) == 4
    assert told and all(text.startswith("GPU: cuda:0, VRAM: ") for text in told)
