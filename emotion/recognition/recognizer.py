"""One recording to one `Result`: decode, cut, infer, assemble."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from emotion.audio import Recording, Samples, count_channels, decode
from emotion.core.config import (
    SAMPLE_RATE_HZ,
    AudioConfig,
    Config,
    Precision,
    SegmentationConfig,
    check_granularity,
    given,
)
from emotion.core.errors import CancelledError
from emotion.core.labels import LABELS
from emotion.core.results import (
    SECONDARY_THRESHOLD,
    FrameCurve,
    ModelInfo,
    Notice,
    Result,
    Segment,
    Timing,
)

if TYPE_CHECKING:
    from emotion.inference.engine_base import EngineBase

STEP_S = 0.1
STEP_SAMPLES = 1600
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Recognition:
    """A result with its arrays.

    Attributes:
        result: What ``result.json`` holds.
        samples: float32, (samples,), 16 kHz mono, what the network heard.
        embedding: float32, (D,), mean of the frame features; None unless asked for.
        frame_embeddings: float32, (T, D), with frame granularity; None unless asked for.
    """

    result: Result
    samples: Samples
    embedding: NDArray[np.float32] | None = None
    frame_embeddings: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Hooks:
    """How a caller follows and stops a recognition.

    Attributes:
        progress: Told (windows done, windows in all).
        cancelled: Asked often; True stops the work with `CancelledError`.
    """

    progress: Callable[[int, int], None] = lambda done, total: None
    cancelled: Callable[[], bool] = lambda: False

    def check(self) -> None:
        """Raises `CancelledError` if the caller withdrew."""
        if self.cancelled():
            raise CancelledError()


class Recognizer:
    """A loaded model that recognises recordings; safe to call from several threads.

    Args:
        engine: The network.
        name: The model's name in results.
        title: Its name for people.
        audio: What is accepted as a recording.
        segmentation: How a long recording is cut.
        fallback_reason: Why this is not the model of the default.
        example: Folder of clips that came with the checkpoint; need not exist.
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
    ) -> None:
        self.engine = engine
        self.example = example
        self.audio = audio or AudioConfig()
        self.segmentation = segmentation or SegmentationConfig()
        self.model = ModelInfo(
            name=name,
            title=title,
            device=str(engine.placement.device),
            precision=engine.placement.precision,
            fallback_reason=fallback_reason,
            engine=engine.name,
        )

    @classmethod
    def load(
        cls,
        model: str | None = None,
        *,
        device: str | None = None,
        precision: Precision | None = None,
        offline: bool | None = None,
    ) -> Recognizer:
        """Loads a model, downloading it first where it is not on this machine.

        What is not given is taken from ``EMOTION_*`` variables, else it is ``auto``.

        Args:
            model: ``auto`` (Emotion2Vec+ Large, else the embedded model, with a warning in the
                log and in every result), a name of `emotion.core.registry`, or a folder.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
            offline: Never use the network.

        Raises:
            ModelError: The model cannot be had or loaded.
            ConfigError: An option has a value it cannot have.
        """
        from emotion.recognition.opening import open_model  # which itself builds a Recognizer

        config = Config.from_env()
        options = given(model=model, device=device, precision=precision, offline=offline)
        return open_model(replace(config, engine=replace(config.engine, **options)))

    def set_fallback_reason(self, reason: str | None) -> None:
        """Changes why later results do not come from the model of the default."""
        self.model = replace(self.model, fallback_reason=reason)

    def recognize(
        self,
        path: str | Path,
        *,
        granularity: str = "utterance",
        embedding: bool = False,
        track: int | None = None,
        channel: int | None = None,
        hooks: Hooks | None = None,
    ) -> Recognition:
        """Recognises one file.

        Args:
            path: Any file that FFmpeg reads.
            granularity: ``utterance``, or ``frame`` for scores every 0.1 s too.
            embedding: Whether to return the embedding.
            track: Audio track, from 1; the first one with sound by default.
            channel: Channel, from 1; the mean of all by default.
            hooks: Progress and cancellation.

        Raises:
            AudioError: The recording cannot be used.
            DecoderError: FFmpeg is missing or too slow.
            ConfigError: No such granularity, or a track or channel below 1.
            CancelledError: The caller withdrew.
        """
        check_granularity(granularity)
        hooks = hooks or Hooks()
        recording = self.decode(path, track=track, channel=channel, hooks=hooks)
        return self.analyse(recording, granularity=granularity, embedding=embedding, hooks=hooks)

    def decode(
        self,
        path: str | Path,
        *,
        track: int | None = None,
        channel: int | None = None,
        hooks: Hooks | None = None,
    ) -> Recording:
        """The first half of `recognize`: the file as 16 kHz mono samples."""
        hooks = hooks or Hooks()
        return decode(
            Path(path),
            self.audio,
            track=track,
            channel=channel,
            minimum_samples=self.engine.minimum_samples,
            cancelled=hooks.cancelled,
        )

    def count_channels(
        self, path: str | Path, *, track: int | None = None, hooks: Hooks | None = None
    ) -> int:
        """Channels of the track that `recognize` would use; arguments and errors as there."""
        hooks = hooks or Hooks()
        source = Path(path)
        return count_channels(source, self.audio, track=track, cancelled=hooks.cancelled)

    def analyse(
        self,
        recording: Recording,
        *,
        granularity: str = "utterance",
        embedding: bool = False,
        hooks: Hooks | None = None,
    ) -> Recognition:
        """The second half of `recognize`: samples to scores; arguments and errors as there."""
        check_granularity(granularity)
        hooks = hooks or Hooks()
        model = self.model
        started = time.perf_counter()
        spans = windows(recording.samples.size, self.segmentation.max_window_s)
        keep_frames = embedding and granularity == "frame"
        logits, features = [], []
        feature_sum = np.zeros(1)  # (D,) after the first window
        for done, (start, stop) in enumerate(spans):
            hooks.check()
            hooks.progress(done, len(spans))
            output = self.engine.infer(recording.samples[start:stop], hooks.cancelled)
            logits.append(output.logits)
            feature_sum = feature_sum + output.features.sum(0, dtype=np.float64)
            if keep_frames:
                features.append(output.features)
        hooks.progress(len(spans), len(spans))
        inference_s = time.perf_counter() - started
        scores = softmax(np.concatenate(logits).mean(0, dtype=np.float64))
        emotion, confidence, table = _verdict(scores)
        result = Result(
            emotion=emotion,
            confidence=confidence,
            scores=table,
            granularity=granularity,
            timestamp=datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
            secondary=_secondary(scores),
            audio=recording.info,
            model=model,
            timing=Timing(
                decode_s=round(recording.decode_s, 4),
                inference_s=round(inference_s, 4),
                total_s=round(recording.decode_s + time.perf_counter() - started, 4),
            ),
            warnings=recording.notices + _window_notice(recording, spans),
            frames=_curve(logits, spans) if granularity == "frame" else None,
            segments=tuple(_segments(logits, spans)) if len(spans) > 1 else (),
        )
        frames = sum(len(part) for part in logits)
        return Recognition(
            result,
            recording.samples,
            embedding=(feature_sum / frames).astype(np.float32) if embedding else None,
            frame_embeddings=np.concatenate(features) if keep_frames else None,
        )


