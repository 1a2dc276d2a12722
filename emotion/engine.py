"""Waveforms to frame features and frame logits: the network on its device, warmed up."""

from __future__ import annotations

import concurrent.futures
import logging
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal
from weakref import WeakMethod, finalize

import numpy as np
import torch
from numpy.typing import NDArray

from emotion.batching import MicroBatcher
from emotion.checkpoint import Checkpoint, load_checkpoint, read_config, read_tokens
from emotion.config import SAMPLE_RATE_HZ, Precision
from emotion.converted import Converted
from emotion.cuda_graphs import Outputs, RecordedPasses
from emotion.device import Placement, memory_text, place
from emotion.errors import CancelledError, CheckpointError, ModelError
from emotion.labels import LABELS
from emotion.model import Emotion2vec

logger = logging.getLogger(__name__)

# Seconds of audio in one batch: enough to keep the cores busy, short enough for those who wait.
CPU_BATCH_S = {"fp32": 24.0, "bf16": 30.0}
CUDA_BATCH_S = 240.0  # with the padding
WIDE = 512  # the embedding of the base network has 768; the embedded one's 192 gain nothing
PINNED_BYTES = 64 * 2**20
_AT_ONCE = 128  # clips of one caller that wait; the queue has room for others' beside them
_BEAT_S = 0.1
_PAGE_ITEMS = 1024  # of float32 in the smallest page of memory

Samples = NDArray[np.float32]
Phase = Literal["reading", "building", "warming"]
PhaseHook = Callable[[Phase], None]


@dataclass(frozen=True)
class FrameOutput:
    """What the network says of one stretch of audio.

    Attributes:
        features: float32, (T, D), one row every 20 ms.
        logits: float32, (T, 9), in the order of `emotion.labels.LABELS`; minus infinity where
            the checkpoint has no such label. Their mean over T is the utterance's logits.
    """

    features: NDArray[np.float32]
    logits: NDArray[np.float32]


