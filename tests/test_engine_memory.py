"""An engine whose memory does not hold every batch: halves, single clips, and one clear error."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from emotion.core.engine_errors import MemoryExhaustedError
from emotion.core.errors import ModelError
from emotion.inference import engine_base
from emotion.inference.engine_base import FrameOutput
from tests.conftest import tone
from tests.fakes import FakeEngine

WAIT_S = 20.0


class SmallEngine(FakeEngine):
    """Holds only so many seconds at once.

    Attributes:
        most_s: How many.
        batches: Clips of each pass that was tried.
        held: What each failed pass had allocated.
    """

    def __init__(self, most_s: float) -> None:
        self.most_s = most_s
        self.batches: list[int] = []
        self.held: list[weakref.ref[NDArray[np.float32]]] = []
        self.error: BaseException = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate…")
        super().__init__()

    def _infer_batch(self, clips: list[NDArray[np.float32]]) -> list[FrameOutput]:
        self.entered.set()
        self.gate.wait(WAIT_S)
        self.batches.append(len(clips))
        scratch = np.concatenate(clips)
        if scratch.size > self.most_s * 16_000:
            self.held.append(weakref.ref(scratch))
            raise type(self.error)(*self.error.args)  # nothing else holds its traceback
        return [self._infer_clip(clip) for clip in clips]


@pytest.fixture
def small() -> Iterator[SmallEngine]:
    made = SmallEngine(5.0)
    yield made
    made.gate.set()
    made.close()


def together(engine: SmallEngine, clips: list[NDArray[np.float32]]) -> list[Any]:
    """What callers in threads of their own get for a clip each, all in one batch."""
    engine.gate.clear()
    first = threading.Thread(target=lambda: engine.infer(tone(0.1)))
    first.start()
    assert engine.entered.wait(WAIT_S)
    got: list[Any] = [None] * len(clips)

    def ask(place: int) -> None:
        try:
            got[place] = engine.infer(clips[place])
        except ModelError as e:
            got[place] = e

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(clips))]
    for thread in threads:
        thread.start()
    while len(engine._batcher._queues["interactive"]) < len(clips):
        assert any(thread.is_alive() for thread in threads)
    engine.gate.set()
    for thread in (first, *threads):
        thread.join(WAIT_S)
    return got


def same(output: FrameOutput, engine: FakeEngine, clip: NDArray[np.float32]) -> bool:
    alone = engine.infer(clip)
    return np.array_equal(output.logits, alone.logits) and np.array_equal(
        output.features, alone.features
    )


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
    ids=["cuda", "python", "cpu", "cublas"],
)
def test_a_batch_that_is_too_large_is_halved(small: SmallEngine, error: Exception) -> None:
    small.error = error
    clips = [tone(2.0, seed) for seed in range(8)]
    got = together(small, clips)
    assert small.batches[:4] == [1, 8, 4, 2]
    assert small.batches[4:] == [2, 4, 2, 2]  # every clip once
    assert all(same(output, small, clip) for output, clip in zip(got, clips, strict=True))


def test_a_list_of_clips_too(small: SmallEngine) -> None:
    clips = [tone(seconds, seed) for seed, seconds in enumerate((2.0, 1.0, 4.0, 3.0, 0.5, 4.5))]
    outputs = dict(small.infer_many(clips))
    assert len(outputs) == len(clips)
    assert all(same(outputs[place], small, clip) for place, clip in enumerate(clips))


def test_what_does_not_fit_alone_fails_alone(small: SmallEngine) -> None:
    clips = [tone(1.0), tone(9.0), tone(2.0)]
    got = together(small, clips)
    assert isinstance(got[1], MemoryExhaustedError)
    assert str(got[1]).startswith("9.0 s of audio do not fit into the memory of cpu (fp32). Free")
    assert same(got[0], small, clips[0]) and same(got[2], small, clips[2])
    assert small.restarts.count == 0  # the worker lived on


def test_batches_stay_smaller_for_a_while(
    small: SmallEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(engine_base.time, "monotonic", lambda: now[0])
    list(small.infer_many([tone(2.0)] * 8))
    assert small.batches == [8, 4, 2, 2, 4, 2, 2]
    small.batches.clear()
    list(small.infer_many([tone(2.0)] * 8))
    assert small.batches == [2] * 4  # no failure at all
    now[0] += 601
    small.most_s = 100.0
    small.infer(tone(0.1))
    small.batches.clear()
    list(small.infer_many([tone(2.0)] * 8))
    assert small.batches == [8]


def test_a_single_clip_that_is_too_large_makes_no_batch_smaller(small: SmallEngine) -> None:
    with pytest.raises(MemoryExhaustedError):
        small.infer(tone(9.0))
    assert small._batcher.most == 24.0


def test_the_failed_pass_is_freed_before_the_next(
    small: SmallEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    alive: list[bool] = []
    plain = SmallEngine._make_room

    def looked(self: SmallEngine, clips: list[NDArray[np.float32]]) -> None:
        alive.append(any(ref() is not None for ref in self.held))
        plain(self, clips)

    monkeypatch.setattr(SmallEngine, "_make_room", looked)
    gc.disable()
    try:
        list(small.infer_many([tone(2.0)] * 4))
    finally:
        gc.enable()
    assert alive and not any(alive)


def test_the_cache_of_the_card_is_emptied(
    small: SmallEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    emptied: list[int] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(1))
    list(small.infer_many([tone(3.0)] * 2))
    assert emptied == []  # there is no card
    small.placement = engine_base.Placement(torch.device("cuda:0"), "fp16", "fake")
    small._batcher.most = 24.0
    list(small.infer_many([tone(3.0)] * 2))
    assert emptied == [1]
    with pytest.raises(MemoryExhaustedError, match=r"memory of cuda:0 \(fp16\)"):
        small.infer(tone(9.0))


def test_other_errors_stay_what_they_are(small: SmallEngine) -> None:
    small.error = RuntimeError("shapes do not match")
    with pytest.raises(RuntimeError, match="shapes do not match"):
        small.infer(tone(9.0))
    assert small.batches == [1]


def test_a_worker_that_was_ended_is_counted(small: SmallEngine) -> None:
    small.error = SystemExit(1)
    with pytest.raises(ModelError, match=r"the inference worker was ended"):
        small.infer(tone(9.0))
    assert small.restarts.count == 1
    assert small.infer(tone(1.0)).logits.shape[1] == 9
