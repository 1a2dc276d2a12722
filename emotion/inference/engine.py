"""The native engine: this package's own network, warmed up on its device."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from emotion.core.config import Precision
from emotion.core.errors import CheckpointError, ModelError
from emotion.inference.device import Placement, place
from emotion.inference.engine_base import (
    EngineBase,
    FrameOutput,
    PhaseHook,
    Samples,
    in_thread,
    padded_s,
    to_tensor,
    total_s,
)
from emotion.models.checkpoint import (
    Checkpoint,
    check_frame_rate,
    load_checkpoint,
    read_config,
    read_tokens,
)

logger = logging.getLogger(__name__)

# Seconds of audio in one batch: enough to keep the cores busy, short enough for those who wait.
CPU_BATCH_S = {"fp32": 24.0, "bf16": 30.0}
CUDA_BATCH_S = 240.0  # with the padding
WIDE = 512  # the embedding of the base network has 768; the embedded one's 192 gain nothing
PINNED_BYTES = 64 * 2**20
_PAGE_ITEMS = 1024  # of float32 in the smallest page of memory


class Engine(EngineBase):
    """Emotion2Vec by this package's own network.

    Args:
        checkpoint: Loaded in the placement's precision; nobody else may use it afterwards.
        placement: Device and number format.

    Raises:
        CheckpointError: The network is not one of 50 frames a second, or of another precision.
    """

    name = "native"

    def __init__(self, checkpoint: Checkpoint, placement: Placement) -> None:
        self.config = checkpoint.model.config
        check_frame_rate(self.config.feature_encoder, checkpoint.folder)
        if checkpoint.model.project.weight.dtype != placement.dtype:
            reason = f"it was loaded in another precision than {placement.precision}"
            raise CheckpointError(folder=checkpoint.folder, reason=reason)
        self._model = checkpoint.model.to(placement.device)
        self._model.freeze()
        self._depth: int | None = None  # blocks to run; all by default
        self._cuda = placement.device.type == "cuda"
        super().__init__(
            placement,
            checkpoint.tokens,
            self.config.feature_encoder,
            embedding_dim=self.config.embed_dim,
            cost=padded_s if self._cuda else total_s,
            batch_s=CUDA_BATCH_S if self._cuda else CPU_BATCH_S[placement.precision],
        )

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        on_phase: PhaseHook = lambda phase: None,
    ) -> Engine:
        """Loads a folder in FunASR's layout and warms it up.

        Args:
            folder: The checkpoint.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
            on_phase: Told each phase as it begins.

        Raises:
            CheckpointError: The folder cannot be used.
            DeviceError: The device or precision is not available.
            ModelError: It does not fit into memory, or the device failed.
        """
        return in_thread(lambda: cls._load(folder, device, precision, on_phase))

    @classmethod
    def _load(cls, folder: Path, device: str, precision: Precision, on_phase: PhaseHook) -> Engine:
        config = read_config(folder, num_tokens=len(read_tokens(folder)))
        placement = place(device, precision, narrow=config.embed_dim < WIDE)
        logger.info("device: %s", placement.reason)
        try:
            on_phase("reading")
            checkpoint = load_checkpoint(folder, placement.precision)
            on_phase("building")
            engine = cls(checkpoint, placement)
            on_phase("warming")
            engine._warm_up()
        except (RuntimeError, MemoryError, OSError) as e:  # no memory on the card, say
            reason = f"{folder.name} cannot be loaded on {placement.device}: {e}"
            raise ModelError(reason=reason) from e
        return engine

    def _warm_up(self) -> None:
        # By way of the worker, whose threads and buffers are its own. All blocks are alike: one
        # makes the first call to each kernel, and the weights of the others need only be there.
        self._depth = 1
        self.infer(np.zeros(self.minimum_samples, np.float32))
        self._depth = None
        if not self._cuda:
            for weights in self._model.parameters():
                # Reads one value a page, so that none is read from the disk later.
                weights.as_strided((-(-weights.numel() // _PAGE_ITEMS),), (_PAGE_ITEMS,)).sum()

    @torch.inference_mode()
    def _infer_batch(self, clips: list[Samples]) -> list[FrameOutput]:
        return self._infer_padded(clips) if self._cuda else self._infer_packed(clips)

    def _infer_packed(self, clips: list[Samples]) -> list[FrameOutput]:
        parts = self._model.forward_packed([to_tensor(clip) for clip in clips], self._depth)
        return [self._output(x, self._model.head(x.float())) for x in parts]

    def _infer_padded(self, clips: list[Samples]) -> list[FrameOutput]:
        sizes = [clip.size for clip in clips]
        device = self.placement.device
        batch = self._host_tensor((len(clips), max(sizes)), torch.float32).zero_()
        for row, clip in zip(batch, clips, strict=True):
            row[: clip.size] = to_tensor(clip)
        lengths = None if len(set(sizes)) == 1 else torch.tensor(sizes, device=device)
        features = self._model(batch.to(device, non_blocking=True), lengths)  # (B, T, D)
        rows = self._model.head(features.float())  # (B, T, tokens)
        counts = [self.num_frames(size) for size in sizes]
        return [
            self._output(x[:count], row[:count])
            for x, row, count in zip(*self._to_host(features, rows), counts, strict=True)
        ]

    def _host_tensor(self, shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
        # In memory that a GPU reads and writes by itself, but for sizes that torch would keep.
        pinned = math.prod(shape) * dtype.itemsize <= PINNED_BYTES
        return torch.empty(shape, dtype=dtype, pin_memory=self._cuda and pinned)

    def _to_host(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        hosts = [self._host_tensor(tensor.shape, tensor.dtype) for tensor in tensors]
        for host, tensor in zip(hosts, tensors, strict=True):
            host.copy_(tensor, non_blocking=True)
        if self._cuda:
            torch.cuda.current_stream(self.placement.device).synchronize()
        return hosts
