"""CUDA graphs: the pass over a single clip, recorded once for each of a few lengths and replayed.

A pass of the large network launches hundreds of kernels, and over one clip most of them are shorter
than their launch; a graph launches them all at once. Its shapes and addresses are fixed, so a clip
is copied to where the recording reads and padded, exactly masked, to the next length that is
recorded. What cannot be recorded is run the usual way.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from emotion.model import ModelConfig

logger = logging.getLogger(__name__)

STEP_TOKENS = 64  # between two recorded lengths: 1.28 s, in which every kernel's tiles are full
MOST_TOKENS = 1536  # of 20 ms, frames and extra ones: a longer pass keeps a GPU busy by itself
# Largest difference between a replay and the pass itself, of the largest value.
_TOLERANCE = 0.02
_TOLERANCE_FP32 = 0.001

Outputs = tuple[Tensor, ...]
Pass = Callable[[Tensor, Tensor], Outputs]
Recording = tuple[Outputs, Callable[[], None]]
Record = Callable[[Callable[[], Outputs]], Recording]

_ONE_AT_A_TIME = threading.Lock()  # recordings, in a process


@dataclass(frozen=True)
class _Input:
    """What a recording reads: waveforms (1, S) and lengths (1,)."""

    waveforms: Tensor
    lengths: Tensor

    def fill(self, clip: Tensor) -> None:
        size = clip.numel()
        self.waveforms[0, :size].copy_(clip, non_blocking=True)
        self.waveforms[0, size:].zero_()  # a mask multiplies, and does not stop what is not finite
        self.lengths.fill_(size)


class RecordedPasses:
    """Passes over single clips; for one thread.

    Args:
        work: The pass: waveforms (1, S) and lengths (1,) to outputs of (1, T, ...) each. It must
            neither wait for the device nor copy from the host.
        config: Sizes of its network.
        device: Where the passes run.
        record: Records some work: its outputs, and what replays it into them.
    """

    def __init__(
        self, work: Pass, config: ModelConfig, device: torch.device, record: Record | None = None
    ) -> None:
        self._work = work
        self._config = config
        self._device = device
        self._record = record or CudaRecorder(device)
        self._seen: set[int] = set()
        self._recordings: dict[int, tuple[_Input, Recording]] = {}
        self.usable = True

    def run(self, clip: Tensor) -> Outputs | None:
        """The pass over a clip.

        Args:
            clip: float32, (samples,), on the host.

        Returns:
            The outputs, each (1, T, ...) with the clip's own T, to be read before the next call.
            None where no recording is used: for the first clip of a length, for long ones, and
            where recording failed.
        """
        frames = self._config.num_frames(clip.numel())
        tokens = -(-(frames + self._config.num_extra_tokens) // STEP_TOKENS) * STEP_TOKENS
        if not self.usable or tokens > MOST_TOKENS:
            return None
        if tokens not in self._recordings:
            if tokens not in self._seen:
                self._seen.add(tokens)
                return None
            self._add(tokens, clip)
            if tokens not in self._recordings:
                return None
        source, (outputs, replay) = self._recordings[tokens]
        source.fill(clip)
        replay()
        return tuple(output[:, :frames] for output in outputs)

    def drop(self, reason: object) -> None:
        """Forgets all recordings, gives their memory back and makes no more."""
        logger.warning("CUDA graphs are not used, short clips take longer: %s", reason)
        self.usable = False
        self._recordings.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _add(self, tokens: int, clip: Tensor) -> None:
        config = self._config
        frames = tokens - config.num_extra_tokens
        # The longest clip of so many frames.
        samples = config.receptive_field_samples + frames * config.hop_samples - 1
        source = _Input(
            torch.zeros(1, samples, device=self._device),
            torch.zeros(1, dtype=torch.int64, device=self._device),
        )
        try:
            source.fill(clip)
            own = config.num_frames(clip.numel())
            outputs = self._work(source.waveforms, source.lengths)
            if not all(bool(output[:, :own].isfinite().all()) for output in outputs):
                self._seen.discard(tokens)  # nothing to compare with
                return
            recording = self._record(lambda: self._work(source.waveforms, source.lengths))
            # A shorter clip, too: a recording must not have kept anything of the first.
            for part in (clip, clip[: max(clip.numel() // 2, config.receptive_field_samples)]):
                self._compare(source, recording, part)
        except RuntimeError as e:  # of CUDA, too, and of memory
            self.drop(e)
            return
        self._recordings[tokens] = source, recording

    def _compare(self, source: _Input, recording: Recording, clip: Tensor) -> None:
        frames = self._config.num_frames(clip.numel())
        source.fill(clip)
        expected = [x[:, :frames].clone() for x in self._work(source.waveforms, source.lengths)]
        outputs, replay = recording
        replay()
        for found, right in zip(outputs, expected, strict=True):
            limit = _TOLERANCE_FP32 if outputs[0].dtype == torch.float32 else _TOLERANCE
            difference = (found[:, :frames] - right).abs().max()
            if not difference <= limit * right.abs().max():  # nor where it is NaN
                raise RuntimeError("a recorded pass gave other values than the pass itself")


class CudaRecorder:
    """Records into CUDA graphs, which share their memory: only one is replayed at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool: Any = None
        self._stream: Any = None

    def __call__(self, work: Callable[[], Outputs]) -> Recording:
        """The recording of some work that has run before."""
        device = self._device
        with torch.cuda.device(device), _ONE_AT_A_TIME:
            if self._stream is None:  # memory is shared on one stream alone
                self._pool = torch.cuda.graph_pool_handle()
                self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            graph = torch.cuda.CUDAGraph()
            before = torch.cuda.current_stream()
            self._stream.wait_stream(before)
            try:
                # Left by this even where the end of a recording fails.
                with torch.cuda.stream(self._stream):
                    work()  # libraries set themselves up for a stream at the first call on it
                    # Other threads may ask for the memory in use meanwhile.
                    with torch.cuda.graph(
                        graph,
                        pool=self._pool,
                        stream=self._stream,
                        capture_error_mode="thread_local",
                    ):
                        outputs = work()
            finally:
                before.wait_stream(self._stream)

        def replay() -> None:
            with torch.cuda.device(device):
                graph.replay()

        return outputs, replay
