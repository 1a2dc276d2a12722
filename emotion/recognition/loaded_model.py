"""A model that is ready to answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.audio.vad import SileroDetector, SpeechDetector
from emotion.core.config import AudioConfig, SegmentationConfig
from emotion.core.results import ModelInfo

if TYPE_CHECKING:
    from emotion.inference.engine_base import EngineBase


class LoadedModel:
    """An engine and what belongs to it; safe to use from several threads.

    Args:
        engine: The network on its device.
        name: Name of the model in `emotion.core.registry`, or of its folder.
        title: Name for people.
        audio: What is accepted as a recording.
        segmentation: How a long recording is split.
        fallback_reason: Why this is not the model or the engine of the default.
        example: The checkpoint's own folder of example clips, or a clip.
        detector: Finds speech.

    Attributes:
        info: What results say of the model.
    """

    def __init__(
        self,
        engine: EngineBase,
        *,
        name: str,
        title: str,
        audio: AudioConfig | None = None,
        segmentation: SegmentationConfig | None = None,
        fallback_reason: str | None = None,
        example: Path | None = None,
        detector: SpeechDetector | None = None,
    ) -> None:
        self.engine = engine
        self.example = example
        self.detector: SpeechDetector = detector or SileroDetector()
        self.audio = audio or AudioConfig()
        self.segmentation = segmentation or SegmentationConfig()
        self.info = ModelInfo(
            name=name,
            title=title,
            device=str(engine.placement.device),
            precision=engine.placement.precision,
            fallback_reason=fallback_reason,
            engine=engine.name,
        )

    def set_fallback_reason(self, reason: str | None) -> None:
        """Changes why later results do not come from the default model."""
        self.info = replace(self.info, fallback_reason=reason)
