"""Stand-ins for slow parts: an engine without a network, a model service without loading."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from emotion.device import Placement
from emotion.engine_base import EngineBase, FrameOutput, total_s
from emotion.errors import EmotionError
from emotion.labels import LABELS


class FakeEngine(EngineBase):
    """Gives logits and features that depend on the samples, in no time.

    Attributes:
        gate: A pass waits for it, so that a test can hold a run in the middle; open at first.
        entered: Set when a pass begins.
        calls: Length of each stretch given, in samples.
    """

    name = "native"

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.calls: list[int] = []
        placement = Placement(torch.device("cpu"), "fp32", "fake")
        super().__init__(placement, LABELS, [(1, 400, 320)], cost=total_s, batch_s=24.0)

    @property
    def memory(self) -> str:
        """Always the same."""
        return "CPU, RAM: 0.1GB"

    def _infer_batch(self, clips: list[NDArray[np.float32]]) -> list[FrameOutput]:
        self.entered.set()
        self.gate.wait(30)
        return [self._infer_clip(clip) for clip in clips]

    def _infer_clip(self, samples: NDArray[np.float32]) -> FrameOutput:
        # A row every 20 ms whose happy logit is the frame's loudness.
        self.calls.append(samples.size)
        frames = self.num_frames(samples.size)
        rows = np.lib.stride_tricks.sliding_window_view(samples, 400)[::320][:frames]
        loudness = np.sqrt(np.square(rows).mean(1))
        logits = np.tile(np.linspace(0, 1, len(LABELS), dtype=np.float32), (frames, 1))
        logits[:, LABELS.index("happy")] += 10 * loudness
        features = np.stack([loudness, loudness**2, np.ones(frames), -loudness], 1)
        return FrameOutput(features.astype(np.float32), logits)