class Engine:
    """A network on its device; safe to call from several threads.

    Args:
        checkpoint: Loaded in the placement's precision; nobody else may use it afterwards.
        placement: Device and number format.

    Raises:
        CheckpointError: The network is not one of 50 frames a second, or of another precision.
    """

    def __init__(self, checkpoint: Checkpoint, placement: Placement) -> None:
        self.placement = placement
        self.config = checkpoint.model.config
        if self.config.hop_samples * 50 != SAMPLE_RATE_HZ:
            raise CheckpointError(
                folder=checkpoint.folder,
                reason=f"hop is {self.config.hop_samples} samples, but must be 320",
            )
        if checkpoint.model.project.weight.dtype != placement.dtype:
            reason = f"it was loaded in another precision than {placement.precision}"
            raise CheckpointError(folder=checkpoint.folder, reason=reason)
        self._model = checkpoint.model
        for parameter in self._model.parameters():  # Module.to imports what only tracing needs
            parameter.data = parameter.data.to(placement.device)
        self._model.freeze()
        # Row of the head for each of the nine labels.
        rows = {token: i for i, token in enumerate(checkpoint.tokens) if token is not None}
        self._columns = [LABELS.index(label) for label in rows]
        self._rows = list(rows.values())
        self._depth: int | None = None
        cuda = placement.device.type == "cuda"
        self._mapped = None if cuda else checkpoint.mapped  # until the second pass
        self._passes = 0
        self._recorded: RecordedPasses | None = None
        if cuda:
            work = partial(run_pass, self._model)
            self._recorded = RecordedPasses(work, self.config, placement.device)
        # The worker must not keep an engine alive that nobody has any more, nor stay without it.
        infer = WeakMethod(self._infer_padded if cuda else self._infer_packed)
        self._batcher: MicroBatcher[Samples, FrameOutput] = MicroBatcher(
            lambda clips: _called(infer, clips),
            cost=_padded_s if cuda else _packed_s,
            most=CUDA_BATCH_S if cuda else CPU_BATCH_S[placement.precision],
        )
        finalize(self, self._batcher.close, wait=False)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        on_phase: PhaseHook = lambda phase: None,
        converted: Converted | None = None,
    ) -> Engine:
        """Loads a folder in FunASR's layout and warms it up.

        Args:
            folder: The checkpoint.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
            on_phase: Told each phase as it begins.
            converted: The folder's, where it was opened already.

        Raises:
            CheckpointError: The folder cannot be used.
            DeviceError: The device or precision is not available.
            ModelError: It does not fit into memory, or the device failed.
        """
        return _in_thread(lambda: cls._load(folder, device, precision, on_phase, converted))

    @classmethod
    def _load(
        cls,
        folder: Path,
        device: str,
        precision: Precision,
        on_phase: PhaseHook,
        converted: Converted | None,
    ) -> Engine:
        config = read_config(folder, num_tokens=len(read_tokens(folder)))
        placement = place(device, precision, narrow=config.embed_dim < WIDE)
        logger.info("device: %s", placement.reason)
        try:
            on_phase("reading")
            checkpoint = load_checkpoint(folder, placement.precision, converted=converted)
            on_phase("building")
            engine = cls(checkpoint, placement)
            on_phase("warming")
            engine._warm_up()
        except (RuntimeError, MemoryError, OSError) as e:  # no memory on the card, say
            reason = f"{folder.name} cannot be loaded on {placement.device}: {e}"
            raise ModelError(reason=reason) from e
        return engine

    @property
    def minimum_samples(self) -> int:
        """The shortest input, the receptive field of one frame."""
        return self.config.receptive_field_samples

    @property
    def memory(self) -> str:
        """Memory in use, for people."""
        return memory_text(self.placement.device)

    def infer(self, samples: Samples, cancelled: Callable[[], bool] = lambda: False) -> FrameOutput:
        """Runs the network over one stretch of audio, together with what others ask meanwhile.

        Args:
            samples: float32, (samples,), 16 kHz, at least ``minimum_samples``.
            cancelled: Asked while waiting; true withdraws the request.

        Raises:
            ModelError: The network gave values that are not finite.
            BusyError: Too many requests wait.
            CancelledError: ``cancelled`` said so, or the engine was closed meanwhile.
        """
        future = self._batcher.submit(samples)
        while not future.done():
            wait([future], _BEAT_S)
            if cancelled():
                future.cancel()
        return _result(future)

    def infer_many(self, clips: Sequence[Samples]) -> Iterator[tuple[int, FrameOutput]]:
        """`infer` for many clips, which may share batches.

        Whoever leaves the loop withdraws what still waits.

        Args:
            clips: Each float32, (samples,), 16 kHz.

        Yields:
            Each clip's place in ``clips`` and its output, which the engine then forgets: not in
            the order of ``clips``, but as soon as they are there.

        Raises:
            ModelError: The network gave values that are not finite.
            BusyError: Too many requests wait; told when the first output of 128 is asked for.
            CancelledError: The engine was closed meanwhile.
        """
        # Alike lengths side by side, so that a padded batch holds little padding.
        order = sorted(range(len(clips)), key=lambda i: clips[i].size)
        for first in range(0, len(order), _AT_ONCE):
            part = order[first : first + _AT_ONCE]
            futures = deque(self._batcher.submit_all([clips[i] for i in part]))
            try:
                for i in part:
                    yield i, _result(futures.popleft())
            finally:
                for future in futures:
                    future.cancel()

    def close(self) -> None:
        """Ends the worker; the engine cannot be used afterwards."""
        self._batcher.close()

    def _warm_up(self) -> None:
        # By way of the worker, whose threads and buffers are its own. All blocks are alike: one
        # makes the first call to each kernel, and the weights of the others need only be there.
        self._depth = 1
        self.infer(np.zeros(self.minimum_samples, np.float32))
        self._depth = None
        if self.placement.device.type == "cpu":
            for weights in self._model.parameters():
                # Whatever the layout: to reshape one by columns would copy it.
                weights.as_strided((-(-weights.numel() // _PAGE_ITEMS),), (_PAGE_ITEMS,)).sum()

    @torch.inference_mode()
    def _infer_packed(self, clips: list[Samples]) -> list[FrameOutput]:
        if self._depth is None:
            self._passes += 1
            if self._passes == 2:  # whoever has one clip, or waits for the first, shall not wait
                self._pack()
        parts = self._model.forward_packed([_tensor(clip) for clip in clips], self._depth)
        return [self._output(x, self._model.head(x.float())) for x in parts]

    def _pack(self) -> None:
        try:
            for weights in self._model.pack():
                if self._mapped is not None:
                    self._mapped.release(weights)
        except (RuntimeError, MemoryError) as e:  # the layers that are left do without
            logger.warning("the layers are not packed, and slower: %s", e)
        self._mapped = None

    @torch.inference_mode()
    def _infer_padded(self, clips: list[Samples]) -> list[FrameOutput]:
        sizes = [clip.size for clip in clips]
        batch = self._host_tensor((len(clips), max(sizes)), torch.float32).zero_()
        for row, clip in zip(batch, clips, strict=True):
            row[: clip.size] = _tensor(clip)
        features, rows = self._to_host(*self._run_padded(batch, sizes))  # (B, T, D), (B, T, tokens)
        counts = [self.config.num_frames(size) for size in sizes]
        return [
            self._output(x[:count], row[:count])
            for x, row, count in zip(features, rows, counts, strict=True)
        ]

    def _run_padded(self, batch: torch.Tensor, sizes: list[int]) -> Outputs:
        if self._recorded is not None and len(sizes) == 1:
            found = self._recorded.run(batch[0])
            if found is not None:
                return found
        device = self.placement.device
        try:
            lengths = None if len(set(sizes)) == 1 else torch.tensor(sizes, device=device)
            return run_pass(self._model, batch.to(device, non_blocking=True), lengths)
        except torch.OutOfMemoryError as e:
            if self._recorded is None or not self._recorded.usable:
                raise
            self._recorded.drop(e)  # the memory of recordings may be what is missing
            return self._run_padded(batch, sizes)

    def _host_tensor(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        # In memory that a GPU reads and writes by itself, but for sizes that torch would keep.
        pinned = math.prod(shape) * dtype.itemsize <= PINNED_BYTES
        cuda = self.placement.device.type == "cuda"
        return torch.empty(shape, dtype=dtype, pin_memory=cuda and pinned)

    def _to_host(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        hosts = [self._host_tensor(tensor.shape, tensor.dtype) for tensor in tensors]
        for host, tensor in zip(hosts, tensors, strict=True):
            host.copy_(tensor, non_blocking=True)
        if self.placement.device.type == "cuda":
            torch.cuda.current_stream(self.placement.device).synchronize()
        return hosts

    def _output(self, features: torch.Tensor, rows: torch.Tensor) -> FrameOutput:
        # (T, D) and (T, tokens), on the host
        if not bool(torch.isfinite(rows).all()):
            reason = f"the network overflowed in {self.placement.precision}; try --precision fp32"
            raise ModelError(reason=reason)
        logits = np.full((len(rows), len(LABELS)), -np.inf, np.float32)
        logits[:, self._columns] = rows[:, self._rows].numpy()
        # Copied out of what other outputs share.
        return FrameOutput(features.to(torch.float32, copy=True).numpy(), logits)


def run_pass(model: Emotion2vec, waveforms: torch.Tensor, lengths: torch.Tensor | None) -> Outputs:
    """Features (B, T, D) in the network's number format, and the head's rows (B, T, tokens)."""
    features = model(waveforms, lengths)
    return features, model.head(features.float())


def _packed_s(clips: Sequence[Samples]) -> float:
    return sum(clip.size for clip in clips) / SAMPLE_RATE_HZ


def _padded_s(clips: Sequence[Samples]) -> float:
    return len(clips) * max(clip.size for clip in clips) / SAMPLE_RATE_HZ


def _called(
    infer: Callable[[], Callable[[list[Samples]], list[FrameOutput]] | None], clips: list[Samples]
) -> list[FrameOutput]:
    method = infer()
    if method is None:  # whoever asked did not wait
        raise CancelledError()
    # ALiBi gives frames far apart weights below 1e-38, which a CPU multiplies slowly: they count
    # as zero in this thread, the worker, and in those that it starts for its passes.
    torch.set_flush_denormal(True)
    return method(clips)


def _result(future: Future[FrameOutput]) -> FrameOutput:
    try:
        return future.result()
    except concurrent.futures.CancelledError:
        raise CancelledError() from None


def _in_thread(work: Callable[[], Engine]) -> Engine:
    # GNU OpenMP keeps workers for each thread that has computed, until it ends; and with more of
    # them than cores all go to sleep between two steps instead of waiting: a pass of a small
    # network then takes two to three times as long.
    found: Future[Engine] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except BaseException as e:
            found.set_exception(e)

    thread = threading.Thread(target=run, name="engine-loader", daemon=True)
    thread.start()
    wait([found])  # which Ctrl-C may end
    thread.join()
    return found.result()


def _tensor(samples: Samples) -> torch.Tensor:
    return torch.from_numpy(np.array(samples, np.float32))
