"""The one way from a recording to its result: decode, split, infer, aggregate.

The page, its endpoint, the command line and Python all end here. Sinks decide what becomes of the
audio, the frame features and the result, so memory does not grow with the length of a recording.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from emotion.audio import Recording, Samples
from emotion.core.config import SAMPLE_RATE_HZ
from emotion.core.errors import ConfigError
from emotion.core.labels import LABELS
from emotion.core.options import RecognitionOptions
from emotion.core.progress import Priority, ProgressCallbacks
from emotion.core.results import Result, Timing
from emotion.recognition.aggregation import Aggregator, Span
from emotion.recognition.channels import channel_results, talk_time
from emotion.recognition.hearing import hear
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.local import LocalReader, sliding_windows
from emotion.recognition.plan import Plan, make_plan
from emotion.recognition.summary import summarize

if TYPE_CHECKING:
    from emotion.inference.engine_base import FrameOutput

# Windows, or the shorter speech segments, of one recording that wait or are worked on. Recordings
# with more seconds to hear than this come after interactive callers, so that an hour of audio
# keeps nobody waiting.
_AHEAD = 4
_AHEAD_SEGMENTS = 8
_AHEAD_SLIDING = 64
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

    def finish(self, result: Result, embedding: Features | None, segments: Features | None) -> None:
        """The result, and where the embedding was asked for, means of the features.

        Args:
            result: The result.
            embedding: Of the whole, float32, (D,).
            segments: Of each speech segment, float32, (segments, D), with segment granularity.
        """


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
    _check_labels(model, options)
    callbacks.stage("decoding")
    with contextlib.closing(hear(model, path, options, callbacks)) as recording:
        for sink in sinks:
            sink.audio(_checked(recording.buffer.blocks(), callbacks))
            if sink.audio_file:
                callbacks.log(f"[INFO] Preprocessing done → {sink.audio_file} saved")
        callbacks.log("[INFO] Warmup completed. Ready for inference.")
        callbacks.stage("analysing")
        longest_s = model.segmentation.max_window_s
        plan = make_plan(recording, options, model.detector, longest_s, callbacks.check)
        for warning in plan.warnings:
            callbacks.log(f"[WARNING] {warning.message}")
        analysis = _analyse(model, recording, options, plan, sinks, callbacks, priority)
    callbacks.stage("saving")
    total_s = waited_s + time.perf_counter() - started
    result = _result(model, recording, options, analysis, waited_s, total_s)
    level = f"({options.granularity}-level)"
    callbacks.log(f"[INFO] Inference time: {result.timing.inference_s:.2f}s {level}")
    embedding = analysis.aggregator.embedding() if options.embedding else None
    parts = analysis.aggregator.segment_embeddings() if result.segments else None
    for sink in sinks:
        sink.finish(result, embedding, parts)
    callbacks.check()
    return result


def _checked(blocks: Iterator[Samples], callbacks: ProgressCallbacks) -> Iterator[Samples]:
    for block in blocks:
        callbacks.check()
        yield block


def _check_labels(model: LoadedModel, options: RecognitionOptions) -> None:
    if not model.engine.labels.intersection(options.labels):
        known = ", ".join(label for label in LABELS if label in model.engine.labels)
        expected = f"at least one that the model knows: {known}"
        raise ConfigError(option="labels", value=", ".join(options.labels), expected=expected)


@dataclass(frozen=True)
class _Analysis:
    aggregator: Aggregator
    plan: Plan
    local: LocalReader | None
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
    by_frame = options.granularity == "frame"
    sliding = sliding_windows(recording.buffer.size, plan.speech[0]) if by_frame else []
    keep_parts = options.embedding and options.granularity == "segment"
    aggregator = Aggregator(by_frame, options.labels, options.min_confidence, keep_parts)
    local = LocalReader(options.labels) if by_frame else None
    keep_frames = options.embedding and by_frame
    total_frames = sum(model.engine.num_frames(stop - start) for start, stop in plan.spans)
    run = _Inference(model, recording, [*plan.spans, *sliding], callbacks, priority)

    def take(place: int, output: FrameOutput) -> None:
        aggregator.add(plan.spans[place], output.features, output.logits, plan.channel(place))
        if keep_frames:
            for sink in sinks:
                sink.frames(total_frames, output.features)
        callbacks.windows(place + 1, len(plan.spans))

    callbacks.windows(0, len(plan.spans))
    ahead = _AHEAD_SEGMENTS if plan.segments else _AHEAD
    run(plan.spans, [plan.channel(place) for place in range(len(plan.spans))], ahead, take)
    if local is not None:
        run(sliding, [None] * len(sliding), _AHEAD_SLIDING,
            lambda place, output: local.add(sliding[place], output.logits))  # fmt: skip
    inference_s = sum(ended - began for began, ended in run.passes.items())
    waited_s = max(0.0, time.perf_counter() - started - inference_s)
    return _Analysis(aggregator, plan, local, inference_s, waited_s)


class _Inference:
    """Runs the network over stretches of one recording, and tells how far it is."""

    def __init__(
        self,
        model: LoadedModel,
        recording: Recording,
        spans: Sequence[Span],
        callbacks: ProgressCallbacks,
        priority: Priority,
    ) -> None:
        self._model, self._recording, self._callbacks = model, recording, callbacks
        self._total_s = sum(map(_length_s, spans))
        self._done_s = 0.0
        self._priority: Priority = priority if self._total_s <= _INTERACTIVE_S else "bulk"
        self.passes: dict[float, float] = {}  # when each began and ended

    def __call__(
        self,
        spans: Sequence[Span],
        channels: Sequence[int | None],
        ahead: int,
        take: Callable[[int, FrameOutput], None],
    ) -> None:
        self._callbacks.seconds(self._done_s, self._total_s)
        outputs = self._model.engine.infer_many(
            (self._read(span, of) for span, of in zip(spans, channels, strict=True)),
            priority=self._priority,
            ahead=ahead,
            cancelled=self._callbacks.cancelled,
        )
        with contextlib.closing(outputs):  # an error of a sink withdraws the other windows
            for place, output in outputs:
                self.passes[output.began_s] = output.ended_s
                take(place, output)
                del output
                self._done_s += _length_s(spans[place])
                self._callbacks.seconds(self._done_s, self._total_s)

    def _read(self, span: Span, channel: int | None) -> Samples:
        heard = self._recording if channel is None else self._recording.channels[channel]
        return heard.buffer.read(*span)


def _length_s(span: Span) -> float:
    return (span[1] - span[0]) / SAMPLE_RATE_HZ


def _result(
    model: LoadedModel,
    recording: Recording,
    options: RecognitionOptions,
    analysis: _Analysis,
    waited_s: float,
    total_s: float,
) -> Result:
    plan, aggregator = analysis.plan, analysis.aggregator
    verdict = aggregator.verdict()
    by_segment = options.granularity == "segment"
    listed = bool(plan.segments) if by_segment else len(plan.spans) > 1
    now = datetime.now(timezone.utc)
    result = Result(
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
        frames=aggregator.curve() if options.granularity == "frame" else None,
        segments=tuple(aggregator.segments) if listed else (),
        timestamp_utc=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        uncertain=verdict.uncertain,
        labels=tuple(label for label in LABELS if label in options.labels),
        min_confidence=options.min_confidence,
        local=analysis.local.curve() if analysis.local else None,
    )
    return _by_speech(result, options, analysis) if by_segment else result


def _by_speech(result: Result, options: RecognitionOptions, analysis: _Analysis) -> Result:
    """A result with what its speech segments say of the recording, and of each channel."""
    plan, duration_s = analysis.plan, result.audio.duration_s
    speech_s = [part.speech / SAMPLE_RATE_HZ for part in plan.segments]
    summary = summarize(result.segments, speech_s, duration_s)
    if options.channels != "split":
        return replace(result, summary=summary)
    everyone = {n: plan.speech.get(n, []) for n in range(1, result.audio.channels + 1)}
    times = talk_time(everyone)
    silence_s = max(0.0, duration_s - times.speech_s)
    return replace(
        result,
        summary=replace(summary, speech_s=round(times.speech_s, 3), silence_s=round(silence_s, 3)),
        channels=channel_results(
            analysis.aggregator, everyone, speech_s, options.channel_names, duration_s
        ),
        overlap_s=round(times.overlap_s, 3),
    )
