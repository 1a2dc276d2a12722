"""Speech probabilities to speech segments of a wanted length.

Pure functions. Times are counted in frames of the speech detector inside, in samples outside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.core.config import SAMPLE_RATE_HZ

FRAME_SAMPLES = 512  # 32 ms
_FRAMES_PER_S = SAMPLE_RATE_HZ / FRAME_SAMPLES

# Speech begins where the probability reaches the first value and lasts while it keeps the second.
_ONSET, _OFFSET = 0.5, 0.35
_BRIDGED_FRAMES = 3  # 0.1 s: a plosive's closure, no pause
_SPEECH_FRAMES = 8  # 0.26 s: single notes of music give shorter ones
_PAUSE_FRAMES = 16  # 0.5 s: separates two utterances
_SHORT_PAUSE_FRAMES = 31  # 1 s: still joins one that is too short to its neighbour
_SMOOTHED_FRAMES = 5  # a pause of 0.16 s is deeper than a single low frame
_DISTANCE_WEIGHT = 0.1  # how much a cut's distance from the wanted place counts

Probabilities = NDArray[np.float32]
Frames = tuple[int, int]
_Together = Callable[[Frames, Frames, int], bool]  # two spans and the gap between them


@dataclass(frozen=True)
class SpeechSegment:
    """One stretch of speech, with short pauses and some silence around it.

    Attributes:
        start: First sample.
        stop: The sample after the last one.
        speech: Samples of speech in it.
    """

    start: int
    stop: int
    speech: int


def speech_spans(probabilities: Probabilities) -> list[Frames]:
    """Where speech is: (start, stop) in frames of 512 samples, in order, with pauses between.

    Args:
        probabilities: Of speech, (frames,).
    """
    likely = _runs(probabilities >= _OFFSET)
    spans = [(a, b) for a, b in likely if probabilities[a:b].max() >= _ONSET]
    joined = _join(spans, lambda _a, _b, gap: gap <= _BRIDGED_FRAMES)
    return [(a, b) for a, b in joined if b - a >= _SPEECH_FRAMES]


def has_speech(probabilities: Probabilities) -> bool:
    """Whether there is any speech at all."""
    return bool(speech_spans(probabilities))


def long_pauses(probabilities: Probabilities) -> list[Frames]:
    """Where speech could have been missed: (start, stop) in frames, in order.

    Pauses from 1 s on; the whole where there is no speech, however short.
    """
    spans = speech_spans(probabilities)
    if not spans:
        return [(0, len(probabilities))]
    edges = [0, *(edge for span in spans for edge in span), len(probabilities)]
    gaps = zip(edges[::2], edges[1::2], strict=True)
    return [(a, b) for a, b in gaps if b - a >= _SHORT_PAUSE_FRAMES]


def speech_segments(
    probabilities: Probabilities, samples: int, *, min_s: float, max_s: float, pad_s: float
) -> list[SpeechSegment]:
    """Merges and splits speech into segments that can be judged on their own.

    Pauses from 0.5 s on separate segments. A stretch below ``min_s`` joins a neighbour less than
    1 s away; alone, it stays short. A stretch above ``max_s`` is split at the deepest pause near
    equal parts.

    Args:
        probabilities: Of speech, one for each 512 samples.
        samples: Length of the recording.
        min_s: Shortest segment, seconds, but for isolated speech; to within one frame.
        max_s: Longest segment, seconds, with its padding; at least 2 * (min_s + pad_s).
        pad_s: Silence that is kept on both sides, seconds; none at a split, half of a short pause.

    Returns:
        In order, without overlap; together they hold all speech.
    """
    most = max(2, math.floor((max_s - 2 * pad_s) * _FRAMES_PER_S))
    least = min(math.ceil(min_s * _FRAMES_PER_S), most // 2)
    spans = speech_spans(probabilities)

    def together(a: Frames, b: Frames, gap: int) -> bool:
        short = min(a[1] - a[0], b[1] - b[0]) < least
        return gap < (_SHORT_PAUSE_FRAMES if short else _PAUSE_FRAMES)

    parts = [
        part for run in _join(spans, together) for part in _split(run, probabilities, least, most)
    ]
    return _padded(parts, spans, samples, round(pad_s * SAMPLE_RATE_HZ))


def _runs(mask: NDArray[np.bool_]) -> list[Frames]:
    """(start, stop) of each stretch that is true."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _join(spans: Iterable[Frames], together: _Together) -> list[Frames]:
    joined: list[Frames] = []
    for span in spans:
        if joined and together(joined[-1], span, span[0] - joined[-1][1]):
            joined[-1] = (joined[-1][0], span[1])
        else:
            joined.append(span)
    return joined


def _split(run: Frames, probabilities: Probabilities, least: int, most: int) -> list[Frames]:
    """Parts of ``least`` to ``most`` frames."""
    start, stop = run
    kernel = np.full(_SMOOTHED_FRAMES, 1 / _SMOOTHED_FRAMES)
    smooth = np.convolve(probabilities[start:stop], kernel, "same")
    parts, done = [], 0
    while (rest := stop - start - done) > most:
        wanted = rest / math.ceil(rest / most)
        low = max(least, math.ceil(wanted / 2))
        high = min(most, rest - least, math.floor(1.5 * wanted))
        places = np.arange(low, high + 1)
        cost = smooth[done + places] + _DISTANCE_WEIGHT * np.abs(places - wanted) / wanted
        cut = int(places[np.argmin(cost)])
        parts.append((start + done, start + done + cut))
        done += cut
    return [*parts, (start + done, stop)]


def _padded(
    parts: list[Frames], spans: list[Frames], samples: int, pad: int
) -> list[SpeechSegment]:
    marks = np.zeros(-(-samples // FRAME_SAMPLES) + 1, np.int64)
    for a, b in spans:
        marks[a + 1 : b + 1] = FRAME_SAMPLES
    until = np.cumsum(marks)  # speech before each frame
    edges = [(a * FRAME_SAMPLES, min(b * FRAME_SAMPLES, samples)) for a, b in parts]
    found = []
    for i, (start, stop) in enumerate(edges):
        before = (edges[i - 1][1] + start + 1) // 2 if i else 0
        after = (stop + edges[i + 1][0] + 1) // 2 if i + 1 < len(edges) else samples
        speech = min(int(until[parts[i][1]] - until[parts[i][0]]), stop - start)
        found.append(SpeechSegment(max(start - pad, before), min(stop + pad, after), speech))
    return found
