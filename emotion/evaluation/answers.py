"""The scores that a model gives to labelled recordings, whole ones and parts."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from emotion.audio import decode
from emotion.audio.recording import write_wav
from emotion.core.config import SAMPLE_RATE_HZ, AudioConfig
from emotion.core.errors import AudioNotFoundError, AudioTooShortError, EmotionError
from emotion.core.labels import LABELS
from emotion.core.results import readable
from emotion.corpus.inputs import Input
from emotion.evaluation.metrics import Floats
from emotion.evaluation.samples import Sample

if TYPE_CHECKING:
    from emotion.audio.recording import Recording
    from emotion.corpus.executor import Executor

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What a model says of one recording.

    Attributes:
        scores: float64, (9,), adding up to 1; None where it failed.
        error: Why it failed.
    """

    scores: Floats | None = None
    error: str | None = None


class Answerer(Protocol):
    """A loaded model."""

    def run(self, inputs: Iterable[tuple[int, Input]]) -> Iterator[tuple[int, Answer]]:
        """Recognises recordings; their places and answers in the order in which they end."""


class Batched:
    """One of our engines, with several recordings under way.

    Args:
        executor: Which recognises them.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def run(self, inputs: Iterable[tuple[int, Input]]) -> Iterator[tuple[int, Answer]]:
        """See `Answerer`."""
        with closing(self._executor.run(inputs)) as records:
            for index, record in records:
                if record.result is None:
                    yield index, Answer(error=str((record.error or {}).get("message")))
                else:
                    yield index, Answer(scores_of(record.result["scores"]))


class OneByOne:
    """Any other model, one recording after the other.

    Args:
        scores: Gives the (9,) scores of a recording.
        labels: The emotions that compete; the others get 0.
    """

    def __init__(self, scores: Callable[[Path], Floats], labels: Sequence[str] = LABELS) -> None:
        self._scores = scores
        self._competing = np.array([label in labels for label in LABELS])

    def run(self, inputs: Iterable[tuple[int, Input]]) -> Iterator[tuple[int, Answer]]:
        """See `Answerer`."""
        for index, item in inputs:
            try:
                if isinstance(item.source, EmotionError):
                    raise item.source
                assert isinstance(item.source, Path)
                scores = self._renormalised(self._scores(item.source))
                if scores is None:
                    yield index, Answer(error="the model knows none of the emotions that compete")
                else:
                    yield index, Answer(scores)
            except EmotionError as e:
                yield index, Answer(error=str(e))

    def _renormalised(self, scores: Floats) -> Floats | None:
        kept: Floats = np.where(self._competing, scores, 0.0)
        total = float(kept.sum())
        return kept / total if total > 0 else None


def scores_of(scores: Any) -> Floats:
    """Scores by label as a row, float64, (9,)."""
    return np.array([float(scores.get(label) or 0.0) for label in LABELS])


def answer_all(
    answerer: Answerer,
    samples: Sequence[Sample],
    audio: AudioConfig,
    told: Callable[[Sample, Answer], None] = lambda sample, answer: None,
) -> list[Answer]:
    """A model's answers, in the order of the recordings.

    Args:
        answerer: The model.
        samples: The recordings.
        audio: Limits, for the parts of recordings, which are decoded here.
        told: Told each answer as it comes.
    """
    answers: list[Answer] = [Answer()] * len(samples)
    with Parts(samples, audio) as parts:
        for index, answer in answerer.run(parts.inputs()):
            answers[index] = answer
            parts.done(index)
            told(samples[index], answer)
    return answers


class Parts:
    """Parts of recordings as files of their own; use it as a context manager.

    A recording is decoded once for all of its parts that follow one another, and the file of a
    part is there from the moment it is asked for until it is done.

    Args:
        samples: The recordings; whole ones stay where they are.
        audio: Limits.
    """

    def __init__(self, samples: Sequence[Sample], audio: AudioConfig) -> None:
        self._samples = samples
        self._audio = audio
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._decoded: tuple[Path, Recording] | None = None

    def __enter__(self) -> Parts:
        self._folder = tempfile.TemporaryDirectory(prefix="emotion-parts-")
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        assert self._folder is not None
        self._folder.cleanup()

    def inputs(self) -> Iterator[tuple[int, Input]]:
        """Each recording with its place, made when it is asked for."""
        for index, sample in enumerate(self._samples):
            yield index, Input(sample.name, self._source(index, sample))

    def done(self, index: int) -> None:
        """Deletes the file of a part."""
        with contextlib.suppress(OSError):
            self._path(index).unlink(missing_ok=True)

    def _source(self, index: int, sample: Sample) -> Path | EmotionError:
        if not sample.path.is_file():
            reason = "No such file or directory"
            return AudioNotFoundError(file=readable(sample.path), reason=reason)
        if not sample.is_part:
            return sample.path
        try:
            recording = self._recording(sample.path)
        except EmotionError as e:
            return e
        first = round(sample.start_s * SAMPLE_RATE_HZ)
        last = recording.buffer.size
        if sample.end_s is not None:
            last = min(last, round(sample.end_s * SAMPLE_RATE_HZ))
        if last <= first:
            return AudioTooShortError(
                file=sample.name, duration_s=0.0, minimum_s=400 / SAMPLE_RATE_HZ
            )
        write_wav(self._path(index), recording.buffer.read(first, last))
        return self._path(index)

    def _recording(self, path: Path) -> Recording:
        if self._decoded is None or self._decoded[0] != path:
            self._forget()
            self._decoded = path, decode(path, self._audio)
        return self._decoded[1]

    def _forget(self) -> None:
        if self._decoded is not None:
            self._decoded[1].close()
            self._decoded = None

    def _path(self, index: int) -> Path:
        assert self._folder is not None
        return Path(self._folder.name, f"{index}.wav")
