"""What every engine shares: batches across callers, cancellation, and the shape of an answer."""

from __future__ import annotations

import concurrent.futures
import itertools
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, TypeVar
from weakref import WeakMethod, finalize

import numpy as np
import torch
from numpy.typing import NDArray

from emotion.core.config import SAMPLE_RATE_HZ
from emotion.core.engine_errors import MemoryExhaustedError
from emotion.core.errors import CancelledError, ModelError
from emotion.core.labels import LABELS
from emotion.core.progress import Priority
from emotion.core.workers import Restarts
from emotion.inference.device import GpuUsage, Placement, gpu_usage, memory_text
from emotion.inference.pass_stats import PassStats
from emotion.inference.scheduler import MicroBatcher
from emotion.models.network import ConvLayers, num_frames, receptive_field_samples

_AHEAD = 64  # clips of one caller that wait; the queue has room for others' beside them
_BEAT_S = 0.1
_SMALLER_S = 600.0  # for so long batches stay smaller after one did not fit into the memory
# How torch says that there is no memory where it has no class for it.
_NO_MEMORY = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "out of memory")

logger = logging.getLogger(__name__)

Samples = NDArray[np.float32]
Cost = Callable[[Sequence[Samples]], float]
Phase = Literal["reading", "building", "warming"]
PhaseHook = Callable[[Phase], None]
Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class FrameOutput:
    """What the network says of one stretch of audio.

    Attributes:
        features: float32, (T, D), one row every 20 ms.
        logits: float32, (T, 9), in the order of `emotion.core.labels.LABELS`; minus infinity where
            the checkpoint has no such label. Their mean over T is the utterance's logits.
        began_s: When the pass began that the stretch was in, by ``time.perf_counter``.
        ended_s: When that pass ended.
    """

    features: NDArray[np.float32]
    logits: NDArray[np.float32]
    began_s: float = 0.0
    ended_s: float = 0.0


