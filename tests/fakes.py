"""Stand-ins for slow parts: an engine without a network, a model service without loading."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from emotion.audio import SampleBuffer
from emotion.core.config import Config, EngineConfig
from emotion.core.errors import CancelledError, EmotionError, ModelMissingError
from emotion.core.labels import LABELS
from emotion.core.registry import DEFAULT, EMBEDDED
from emotion.inference.device import Placement
from emotion.inference.engine_base import EngineBase, FrameOutput, total_s
from emotion.models.store import known
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.opening import Status
from emotion.services.model_service import Snapshot

CPU = Config(engine=EngineConfig(device="cpu"))


def named(model: str | Path) -> Config:
    """The configuration for a model, by name or folder, on the CPU."""
    return replace(CPU, engine=replace(CPU.engine, model=str(model)))


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
        super().__init__(
            placement, LABELS, [(1, 400, 320)], embedding_dim=4, cost=total_s, batch_s=24.0
        )

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


class FakeDetector:
    """Hears speech in each 32 ms whose peak is above 0.01; the louder, the more likely."""

    def blocks(self, samples: SampleBuffer, start: int) -> Iterator[NDArray[np.float32]]:
        """One block with all frames."""
        sound = np.abs(samples.read(start))
        padded = np.concatenate([sound, np.zeros(-sound.size % 512, np.float32)])
        peaks = padded.reshape(-1, 512).max(1)
        yield np.where(peaks > 0.01, 0.5 + peaks / 2, peaks).clip(0, 1).astype(np.float32)


class FakeService:
    """A model service in whatever state a test wants.

    Args:
        model: What answers; None while nothing can.
        status: Where loading stands.
    """

    def __init__(self, model: LoadedModel | None, status: Status | None = None) -> None:
        self.current = model
        self.status = status or Status(
            phase="ready", revision=1, model=model.info.title if model else ""
        )
        self.error: EmotionError | None = None
        self.retries = 0
        self.switched: list[str] = []
        self.refusal: EmotionError | None = None

    @property
    def snapshot(self) -> Snapshot:
        """Both at once."""
        return Snapshot(self.status, self.current)

    def start(self) -> None:
        """Nothing to load."""

    def stop(self) -> None:
        """Nothing to end."""

    def retry(self) -> None:
        """Counts, or refuses."""
        if self.refusal is not None:
            raise self.refusal
        self.retries += 1
        self.status = replace(self.status, phase="starting", revision=self.status.revision + 1)

    def switch(self, name: str) -> None:
        """Notes the name, or refuses."""
        if self.refusal is not None:
            raise self.refusal
        self.switched.append(known(name).name)

    def model(
        self,
        cancelled: Callable[[], bool] = lambda: False,
        on_wait: Callable[[Status], None] = lambda status: None,
    ) -> LoadedModel:
        """The model, or the error."""
        if self.error is not None:
            raise self.error
        assert self.current is not None
        return self.current


class FakeHub:
    """Stands for `models.store` and `models.download`: where models are, and how one is fetched."""

    def __init__(self, tiny: Path) -> None:
        self.tiny = tiny
        self.embedded: Path | None = tiny
        self.local: Path | None = None
        self.reached = threading.Event()
        self.go = threading.Event()
        self.error: Exception | None = None

    def locate(self, name: str, models_dir: Path) -> Path | None:
        if name == DEFAULT:
            return self.local
        if name == EMBEDDED:
            return self.embedded
        return self.tiny if Path(name).is_dir() else None

    def fetch(self, name: str, config: object, progress: Any = None, cancelled: Any = None) -> Path:
        if name == EMBEDDED:
            raise ModelMissingError(name=name, folder="x", reason="gone")
        progress(5, 10)
        self.reached.set()
        while not self.go.wait(0.01):
            if cancelled():
                raise CancelledError()
        if self.error is not None:
            raise self.error
        return self.tiny
