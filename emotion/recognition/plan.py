"""Which stretches of a recording the network hears, and what must be said of that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from emotion.audio import Recording
from emotion.audio.samples import SampleBuffer
from emotion.audio.segmentation import Probabilities, SpeechSegment, speech_segments
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
        warnings: What a reader of the result must know.
    """

    spans: list[Span]
    segments: list[SpeechSegment] = field(default_factory=list)
    warnings: tuple[ResultWarning, ...] = ()


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
    samples, checked = recording.buffer, _Checked(detector, check)
    segments: list[SpeechSegment] = []
    start = 0
    if options.granularity == "segment":
        start = audible_start(samples)
        segments = speech_segments(
            speech_probabilities(checked, samples, start),
            samples.size - start,
            min_s=options.segment_min_s,
            max_s=options.segment_max_s,
            pad_s=options.segment_pad_s,
        )
        silent = not segments
    else:
        silent = not contains_speech(checked, samples)
    if segments:
        return Plan([(start + part.start, start + part.stop) for part in segments], segments)
    spans = windows(samples.size, max_window_s)
    warnings = (ResultWarning("no_speech", _NO_SPEECH),) if silent else ()
    return Plan(spans, warnings=(*warnings, *_window_warning(recording, spans)))


class _Checked:
    """A detector that lets the caller stop it."""

    def __init__(self, detector: SpeechDetector, check: Callable[[], None]) -> None:
        self._detector = detector
        self._check = check

    def blocks(self, samples: SampleBuffer, start: int) -> Iterator[Probabilities]:
        for block in self._detector.blocks(samples, start):
            self._check()
            yield block


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