class EngineBase(ABC):
    """A network on its device; safe to call from several threads.

    Args:
        placement: Device and number format.
        tokens: For each row of the head the emotion id, or None for a slot never scored.
        conv_layers: (channels, kernel, stride) of each convolution over the waveform.
        embedding_dim: Width of the features and of the embedding.
        cost: What a batch of clips costs, in seconds of audio.
        batch_s: The most that a batch may cost.

    Attributes:
        placement: Device and number format.
        embedding_dim: Width of the features and of the embedding.
        stats: Counts the passes.
    """

    name: ClassVar[str]

    def __init__(
        self,
        placement: Placement,
        tokens: Sequence[str | None],
        conv_layers: ConvLayers,
        *,
        embedding_dim: int,
        cost: Cost,
        batch_s: float,
    ) -> None:
        self.placement = placement
        self.embedding_dim = embedding_dim
        self.stats = stats = PassStats()
        self._conv_layers = conv_layers
        # Row of the head for each of the nine labels.
        rows = {token: i for i, token in enumerate(tokens) if token is not None}
        self._columns = [LABELS.index(label) for label in rows]
        self._rows = list(rows.values())
        self._cost = cost
        self._batch_s = batch_s
        self._smaller_until_s = 0.0  # by time.monotonic
        # The worker must not keep an engine alive that is no longer in use.
        infer = WeakMethod(self._infer_in_memory)
        self._batcher: MicroBatcher[Samples, FrameOutput] = MicroBatcher(
            lambda clips: _called(infer, clips, stats), cost=cost, most=batch_s
        )
        finalize(self, self._batcher.close, wait=False)

    @abstractmethod
    def _infer_batch(self, clips: list[Samples]) -> list[FrameOutput]:
        """Runs the network over some clips; called from the worker thread only."""

    def _infer_in_memory(self, clips: list[Samples]) -> list[FrameOutput]:
        """`_infer_batch`, in halves where the memory does not hold all, down to single clips."""
        if self._smaller_until_s and time.monotonic() > self._smaller_until_s:
            self._batcher.most, self._smaller_until_s = self._batch_s, 0.0
        outputs: list[FrameOutput] = []
        parts = [clips]
        while parts:
            part = parts.pop()
            found = self._tried(part)
            if found is not None:
                outputs += found
                continue
            self._make_room(part)
            if len(part) == 1:
                raise MemoryExhaustedError(
                    seconds=part[0].size / SAMPLE_RATE_HZ,
                    device=self.placement.device,
                    precision=self.placement.precision,
                )
            middle = len(part) // 2
            parts += [part[middle:], part[:middle]]
        return outputs

    def _tried(self, clips: list[Samples]) -> list[FrameOutput] | None:
        # A function of its own: once it has returned, nothing holds the failed pass's tensors.
        try:
            return self._infer_batch(clips)
        except (RuntimeError, MemoryError) as e:
            if not _is_out_of_memory(e):
                raise
            reason = str(e).partition("\n")[0]  # the error itself would hold the tensors
            logger.warning("no memory for a batch of %d: %s", len(clips), reason)
            return None

    def _make_room(self, clips: list[Samples]) -> None:
        if self.placement.device.type == "cuda":
            torch.cuda.empty_cache()
        if len(clips) > 1:
            self._batcher.most = min(self._batcher.most, self._cost(clips) / 2)
            self._smaller_until_s = time.monotonic() + _SMALLER_S

    @property
    def restarts(self) -> Restarts:
        """How often the worker was ended by something that is no error, and went on."""
        return self._batcher.restarts

    @property
    def labels(self) -> frozenset[str]:
        """The labels that the checkpoint knows."""
        return frozenset(LABELS[column] for column in self._columns)

    @property
    def minimum_samples(self) -> int:
        """The receptive field of one frame, the shortest usable input."""
        return receptive_field_samples(self._conv_layers)

    def num_frames(self, samples: int) -> int:
        """Frames, one every 20 ms, that so many samples give."""
        return num_frames(self._conv_layers, samples)

    @property
    def memory(self) -> str:
        """Memory in use, for people."""
        return memory_text(self.placement.device)

    @property
    def gpu(self) -> GpuUsage | None:
        """How full and how busy its card is; None on a CPU."""
        return gpu_usage(self.placement.device)

    def infer(self, samples: Samples, cancelled: Callable[[], bool] = lambda: False) -> FrameOutput:
        """Runs the network over one stretch of audio, together with what others ask meanwhile.

        Args:
            samples: float32, (samples,), 16 kHz, at least ``minimum_samples``.
            cancelled: Asked while waiting; true withdraws the request.

        Raises:
            ModelError: The network gave values that are not finite, or the engine is closed.
            MemoryExhaustedError: The memory does not hold this stretch on its own.
            BusyError: Too many requests wait.
            CancelledError: ``cancelled`` returned true, or the engine was closed meanwhile.
        """
        return _result(self._batcher.submit(samples), cancelled)

    def infer_many(
        self,
        clips: Iterable[Samples],
        *,
        priority: Priority = "bulk",
        ahead: int = _AHEAD,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Generator[tuple[int, FrameOutput], None, None]:
        """`infer` for many clips, which may share batches.

        Closing the generator withdraws what still waits. Outputs are forgotten once they are
        given, and no more than ``ahead`` clips are taken ahead, so memory does not grow with the
        number of clips.

        Args:
            clips: Each float32, (samples,), 16 kHz. A list is taken in the order of its lengths,
                so that batches hold clips of similar lengths; anything else in its own order.
            priority: ``bulk`` waits for room and comes after interactive requests.
            ahead: How many clips may wait or be worked on at once.
            cancelled: Asked while waiting; true withdraws the rest.

        Yields:
            Each clip's place in ``clips`` and its output, in the order in which they are taken.

        Raises:
            ModelError: The network gave values that are not finite, or the engine is closed.
            MemoryExhaustedError: The memory does not hold one of them on its own.
            BusyError: Too many requests wait; only for interactive ones.
            CancelledError: ``cancelled`` returned true, or the engine was closed meanwhile.
        """
        source: Iterator[tuple[int, Samples]] = iter(enumerate(clips))
        if isinstance(clips, Sequence):
            order = sorted(range(len(clips)), key=lambda i: clips[i].size)
            source = ((i, clips[i]) for i in order)
        pending: deque[tuple[int, Future[FrameOutput]]] = deque()
        try:
            while True:
                if more := list(itertools.islice(source, ahead - len(pending))):
                    pending.extend(self._submit(more, priority, cancelled))
                del more
                if not pending:
                    return
                yield _first_of(pending, cancelled)
        finally:
            for _, future in pending:
                future.cancel()

    def _submit(
        self,
        clips: list[tuple[int, Samples]],
        priority: Priority,
        cancelled: Callable[[], bool],
    ) -> list[tuple[int, Future[FrameOutput]]]:
        futures = self._batcher.submit_all([clip for _, clip in clips], priority, cancelled)
        return [(place, future) for (place, _), future in zip(clips, futures, strict=True)]

    def close(self) -> None:
        """Ends the worker; the engine cannot be used afterwards."""
        self._batcher.close()

    def _output(self, features: torch.Tensor, rows: torch.Tensor) -> FrameOutput:
        # (T, D) and (T, tokens), on the host
        if not bool(torch.isfinite(rows).all()):
            reason = f"the network overflowed in {self.placement.precision}; try --precision fp32"
            raise ModelError(reason=reason)
        logits = np.full((len(rows), len(LABELS)), -np.inf, np.float32)
        logits[:, self._columns] = rows[:, self._rows].numpy()
        # Copied out of what other outputs share.
        return FrameOutput(features.to(torch.float32, copy=True).numpy(), logits)


def _is_out_of_memory(error: Exception) -> bool:
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or any(words in str(error) for words in _NO_MEMORY)


def total_s(clips: Sequence[Samples]) -> float:
    """Cost of a batch without padding: the seconds of all clips."""
    return sum(clip.size for clip in clips) / SAMPLE_RATE_HZ


def padded_s(clips: Sequence[Samples]) -> float:
    """Cost of a padded batch: the longest clip's seconds for each clip."""
    return len(clips) * max(clip.size for clip in clips) / SAMPLE_RATE_HZ


def to_tensor(samples: Samples) -> torch.Tensor:
    """A copy of the samples as a tensor: (samples,), float32."""
    return torch.from_numpy(np.array(samples, np.float32))


def in_thread(load: Callable[[], Loaded]) -> Loaded:
    """Loads an engine in a thread that ends.

    GNU OpenMP keeps workers for each thread that has computed until that thread ends. With more
    workers than cores, all of them sleep between two steps instead of waiting, and a pass of a
    small network takes two to three times as long.
    """
    found: Future[Loaded] = Future()

    def run() -> None:
        try:
            found.set_result(load())
        except BaseException as e:
            found.set_exception(e)

    thread = threading.Thread(target=run, name="engine-loader", daemon=True)
    thread.start()
    wait([found])  # which Ctrl-C may end
    thread.join()
    return found.result()


def _called(
    infer: Callable[[], Callable[[list[Samples]], list[FrameOutput]] | None],
    clips: list[Samples],
    stats: PassStats,
) -> list[FrameOutput]:
    method = infer()
    if method is None:  # the caller is gone
        raise CancelledError()
    # ALiBi gives distant frames weights below 1e-38, which a CPU multiplies slowly. They count as
    # zero in this thread, the worker, and in those that it starts for its passes.
    torch.set_flush_denormal(True)
    began_s = time.perf_counter()
    try:
        outputs = method(clips)
    except Exception:
        stats.failed()
        raise
    ended_s = time.perf_counter()
    stats.passed([clip.size / SAMPLE_RATE_HZ for clip in clips], ended_s - began_s)
    return [replace(output, began_s=began_s, ended_s=ended_s) for output in outputs]


def _first_of(
    pending: deque[tuple[int, Future[FrameOutput]]], cancelled: Callable[[], bool]
) -> tuple[int, FrameOutput]:
    # A function of its own, so that nothing holds an output while its receiver works on it.
    place, future = pending.popleft()
    return place, _result(future, cancelled)


def _result(future: Future[FrameOutput], cancelled: Callable[[], bool]) -> FrameOutput:
    while not future.done():
        wait([future], _BEAT_S)
        if cancelled():
            future.cancel()
            raise CancelledError()  # a pass under way ends by itself; nobody waits for it
    try:
        return future.result()
    except concurrent.futures.CancelledError:
        raise CancelledError() from None
