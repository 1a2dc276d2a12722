"""Recorded passes: the choice of lengths, padding, checks and failures, with a recorder of ours.

What only a CUDA device can show is in tests/test_gpu.py.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from emotion.cuda_graphs import (
    MOST_TOKENS,
    STEP_TOKENS,
    CudaRecorder,
    Outputs,
    RecordedPasses,
    Recording,
)
from emotion.engine import Engine, run_pass
from tests.conftest import tone

COMPARED = 2  # replays of a new recording, to compare with the pass itself


class Recorder:
    """Records by keeping the work, which a replay does again into the same outputs."""

    def __init__(self) -> None:
        self.recorded = 0
        self.replayed = 0

    def __call__(self, work: Callable[[], Outputs]) -> Recording:
        outputs = work()
        self.recorded += 1

        def replay() -> None:
            self.replayed += 1
            for old, new in zip(outputs, work(), strict=True):
                old.copy_(new)

        for output in outputs:
            output.fill_(torch.nan)  # as in a graph, nothing is computed while recording
        return outputs, replay


@pytest.fixture(scope="module")
def engine(tiny_checkpoint: Path) -> Engine:
    return Engine.load(tiny_checkpoint, device="cpu", precision="fp32")


def passes(engine: Engine, record: Callable[[Callable[[], Outputs]], Recording]) -> RecordedPasses:
    work = partial(run_pass, engine._model)
    return RecordedPasses(work, engine.config, torch.device("cpu"), record)


def sound(seconds: float, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(tone(seconds, seed))


@torch.inference_mode()
def test_a_replay_gives_what_the_pass_gives(engine: Engine) -> None:
    recorder = Recorder()
    recorded = passes(engine, recorder)
    assert recorded.run(sound(1.0)) is None and recorder.recorded == 0
    # Longest first: what it leaves behind must not reach the shorter ones.
    for seconds, seed in ((1.05, 1), (0.3, 2), (0.03, 3), (0.9, 4)):
        clip = sound(seconds, seed)
        found = recorded.run(clip)
        assert found is not None
        for output, expected in zip(found, run_pass(engine._model, clip[None], None), strict=True):
            assert output.shape == expected.shape
            torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-4)
    assert (recorder.recorded, recorder.replayed) == (1, COMPARED + 4)
    assert recorded.run(sound(2.0)) is None
    assert recorded.run(sound(2.0)) is not None and recorder.recorded == 2


@torch.inference_mode()
def test_long_clips_are_not_recorded(engine: Engine) -> None:
    recorder = Recorder()
    recorded = passes(engine, recorder)
    longest = (MOST_TOKENS - engine.config.num_extra_tokens) / 50
    for _ in range(3):
        assert recorded.run(sound(longest + 0.5)) is None
    assert recorder.recorded == 0
    assert recorded.run(sound(longest - 0.5)) is None
    assert recorded.run(sound(longest - 0.5)) is not None


@torch.inference_mode()
@pytest.mark.parametrize("more", [0, 1, 318, 319, 320])
def test_lengths_on_the_border_between_two_recordings(engine: Engine, more: int) -> None:
    config = engine.config
    frames = STEP_TOKENS - config.num_extra_tokens  # the most in the first
    shortest = config.receptive_field_samples + (frames - 1) * config.hop_samples
    recorder = Recorder()
    recorded = passes(engine, recorder)
    clip = sound(3.0)[: shortest + more]
    assert config.num_frames(clip.numel()) == frames + (more == 320)
    expected = run_pass(engine._model, clip[None], None)
    assert recorded.run(clip) is None
    for _ in range(2):  # as it is recorded, and later
        found = recorded.run(clip)
        assert found is not None
        for output, right in zip(found, expected, strict=True):
            torch.testing.assert_close(output, right, atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_a_clip_that_is_not_finite_harms_no_later_one(engine: Engine) -> None:
    recorded = passes(engine, Recorder())
    for _ in range(2):
        recorded.run(sound(1.0))
    spoilt = recorded.run(torch.full((16_000,), torch.nan))
    assert spoilt is not None and not bool(spoilt[1].isfinite().any())
    found = recorded.run(sound(0.8))
    assert found is not None
    torch.testing.assert_close(found, run_pass(engine._model, sound(0.8)[None], None))


def refuse(work: Callable[[], Outputs]) -> Recording:
    raise RuntimeError("CUDA error: operation not permitted when stream is capturing")


def spoil(work: Callable[[], Outputs]) -> Recording:
    outputs = work()
    return outputs, lambda: outputs[0].mul_(1.1)


def bake(work: Callable[[], Outputs]) -> Recording:
    outputs = work()
    return outputs, lambda: None  # of the first clip, whatever comes


def lose(work: Callable[[], Outputs]) -> Recording:
    outputs = tuple(torch.full_like(output, torch.nan) for output in work())
    return outputs, lambda: None


@torch.inference_mode()
@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (refuse, "capturing"),
        (spoil, "other values"),
        (bake, "other values"),
        (lose, "other values"),
    ],
)
def test_what_cannot_be_recorded_runs_as_ever(
    engine: Engine,
    caplog: pytest.LogCaptureFixture,
    record: Callable[[Callable[[], Outputs]], Recording],
    reason: str,
) -> None:
    recorded = passes(engine, record)
    with caplog.at_level(logging.WARNING):
        assert [recorded.run(sound(1.0)) for _ in range(4)] == [None] * 4
    (message,) = caplog.messages
    assert "CUDA graphs are not used" in message and reason in message


@torch.inference_mode()
def test_a_clip_that_overflows_is_not_what_a_recording_is_compared_with(engine: Engine) -> None:
    recorder = Recorder()
    recorded = passes(engine, recorder)
    loud = torch.full((16_000,), torch.inf)
    assert [recorded.run(loud) for _ in range(3)] == [None] * 3
    assert recorder.recorded == 0
    assert recorded.run(sound(1.0)) is not None


class _Watch(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        self.names.add(func.overloadpacket._qualified_op_name)
        return func(*args, **(kwargs or {}))


# What waits for the device, or copies from the host.
FORBIDDEN = {
    "aten::_local_scalar_dense",
    "aten::index",
    "aten::is_nonzero",
    "aten::item",
    "aten::lift_fresh",
    "aten::masked_select",
    "aten::nonzero",
    "aten::scalar_tensor",
}


def test_a_pass_does_nothing_that_a_graph_cannot_hold(tiny_checkpoint: Path) -> None:
    model = Engine.load(tiny_checkpoint, device="cpu", precision="fp32")._model
    model.train()  # all at once and by the library's convolutions, as on CUDA; nothing drops out
    for conv in model.position.convs:
        conv._pieces = None
    waveforms, lengths = sound(1.0)[None], torch.tensor([12_345])
    with torch.no_grad(), _Watch() as watch:
        run_pass(model, waveforms, lengths)
    assert {"aten::addmm", "aten::convolution"} <= watch.names
    assert not watch.names & FORBIDDEN
    with torch.no_grad(), _Watch() as watch:  # the watch sees them
        torch.tensor([12_345]).item()
        torch.ones(2)[torch.tensor([True, False])]
    assert {"aten::lift_fresh", "aten::_local_scalar_dense", "aten::index"} <= watch.names


def test_the_engine_replays_single_clips(
    engine: Engine, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    monkeypatch.setattr(engine, "_recorded", passes(engine, recorder))
    clips = [tone(0.8, 1), tone(1.0, 2), tone(0.7, 3)]
    expected = engine._infer_packed(clips)
    kept = [engine._infer_padded([clip])[0] for clip in clips]
    assert recorder.recorded == 1 and recorder.replayed == COMPARED + 2
    for found, right in zip(kept, expected, strict=True):  # none was overwritten by the next
        np.testing.assert_allclose(found.logits, right.logits, atol=1e-4)
        np.testing.assert_allclose(found.features, right.features, atol=1e-4)
    engine._infer_padded(clips)
    assert recorder.replayed == COMPARED + 2


def test_short_memory_costs_the_recordings_first(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    recorded = passes(engine, Recorder())
    monkeypatch.setattr(engine, "_recorded", recorded)
    for _ in range(2):
        engine._infer_padded([tone(1.0)])
    forward, failures = engine._model.forward, iter([torch.OutOfMemoryError("out of memory")])

    def full_once(*args: Any) -> torch.Tensor:
        for failure in failures:
            raise failure
        return forward(*args)

    monkeypatch.setattr(engine._model, "forward", full_once)
    clips = [tone(2.0), tone(1.5)]
    with caplog.at_level(logging.WARNING):
        assert len(engine._infer_padded(clips)) == 2
    assert "out of memory" in caplog.text and not recorded.usable
    assert recorded.run(sound(1.0)) is None
    failures = iter([torch.OutOfMemoryError("out of memory")])
    with pytest.raises(torch.OutOfMemoryError):  # nothing left to drop
        engine._infer_padded(clips)


class FakeCuda:
    """In place of `torch.cuda`: keeps what is asked of it, and in which order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.streams = [FakeStream("default")]
        self.fails = False
        names = ("device", "stream", "graph", "current_stream", "graph_pool_handle", "Stream")
        for name in (*names, "CUDAGraph"):
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))

    @contextmanager
    def device(self, device: torch.device) -> Iterator[None]:
        self.calls.append(f"on {device}")
        yield

    @contextmanager
    def stream(self, stream: FakeStream) -> Iterator[None]:
        before = list(self.streams)
        self.streams.append(stream)
        try:
            yield
        finally:
            self.streams = before

    @contextmanager
    def graph(
        self, graph: FakeGraph, pool: str, stream: FakeStream, capture_error_mode: str
    ) -> Iterator[None]:
        assert capture_error_mode == "thread_local"
        self.streams.append(stream)
        self.calls.append(f"begin {pool} {stream.name}")
        yield
        if self.fails:  # as `torch.cuda.graph` does, before it leaves the stream
            raise RuntimeError("capture failed")
        self.streams.pop()

    def current_stream(self) -> FakeStream:
        return self.streams[-1]

    def graph_pool_handle(self) -> str:
        self.calls.append("pool")
        return "pool"

    def Stream(self) -> FakeStream:
        self.calls.append("stream")
        return FakeStream("side")

    def CUDAGraph(self) -> FakeGraph:
        return FakeGraph(self)


class FakeStream:
    def __init__(self, name: str) -> None:
        self.name = name

    def wait_stream(self, other: FakeStream) -> None:
        pass


class FakeGraph:
    def __init__(self, cuda: FakeCuda) -> None:
        self._cuda = cuda

    def replay(self) -> None:
        self._cuda.calls.append("replay")


def test_recordings_share_a_pool_on_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda(monkeypatch)
    record = CudaRecorder(torch.device("cuda:1"))

    def work() -> Outputs:
        cuda.calls.append(f"work on {cuda.streams[-1].name}")
        return ()

    for first in (["pool", "stream"], []):
        cuda.calls.clear()
        _, replay = record(work)
        passes = ["work on side", "begin pool side", "work on side"]
        assert cuda.calls == ["on cuda:1", *first, *passes]
    cuda.calls.clear()
    replay()
    assert cuda.calls == ["on cuda:1", "replay"]


def test_a_recording_that_fails_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = FakeCuda(monkeypatch)
    record = CudaRecorder(torch.device("cuda:0"))
    cuda.fails = True
    with pytest.raises(RuntimeError, match="capture failed"):
        record(lambda: ())
    assert cuda.current_stream().name == "default"
    cuda.fails = False
    record(lambda: ())  # nothing is locked
