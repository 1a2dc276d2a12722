"""References and answers to figures: overall, for groups and for speakers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from emotion.core.errors import ConfigError
from emotion.core.labels import LABELS
from emotion.evaluation.answers import Answer
from emotion.evaluation.calibration import (
    Bin,
    Covered,
    at_least,
    calibration_error,
    coverage,
    reliability,
)
from emotion.evaluation.metrics import (
    Classes,
    Figures,
    Floats,
    confusion,
    figures,
    intervals,
    unit_tables,
)
from emotion.evaluation.samples import Labelled, Sample

MISTAKES: Final = 20
_UNKNOWN: Final = "–"


@dataclass(frozen=True)
class Group:
    """The figures of some of the recordings.

    Attributes:
        figures: Of the highest score of each.
        intervals: Low and high of ``wa``, ``ua`` and ``macro_f1`` (95 %).
        units: What was drawn for them: ``speakers``, or ``recordings`` where not all speakers are
            known, or all are one.
        drawn: How many of these there are; intervals of few are too narrow.
        ece: Expected calibration error.
    """

    figures: Figures
    intervals: Mapping[str, tuple[float, float]]
    units: str
    drawn: int
    ece: float

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists."""
        bounds = {name: list(bound) for name, bound in self.intervals.items()}
        return {
            **self.figures.to_dict(),
            "intervals": {**bounds, "units": self.units, "drawn": self.drawn},
            "ece": self.ece,
        }


@dataclass(frozen=True)
class Mistake:
    """A recording whose answer is wrong.

    Attributes:
        sample: The recording.
        reference: Its emotion.
        predicted: The answer.
        confidence: How sure the model was.
    """

    sample: Sample
    reference: str
    predicted: str
    confidence: float


@dataclass(frozen=True)
class Evaluation:
    """How good answers are.

    Attributes:
        labelled: The recordings with their emotions.
        answers: (samples,), the answers.
        labels: The emotions that competed.
        group_by: The columns whose values make groups.
        min_confidence: The confidence that is asked about; 0 for none.
    """

    labelled: Labelled
    answers: Sequence[Answer]
    labels: Sequence[str] = LABELS
    group_by: Sequence[str] = ()
    min_confidence: float = 0.0

    @cached_property
    def _answered(self) -> list[int]:
        return [k for k, answer in enumerate(self.answers) if answer.scores is not None]

    @cached_property
    def samples(self) -> list[Sample]:
        """The recordings that have an answer."""
        return [self.labelled.samples[k] for k in self._answered]

    @cached_property
    def reference(self) -> Classes:
        """int64, (answered,)."""
        return np.array([LABELS.index(self.labelled.emotions[k]) for k in self._answered], int)

    @cached_property
    def scores(self) -> Floats:
        """float64, (answered, 9)."""
        return np.array([self.answers[k].scores for k in self._answered], float).reshape(-1, 9)

    @cached_property
    def predicted(self) -> Classes:
        """int64, (answered,), the highest score of each."""
        return np.asarray(self.scores.argmax(1), int)

    @property
    def failed(self) -> list[tuple[str, str]]:
        """Names of recordings without an answer, and why."""
        pairs = zip(self.labelled.samples, self.answers, strict=True)
        return [(one.name, answer.error or "") for one, answer in pairs if answer.scores is None]

    @cached_property
    def overall(self) -> Group:
        """All of them together."""
        return self._group(np.arange(len(self.samples)))

    @cached_property
    def groups(self) -> dict[str, dict[str, Group]]:
        """For each column its values, in alphabetical order.

        Raises:
            ConfigError: There is no such column.
        """
        found = {}
        for column in self.group_by:
            values = np.array([one.columns.get(column) or _UNKNOWN for one in self.samples])
            if not any(column in one.columns for one in self.labelled.samples):
                columns = dict.fromkeys(c for one in self.labelled.samples for c in one.columns)
                expected = f"one of {', '.join(columns)}" if columns else "left out: no columns"
                raise ConfigError(option="group", value=column, expected=expected)
            names = sorted(set(values.tolist()))
            found[column] = {name: self._group(np.flatnonzero(values == name)) for name in names}
        return found

    @cached_property
    def speakers(self) -> dict[str, Figures]:
        """Each speaker that is known."""
        known = [k for k, one in enumerate(self.samples) if one.speaker]
        if not known:
            return {}
        names = [str(self.samples[k].speaker) for k in known]
        tables = unit_tables(self.reference[known], self.predicted[known], names)
        return dict(zip(sorted(set(names)), map(figures, tables), strict=True))

    @cached_property
    def reliability(self) -> list[Bin]:
        """Confidence against accuracy."""
        return reliability(self.scores, self.reference)

    @cached_property
    def coverage(self) -> list[Covered]:
        """Accuracy against the share of recordings that are kept."""
        return coverage(self.scores, self.reference)

    @property
    def kept(self) -> Covered | None:
        """What ``min_confidence`` leaves; None where it is 0 or leaves nothing."""
        if not self.min_confidence:
            return None
        return at_least(self.scores, self.reference, self.min_confidence)

    @cached_property
    def mistakes(self) -> list[Mistake]:
        """The most confident ones first."""
        top = self.scores.max(1)
        wrong = np.flatnonzero(self.predicted != self.reference)
        order = wrong[np.argsort(-top[wrong], kind="stable")][:MISTAKES]
        return [
            Mistake(
                self.samples[k],
                LABELS[self.reference[k]],
                LABELS[self.predicted[k]],
                float(top[k]),
            )
            for k in order
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists: ``overall`` and ``groups``, with the keys that EmoBox uses."""
        return {
            "labels": list(self.labels),
            "mapping": [
                {"label": name, "emotion": emotion, "count": count}
                for name, emotion, count in self.labelled.mapped
            ],
            "unmapped": self.labelled.unmapped,
            "outside": self.labelled.outside,
            "failed": [{"file": name, "error": error} for name, error in self.failed],
            "overall": self.overall.to_dict(),
            "groups": {
                column: {name: group.to_dict() for name, group in groups.items()}
                for column, groups in self.groups.items()
            },
            "speakers": {
                name: {"num": one.num, "wa": one.wa, "ua": one.ua, "macro_f1": one.macro_f1}
                for name, one in self.speakers.items()
            },
            "reliability": [asdict(one) for one in self.reliability],
            "coverage": [asdict(one) for one in self.coverage],
            "min_confidence": asdict(self.kept) if self.kept else None,
            "mistakes": [
                {
                    "file": one.sample.name,
                    "path": str(one.sample.path),
                    "reference": one.reference,
                    "predicted": one.predicted,
                    "confidence": one.confidence,
                }
                for one in self.mistakes
            ],
        }

    def _group(self, index: Classes) -> Group:
        reference, predicted = self.reference[index], self.predicted[index]
        speakers = [self.samples[k].speaker for k in index]
        units = [name for name in speakers if name]
        kind = "speakers"
        if len(units) < len(speakers) or len(set(units)) < 2:
            units, kind = [str(k) for k in index], "recordings"
        return Group(
            figures(confusion(reference, predicted)),
            intervals(reference, predicted, units),
            kind,
            len(set(units)),
            calibration_error(self.scores[index], reference),
        )
