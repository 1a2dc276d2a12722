"""The one way from a recording to its result: decode, split, infer, aggregate.

The page, its endpoint, the command line and Python all end here. Sinks decide what becomes of the
audio, the frame features and the result, so memory does not grow with the length of a recording.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emotion.audio import Recording, Samples, decode
from emotion.core.config import SAMPLE_RATE_HZ
from emotion.core.options import RecognitionOptions
from emotion.core.progress import Priority, ProgressCallbacks
from emotion.core.results import Result, Timing
from emotion.recognition.aggregation import Aggregator
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.plan import Plan, make_plan
from emotion.recognition.summary import summarize

# Windows, or the shorter speech segments, of one recording that wait or are worked on. Recordings
# with more seconds to hear than this come after interactive callers, so that an hour of audio
# keeps nobody waiting.
_AHEAD = 4
_AHEAD_SEGMENTS = 8
_INTERACTIVE_S = 60.0

Features = NDArray[np.float32]


class Sink(Protocol):
    """Receives the parts of a recognition as they come, in this order.

    Attributes:
        audio_file: Name of the file that the audio goes to; empty where it goes to none.
    """

    audio_file: str

    def audio(self, blocks: Iterator[Samples]) -> None:
        """What the network hears, block by block: float32, (samples,), 16 kHz mono."""

    def frames(self, total: int, features: Features) -> None:
        """The next window's features, float32, (T, D), of ``total`` frames in all."""

    def finish(self, result: Result, embedding: Features | None) -> None:
        """The result, and the mean of the features, float32, (D,), where it was asked for."""


def recognize(
    model: LoadedModel,
    path: Path,
    options: RecognitionOptions,
    *,
    sinks: Sequence[Sink] = (),
    callbacks: ProgressCallbacks = ProgressCallbacks(),  # noqa: B008  # frozen
    priority: Priority = "interactive",
    waited_s: float = 0.0,
) -> Result:
    """Recognises one recording.

    Args:
        model: What answers.
        path: A local file of any format that `emotion.audio` reads.
        options: What is asked for.
        sinks: Receive the audio, the features and the result.
        callbacks: Progress, log and cancellation.
        priority: ``bulk`` gives way to interactive requests.
        waited_s: Seconds that the request waited before.

    Raises:
        EmotionError: The recording cannot be used, the model failed, a sink could not write, or
            the caller withdrew.
    """
    started = time.perf_counter()
    callbacks.stage("decoding")
    recording = _decode(model, path, options, callbacks)
    with contextlib.closing(recording.buffer):
        for sink in sinks:
            sink.audio(recording.buffer.blocks())
            if sink.audio_file:
                callbacks.log(f"[INFO] Preprocessing done → {sink.audio_file} saved")
        callbacks.log("[INFO] Warmup completed. Ready for inference.")
        callbacks.stage("analysing")
        plan = make_plan(
            recording,
            options,
            model.detector,
            model.segmentation.max_window_s,
            callbacks.check,
        )
        for warning in plan.warnings:
            callbacks.log(f"[WARNING] {warning.message}")
        analysis = _analyse(model, recording, options, plan, sinks, callbacks, priority)
    callbacks.stage("saving")
    total_s = waited_s + time.perf_counter() - started
    result = _result(model, recording, options, analysis, waited_s, total_s)
    level = f"({options.granularity}-level)"
    callbacks.log(f"[INFO] Inference time: {result.timing.inference_s:.2f}s {level}")
    for sink in sinks:
        sink.finish(result, analysis.aggregator.embedding() if options.embedding else None)
    callbacks.check()
    return result


def _decode(
    model: LoadedModel, path: Path, options: RecognitionOptions, callbacks: ProgressCallbacks
) -> Recording:
    recording = decode(
        path,
        model.audio,
        track=options.track,
        channel=options.channel,
        minimum_samples=model.engine.minimum_samples,
        cancelled=callbacks.cancelled,
    )
    callbacks.log(f"[INFO] Audio validated: {_describe(recording)}")
    for warning in recording.warnings:
        callbacks.log(f"[WARNING] {warning.message}")
    return recording


@dataclass(frozen=True)
class _Analysis:
    aggregator: Aggregator
    plan: Plan
    inference_s: float
    waited_s: float


def _analyse(
    model: LoadedModel,
    recording: Recording,
    options: RecognitionOptions,
    plan: Plan,
    sinks: Sequence[Sink],
    callbacks: ProgressCallbacks,
    priority: Priority,
) -> _Analysis:
    started = time.perf_counter()
    samples, spans = recording.buffer, plan.spans
    total_s = sum(stop - start for start, stop in spans) / SAMPLE_RATE_HZ
    keep_frames = options.embedding and options.granularity == "frame"
    total_frames = sum(model.engine.num_frames(stop - start) for start, stop in spans)
    aggregator = Aggregator(keep_curve=options.granularity == "frame")
    passes: dict[float, float] = {}
    callbacks.windows(0, len(spans))
    outputs = model.engine.infer_many(
        (samples.read(start, stop) for start, stop in spans),
        priority=priority if total_s <= _INTERACTIVE_S else "bulk",
        ahead=_AHEAD_SEGMENTS if plan.segments else _AHEAD,
        cancelled=callbacks.cancelled,
    )
    with contextlib.closing(outputs):  # an error of a sink withdraws the other windows
        for place, output in outputs:
            aggregator.add(spans[place], output.features, output.logits)
            passes[output.began_s] = output.ended_s
            if keep_frames:
                for sink in sinks:
                    sink.frames(total_frames, output.features)
            del output
            callbacks.windows(place + 1, len(spans))
    inference_s = sum(ended - began for began, ended in passes.items())
    waited_s = max(0.0, time.perf_counter() - started - inference_s)
    return _Analysis(aggregator, plan, inference_s, waited_s)


def _result(
    model: LoadedModel,
    recording: Recording,
    options: RecognitionOptions,
    analysis: _Analysis,
    waited_s: float,
    total_s: float,
) -> Result:
    verdict = analysis.aggregator.verdict()
    plan, by_segment = analysis.plan, options.granularity == "segment"
    listed = bool(plan.segments) if by_segment else len(plan.spans) > 1
    segments = tuple(analysis.aggregator.segments) if listed else ()
    speech_s = [part.speech / SAMPLE_RATE_HZ for part in plan.segments]
    now = datetime.now(timezone.utc)
    return Result(
        emotion=verdict.emotion,
        confidence=verdict.confidence,
        scores=verdict.scores,
        granularity=options.granularity,
        timestamp=now.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        secondary=verdict.secondary,
        audio=recording.info,
        model=model.info,
        timing=Timing(
            decode_s=round(recording.decode_s, 4),
            inference_s=round(analysis.inference_s, 4),
            total_s=round(total_s, 4),
            queue_s=round(waited_s + analysis.waited_s, 4),
        ),
        warnings=recording.warnings + plan.warnings,
        frames=analysis.aggregator.curve() if options.granularity == "frame" else None,
        segments=segments,
        timestamp_utc=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        summary=summarize(segments, speech_s, recording.duration_s) if by_segment else None,
    )


def _describe(recording: Recording) -> str:
    text = f"{recording.duration_s:.1f}s, 16kHz, mono"
    source = recording.info
    changed = source.sample_rate_hz not in (0, SAMPLE_RATE_HZ) or source.channels > 1
    if not changed:
        return text
    names = {0: "", 1: ", mono", 2: ", stereo"}
    channels = names.get(source.channels, f", {source.channels} channels")
    return f"{text} (from {source.sample_rate_hz / 1000:g}kHz{channels})"
