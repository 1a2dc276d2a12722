"""Figures of a classification, all of them from the table of confusions.

The classes that count are those of the references, so a prediction outside of them is an error and
nothing else: `wa` and `ua` are the accuracy and the mean recall (UAR), the F1 scores are those of
scikit-learn with ``labels`` set to the reference classes, but for `micro_f1`, which counts every
prediction, as EmoBox does, and so equals the accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.core.labels import LABELS

DRAWS: Final = 2000
_PERCENTILES: Final = (2.5, 97.5)

Counts = NDArray[np.int64]
Classes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ClassFigures:
    """One reference class.

    Attributes:
        precision: Share of its predictions that are right; 0 where there are none.
        recall: Share of its recordings that are found.
        f1: Harmonic mean of both.
        support: Its recordings.
    """

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Figures:
    """A table of confusions in figures.

    Attributes:
        num: Recordings.
        wa: Accuracy ("weighted accuracy").
        ua: Mean recall of the reference classes ("unweighted accuracy", UAR).
        micro_f1: Equal to the accuracy, see the module's text.
        macro_f1: Mean F1 of the reference classes.
        weighted_f1: The same, weighted by support.
        classes: Each reference class.
        confusion: int64, (9, 9), reference labels by predicted labels.
    """

    num: int
    wa: float
    ua: float
    micro_f1: float
    macro_f1: float
    weighted_f1: float
    classes: dict[str, ClassFigures]
    confusion: Counts

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists, with the keys that EmoBox uses."""
        shown = [k for k in range(len(LABELS)) if self.confusion[k].any()]
        found = [k for k in range(len(LABELS)) if self.confusion[:, k].any() or k in shown]
        return {
            "num": self.num,
            "wa": self.wa,
            "ua": self.ua,
            "micro_f1": self.micro_f1,
            "macro_f1": self.macro_f1,
            "weighted_f1": self.weighted_f1,
            "confusion": {
                "reference": [LABELS[k] for k in shown],
                "predicted": [LABELS[k] for k in found],
                "counts": self.confusion[np.ix_(shown, found)].tolist(),
            },
            "report": {
                name: {
                    "precision": one.precision,
                    "recall": one.recall,
                    "f1": one.f1,
                    "support": one.support,
                }
                for name, one in self.classes.items()
            },
        }


def confusion(reference: Classes, predicted: Classes) -> Counts:
    """Counts, (9, 9), reference labels by predicted labels.

    Args:
        reference: int64, (N,), places in `emotion.core.labels.LABELS`.
        predicted: int64, (N,).
    """
    size = len(LABELS)
    return np.bincount(reference * size + predicted, minlength=size * size).reshape(size, size)


def recall_mean(counts: NDArray[Any]) -> Any:
    """Mean recall over the classes that have recordings (UAR).

    Args:
        counts: (..., 9, 9).

    Returns:
        (...), NaN where there are no recordings at all.
    """
    support = counts.sum(-1)  # (..., 9)
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    recall = np.where(support > 0, right / np.maximum(support, 1), 0.0)
    return recall.sum(-1) / _or_nan((support > 0).sum(-1))


def accuracy(counts: NDArray[Any]) -> Any:
    """Share of the recordings that are right: (..., 9, 9) to (...)."""
    right = np.diagonal(counts, axis1=-2, axis2=-1).sum(-1)
    return right / _or_nan(counts.sum((-2, -1)))


def macro_f1(counts: NDArray[Any]) -> Any:
    """Mean F1 over the classes that have recordings: (..., 9, 9) to (...)."""
    support = counts.sum(-1)
    return np.where(support > 0, _f1(counts), 0.0).sum(-1) / _or_nan((support > 0).sum(-1))


def figures(counts: Counts) -> Figures:
    """All figures of a table of confusions.

    Args:
        counts: (9, 9), from `confusion`, with at least one recording.
    """
    support, predicted = counts.sum(1), counts.sum(0)
    right, f1 = counts.diagonal(), _f1(counts)
    classes = {
        LABELS[k]: ClassFigures(
            float(right[k] / predicted[k]) if predicted[k] else 0.0,
            float(right[k] / support[k]),
            float(f1[k]),
            int(support[k]),
        )
        for k in np.flatnonzero(support)
    }
    wa = float(accuracy(counts))
    return Figures(
        num=int(support.sum()),
        wa=wa,
        ua=float(recall_mean(counts)),
        micro_f1=wa,
        macro_f1=float(macro_f1(counts)),
        weighted_f1=float((f1 * support).sum() / support.sum()),
        classes=classes,
        confusion=counts,
    )


def intervals(
    reference: Classes,
    predicted: Classes,
    units: Sequence[str],
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """95 % bootstrap intervals: units are drawn with replacement.

    Recordings of one speaker resemble each other, so speakers are the units wherever they are
    known; drawing recordings would give intervals that are too narrow.

    Args:
        reference: int64, (N,).
        predicted: int64, (N,).
        units: (N,), whose recording each is.
        draws: How often.
        seed: Of the draws.

    Returns:
        Low and high of ``wa``, ``ua`` and ``macro_f1``.
    """
    rng = np.random.default_rng(seed)
    draw = _drawer(unit_tables(reference, predicted, units), len(reference), rng)
    drawn: dict[str, list[float]] = {"wa": [], "ua": [], "macro_f1": []}
    for _ in range(draws):  # one by one: all at once would take memory by units times draws
        counts = draw()
        drawn["wa"].append(float(accuracy(counts)))
        drawn["ua"].append(float(recall_mean(counts)))
        drawn["macro_f1"].append(float(macro_f1(counts)))
    found = {name: np.percentile(values, _PERCENTILES) for name, values in drawn.items()}
    return {name: (float(low), float(high)) for name, (low, high) in found.items()}


def unit_tables(reference: Classes, predicted: Classes, units: Sequence[str]) -> Counts:
    """A table of confusions for each unit, (units, 9, 9), by the units' names in order."""
    names, places = np.unique(np.asarray(units), return_inverse=True)
    size = len(LABELS)
    flat = places * size * size + reference * size + predicted
    return np.bincount(flat, minlength=len(names) * size * size).reshape(-1, size, size)


def _drawer(tables: Counts, recordings: int, rng: np.random.Generator) -> Callable[[], Counts]:
    """Draws units with replacement and adds up their tables."""
    if len(tables) == recordings:  # each recording on its own: the cells of their sum are drawn
        total = tables.sum(0)
        shares = total.ravel() / recordings
        return lambda: rng.multinomial(recordings, shares).reshape(total.shape)

    def draw() -> Counts:
        times = np.bincount(rng.integers(len(tables), size=len(tables)), minlength=len(tables))
        summed: Counts = np.tensordot(times, tables, axes=1)
        return summed

    return draw


def _f1(counts: NDArray[Any]) -> Any:
    """F1 of each class, (..., 9); 0 where there is neither recording nor prediction."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    both = counts.sum(-1) + counts.sum(-2)
    return 2 * right / np.maximum(both, 1)


def _or_nan(count: Any) -> Any:
    return np.where(count > 0, count, np.nan)
