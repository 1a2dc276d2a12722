"""Which stretches of a recording the network hears, and what must be said of that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from emotion.audio import Recording
from emotion.audio.samples import SampleBuffer
from emotion.audio.segmentation import (
    FRAME_SAMPLES,
    SpeechSegment,
    speech_segments,
    speech_spans,
)
from emotion.audio.vad import (
    SpeechDetector,
    audible_start,
    contains_speech,
    speech_probabilities,
)
from emotion.core.config import SAMPLE_RATE_HZ
from emotion.core.options import RecognitionOptions
from emotion.core.results import ResultWarning
from emotion.recognition.aggregation import Span, windows

_NO_SPEECH = (
    "No speech was found in the recording, so the scores do not stand for an emotion. "
    "Check the microphone or choose another recording."
)


@dataclass(frozen=True)
class Plan:
    """What is to be inferred.

    Attributes:
        spans: (start, stop) of each stretch in samples, in order.
        segments: The speech segments that the spans are; empty where they are windows.
        channels: The channel of each span, from 1; empty where channels are mixed.
        speech: (start, stop) of each stretch of speech in samples, for each channel, or for
            channel 0 where they are mixed; empty where the result needs none.
        warnings: What a reader of the result must know.
    """

    spans: list[Span]
    segments: list[SpeechSegment] = field(default_factory=list)
    channels: list[int] = field(default_factory=list)
    speech: dict[int, list[Span]] = field(default_factory=dict)
    warnings: tuple[ResultWarning, ...] = ()

    def channel(self, place: int) -> int | None:
        """The channel of a span, from 1; None for the mean of all."""
        return self.channels[place] if self.channels else None


def make_plan(
    recording: Recording,
    options: RecognitionOptions,
    detector: SpeechDetector,
    max_window_s: float,
    check: Callable[[], None] = lambda: None,
) -> Plan:
    """Splits a recording into speech segments or windows.

    Nothing before the first audible sample is in a segment, so silence in front of a recording
    changes no segment. A recording without speech is analysed whole, in windows, and
    the plan warns.

    Args:
        recording: The recording.
        options: What is asked for.
        detector: Finds speech.
        max_window_s: The longest window.
        check: Called between blocks of audio; raises to stop.
    """
    speech: dict[int, list[Span]] = {}
    parts: list[tuple[SpeechSegment, int]] = []
    if options.granularity == "utterance":
        silent = not contains_speech(detector, recording.buffer, check)
    else:
        for channel, buffer in _heard(recording).items():
            segments, speech[channel] = _segments(detector, buffer, options, check)
            parts += [(segment, channel) for segment in segments]
        silent = not parts
    if parts and options.granularity == "segment":
        parts.sort(key=lambda part: (part[0].start, part[1]))
        ordered = [part for part, _ in parts]
        spans = [(part.start, part.stop) for part in ordered]
        channels = [channel for _, channel in parts] if recording.channels else []
        return Plan(spans, ordered, channels, speech)
    spans = windows(recording.buffer.size, max_window_s)
    warnings = (ResultWarning("no_speech", _NO_SPEECH),) if silent else ()
    return Plan(spans, speech=speech, warnings=(*warnings, *_window_warning(recording, spans)))


def _heard(recording: Recording) -> dict[int, SampleBuffer]:
    if not recording.channels:
        return {0: recording.buffer}
    return {number: channel.buffer for number, channel in recording.channels.items()}


def _segments(
    detector: SpeechDetector,
    samples: SampleBuffer,
    options: RecognitionOptions,
    check: Callable[[], None],
) -> tuple[list[SpeechSegment], list[Span]]:
    """Speech segments, and the stretches of speech that they hold."""
    start = audible_start(samples)
    probabilities = speech_probabilities(detector, samples, start, check)
    segments = speech_segments(
        probabilities,
        samples.size - start,
        min_s=options.segment_min_s,
        max_s=options.segment_max_s,
        pad_s=options.segment_pad_s,
    )
    spans = (
        (start + a * FRAME_SAMPLES, min(start + b * FRAME_SAMPLES, samples.size))
        for a, b in speech_spans(probabilities)
    )
    moved = [replace(part, start=start + part.start, stop=start + part.stop) for part in segments]
    return moved, list(spans)


def _window_warning(recording: Recording, spans: Sequence[Span]) -> tuple[ResultWarning, ...]:
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
    return (ResultWarning("windowed", text, params),)