def windows(samples: int, max_window_s: float) -> list[tuple[int, int]]:
    """Cuts a recording into equal windows that meet on whole 0.1 s steps.

    Args:
        samples: Its length at 16 kHz.
        max_window_s: The longest window.

    Returns:
        (start, stop) in samples, without gaps or overlaps.
    """
    steps = math.ceil(samples / STEP_SAMPLES)
    count = math.ceil(steps / int(max_window_s / STEP_S + 1e-6))
    cuts = [round(i * steps / count) * STEP_SAMPLES for i in range(count)] + [samples]
    return list(pairwise(cuts))


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Softmax over the last axis in float64; minus infinity becomes 0."""
    shifted = logits.astype(np.float64) - logits.max(-1, keepdims=True)
    exponents = np.exp(shifted)
    return np.asarray(exponents / exponents.sum(-1, keepdims=True))


def _round(value: float) -> float:
    return float(f"{value:.7g}")


def _verdict(scores: NDArray[np.float64]) -> tuple[str, float, dict[str, float]]:
    """(emotion, confidence, score of each label)."""
    table = {label: _round(s) for label, s in zip(LABELS, scores, strict=True)}
    emotion = LABELS[int(scores.argmax())]
    return emotion, table[emotion], table


def _secondary(scores: NDArray[np.float64]) -> dict[str, float]:
    order = np.argsort(-scores, kind="stable")[1:]
    return {LABELS[i]: _round(scores[i]) for i in order if scores[i] > SECONDARY_THRESHOLD}


def _window_notice(recording: Recording, spans: list[tuple[int, int]]) -> tuple[Notice, ...]:
    if len(spans) == 1:
        return ()
    longest_s = max(stop - start for start, stop in spans) / SAMPLE_RATE_HZ
    text = (
        f"The recording of {recording.duration_s:.1f} s was analysed whole, in {len(spans)} "
        f"windows of at most {longest_s:.1f} s, and combined by the mean of their logits."
    )
    params: dict[str, float | str] = {
        "duration_s": round(recording.duration_s, 2),
        "windows": len(spans),
        "window_s": round(longest_s, 2),
    }
    return (Notice("windowed", text, params),)


def _segments(logits: list[Logits], spans: list[tuple[int, int]]) -> Iterator[Segment]:
    for part, (start, stop) in zip(logits, spans, strict=True):
        verdict = _verdict(softmax(part.mean(0, dtype=np.float64)))
        yield Segment(start / SAMPLE_RATE_HZ, stop / SAMPLE_RATE_HZ, *verdict)


def _curve(logits: list[Logits], spans: list[tuple[int, int]]) -> FrameCurve:
    per_step = STEP_SAMPLES // 320
    weights: list[int] = []
    pooled: list[NDArray[np.float64]] = []
    for part, (start, _) in zip(logits, spans, strict=True):
        missing = start // STEP_SAMPLES - len(weights)  # a window's last step may hold no frame
        for _ in range(missing):
            weights.append(0)
            pooled.append(pooled[-1])
        for first in range(0, len(part), per_step):
            step = part[first : first + per_step]
            weights.append(len(step))
            pooled.append(step.mean(0, dtype=np.float64))
    scores = softmax(np.stack(pooled))
    columns = {label: [_round(s) for s in scores[:, i]] for i, label in enumerate(LABELS)}
    return FrameCurve(step_s=STEP_S, weights=weights, scores=columns)
