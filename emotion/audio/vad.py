"""Where speech is: Silero VAD over a recording of any length.

The package ``silero-vad`` brings the weights. Only its ONNX file is used, through onnxruntime:
importing the package sets torch to one thread for the whole process, and its own splitter cuts at
the oldest pause, or in mid-speech. The network of this file takes many frames in one call.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emotion.audio.samples import SampleBuffer, Samples
from emotion.audio.segmentation import FRAME_SAMPLES, Probabilities, has_speech, long_pauses

_CONTEXT_SAMPLES = 64  # of the frame before, in front of each frame
_STATE_SHAPE = (1, 1, 128)
_FIRST_FRAMES = 16  # in the first call, 0.5 s; each call takes twice as many as the one before
_BLOCK_FRAMES = 512  # at most: 16.4 s of audio, 2 MB
_AUDIBLE = 1e-3
_SLOWER = 1.5
_SLOWED_SAMPLES = 1 << 18
_MODEL_FILE = Path("data", "silero_vad_16k_sequence.onnx")


class SpeechDetector(Protocol):
    """Says how likely speech is, frame by frame."""

    def blocks(self, samples: SampleBuffer, start: int) -> Iterator[Probabilities]:
        """Speech probabilities of the frames from a sample on, some seconds at a time."""


class SileroDetector:
    """Silero VAD on one CPU thread; loaded on first use, safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._session: Any = None

    def blocks(self, samples: SampleBuffer, start: int = 0) -> Iterator[Probabilities]:
        """Speech probabilities, block by block, so that a caller may stop early.

        Args:
            samples: The recording, 16 kHz mono.
            start: The sample where the first frame begins.

        Yields:
            float32, (frames,), one value for each 512 samples; the last frame is filled up with
            silence.
        """
        session = self._loaded()
        context = np.zeros(_CONTEXT_SAMPLES, np.float32)
        hidden = cell = np.zeros(_STATE_SHAPE, np.float32)
        for block in _growing(samples, start):
            frames = _in_frames(block)
            contexts = np.concatenate([context[None], frames[:-1, -_CONTEXT_SAMPLES:]])
            context = frames[-1, -_CONTEXT_SAMPLES:]
            found, hidden, cell = session.run(
                ["speech_probs", "hn", "cn"],
                {"input": np.concatenate([contexts, frames], 1), "h": hidden, "c": cell},
            )
            yield found.reshape(-1)

    def _loaded(self) -> Any:
        with self._lock:
            if self._session is None:
                self._session = _load()
            return self._session


def contains_speech(
    detector: SpeechDetector, samples: SampleBuffer, check: Callable[[], None] = lambda: None
) -> bool:
    """Whether a recording holds speech; reads no further than the first of it.

    Args:
        detector: Says how likely speech is.
        samples: The recording.
        check: Called between blocks of audio; raises to stop.
    """
    start = audible_start(samples)
    before = np.zeros(0, np.float32)
    for block in detector.blocks(samples, start):
        check()
        if has_speech(np.concatenate([before, block])):
            return True
        before = block
    return has_speech(_high_voices(detector, samples, (start, samples.size), check))


def speech_probabilities(
    detector: SpeechDetector,
    samples: SampleBuffer,
    start: int = 0,
    check: Callable[[], None] = lambda: None,
) -> Probabilities:
    """Speech probabilities of all frames, float32, (frames,): 0.4 MB an hour.

    Where the first look finds nothing for a second or more, a second one counts: one calm sentence
    must not keep a scream from being found.

    Args:
        detector: Says how likely speech is.
        samples: The recording.
        start: The sample where the first frame begins.
        check: Called between blocks of audio; raises to stop.
    """
    found = _all(detector, samples, start, check)
    for a, b in long_pauses(found):
        first, last = start + a * FRAME_SAMPLES, min(start + b * FRAME_SAMPLES, samples.size)
        again = _high_voices(detector, samples, (first, last), check)
        found[a : a + again.size] = again
    return found


def _all(
    detector: SpeechDetector, samples: SampleBuffer, start: int, check: Callable[[], None]
) -> Probabilities:
    found = [np.zeros(0, np.float32)]
    for block in detector.blocks(samples, start):
        check()
        found.append(block)
    return np.concatenate(found)


def _high_voices(
    detector: SpeechDetector,
    samples: SampleBuffer,
    span: tuple[int, int],
    check: Callable[[], None],
) -> Probabilities:
    """The second look where no speech was found: at two thirds of its speed.

    The detector misses screams, whose pitch is far above that of the speech it was trained on.
    """
    start, stop = span
    with contextlib.closing(SampleBuffer()) as slow:
        for at in range(start, stop, _SLOWED_SAMPLES):
            check()
            taken = min(_SLOWED_SAMPLES, stop - at)
            block = samples.read(at, at + taken + 1)
            places = np.arange(round(taken * _SLOWER)) / _SLOWER
            slow.append(np.interp(places, np.arange(block.size), block).astype(np.float32))
        found = _all(detector, slow, 0, check)
    frames = np.arange(-(-(stop - start) // FRAME_SAMPLES)) * _SLOWER
    return found[np.minimum(frames.astype(int), found.size - 1)] if found.size else found


def audible_start(samples: SampleBuffer) -> int:
    """The first sample above -60 dBFS; the recording's length where there is none.

    Frames that are counted from there lie in the same places of the sound, however much silence
    comes before it.
    """
    at = 0
    for block in samples.blocks():
        loud = np.abs(block) > _AUDIBLE
        if loud.any():
            return at + int(loud.argmax())
        at += block.size
    return at


def _growing(samples: SampleBuffer, start: int) -> Iterator[Samples]:
    # Most recordings begin with speech: who looks for some need not wait for 16 s of it.
    frames = _FIRST_FRAMES
    while start < samples.size:
        stop = start + frames * FRAME_SAMPLES
        yield samples.read(start, stop)
        start, frames = stop, min(2 * frames, _BLOCK_FRAMES)


def _in_frames(block: Samples) -> NDArray[np.float32]:
    frames = -(-block.size // FRAME_SAMPLES)
    padded = np.zeros((frames, FRAME_SAMPLES), np.float32)  # (frames, 512)
    padded.reshape(-1)[: block.size] = block
    return padded


def _load() -> Any:
    # From its 1.29 on, on Linux too, it reports to Microsoft which models it loads, and keeps a
    # device id and a database in the user's cache folder. Read when it is imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    spec = importlib.util.find_spec("silero_vad")  # finds the folder without importing it
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'silero_vad'", name="silero_vad")
    path = Path(spec.submodule_search_locations[0]) / _MODEL_FILE
    options = onnxruntime.SessionOptions()
    options.inter_op_num_threads = options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
