"""The scores that a model gives to labelled recordings, whole ones and parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from emotion.core.config import AudioConfig
from emotion.core.errors import AudioNotFoundError, EmotionError
from emotion.core.labels import LABELS
from emotion.core.results import readable
from emotion.corpus.inputs import Excerpt, Input, Source
from emotion.corpus.sources import Sources
from emotion.evaluation.metrics import Floats
from emotion.evaluation.samples import Sample

if TYPE_CHECKING:
    from emotion.corpus.executor import Executor
    from emotion.corpus.rows import Record


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
                yield index, answer_of(record)


class OneByOne:
    """Any other model, one recording after the other.

    Args:
        scores: Gives the (9,) scores of a recording.
        labels: The emotions that compete; the others get 0.
        audio: Limits of a recording.
    """

    def __init__(
        self,
        scores: Callable[[Path], Floats],
        labels: Sequence[str] = LABELS,
        audio: AudioConfig = AudioConfig(),  # noqa: B008  # frozen
    ) -> None:
        self._scores = scores
        self._audio = audio
        self._competing = np.array([label in labels for label in LABELS])

    def run(self, inputs: Iterable[tuple[int, Input]]) -> Iterator[tuple[int, Answer]]:
        """See `Answerer`."""
        with Sources(self._audio) as sources:
            for index, item in inputs:
                try:
                    with sources.path_of(item.source) as path:
                        scores = self._renormalised(self._scores(path))
                except EmotionError as e:
                    yield index, Answer(error=str(e))
                    continue
                if scores is None:
                    yield index, Answer(error="the model knows none of the emotions that compete")
                else:
                    yield index, Answer(scores)

    def _renormalised(self, scores: Floats) -> Floats | None:
        kept: Floats = np.where(self._competing, scores, 0.0)
        total = float(kept.sum())
        return kept / total if total > 0 else None


def answer_of(record: Record) -> Answer:
    """What a row of a batch says of its recording."""
    if record.result is None:
        return Answer(error=str((record.error or {}).get("message")))
    return Answer(scores_of(record.result["scores"]))


def scores_of(scores: Any) -> Floats:
    """Scores by label as a row, float64, (9,)."""
    return np.array([float(scores.get(label) or 0.0) for label in LABELS])


def answer_all(
    answerer: Answerer,
    samples: Sequence[Sample],
    told: Callable[[Sample, Answer], None] = lambda sample, answer: None,
) -> list[Answer]:
    """A model's answers, in the order of the recordings.

    Args:
        answerer: The model.
        samples: The recordings.
        told: Told each answer as it comes.
    """
    answers: list[Answer] = [Answer()] * len(samples)
    for index, answer in answerer.run(enumerate(map(input_of, samples))):
        answers[index] = answer
        told(samples[index], answer)
    return answers


def input_of(sample: Sample) -> Input:
    """A labelled recording as one to recognise."""
    source: Source = sample.path
    if isinstance(sample.path, Path) and not sample.path.is_file():
        reason = "No such file or directory"
        source = AudioNotFoundError(file=readable(sample.path), reason=reason)
    elif sample.is_part:
        source = Excerpt(sample.path, sample.start_s, sample.end_s)
    return Input(sample.name, source)
