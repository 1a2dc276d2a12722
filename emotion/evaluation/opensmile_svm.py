"""The field's baseline: openSMILE's eGeMAPS and a support vector machine.

88 functionals of pitch, loudness, spectrum and voice quality (Eyben et al. 2016), standardised, and
a linear SVM. Its constant is chosen by cross-validation over speakers; its scores are a softmax of
the distances to its planes, at the temperature that is likeliest on speakers left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from emotion.audio import decode
from emotion.core.config import SAMPLE_RATE_HZ, AudioConfig
from emotion.core.corpus_errors import CorpusError
from emotion.core.errors import EmotionError, ModelError
from emotion.core.labels import LABELS
from emotion.evaluation.metrics import Classes, Floats

LICENCE: Final = "openSMILE: research and private use only"
MISSING: Final = "openSMILE is not installed: pip install -r requirements-compare.txt"
_CONSTANTS: Final = (0.001, 0.01, 0.1, 1.0)
_FOLDS: Final = 4
_TEMPERATURES: Final = tuple(float(t) for t in np.exp(np.linspace(np.log(0.05), np.log(5), 60)))


class OpenSmileSvm:
    """A classifier that is fitted to labelled recordings.

    Args:
        audio: What is accepted as a recording.

    Raises:
        ModelError: openSMILE is not installed.
    """

    feature_dim: int = 88

    def __init__(self, audio: AudioConfig | None = None) -> None:
        try:
            import opensmile
        except ImportError as e:
            raise ModelError(reason=MISSING) from e
        self._audio = audio or AudioConfig()
        self._smile: Any = opensmile.Smile(
            opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals
        )
        self._machine: Any = None
        self._classes: Classes = np.zeros(0, int)
        self._temperature = 1.0

    def fit(
        self, paths: Sequence[Path], emotions: Sequence[str], speakers: Sequence[str] | None = None
    ) -> OpenSmileSvm:
        """Learns from labelled recordings; those that cannot be read are left out.

        Args:
            paths: N recordings.
            emotions: Their emotions.
            speakers: Whose they are; None where that is not known. No speaker is on both sides of
                the cross-validation.

        Returns:
            Itself.

        Raises:
            CorpusError: There are fewer than two emotions among them.
        """
        rows, kept = [], []
        for place, path in enumerate(paths):
            try:
                rows.append(self.features(path))
            except EmotionError:
                continue
            kept.append(place)
        y = np.array([LABELS.index(emotions[place]) for place in kept], int)
        self._classes = np.unique(y)
        if len(self._classes) < 2:
            raise CorpusError(reason="the baseline needs recordings of two emotions or more")
        groups = np.array([speakers[place] if speakers else str(place) for place in kept])
        self._learn(np.array(rows), y, groups)
        return self

    def features(self, path: Path) -> Floats:
        """The functionals of a recording: float64, (88,).

        Raises:
            AudioError: It cannot be read.
        """
        recording = decode(path, self._audio)
        try:
            samples = recording.samples
        finally:
            recording.close()
        values = self._smile.process_signal(samples, SAMPLE_RATE_HZ).to_numpy(float)[0]
        finite: Floats = np.nan_to_num(np.asarray(values, float), posinf=0.0, neginf=0.0)
        return finite

    def score_of(self, path: Path) -> Floats:
        """The scores of a recording: float64, (9,); emotions that were never heard get 0.

        Raises:
            AudioError: It cannot be read.
        """
        (scores,) = self._scores(self._distances(self._machine, self.features(path)[None]))
        return np.asarray(scores, float)

    def _learn(self, x: Floats, y: Classes, groups: Any) -> None:
        """Chooses the constant and the temperature on speakers left out, then fits to all."""
        best = (-1.0, _CONSTANTS[1], np.zeros((0, 0)))
        folds = _folds(y, groups)
        for constant in _CONSTANTS if folds else ():
            distances = np.full((len(y), len(self._classes)), -np.inf)
            for train, test in folds:
                machine = _machine(constant).fit(x[train], y[train])
                known = np.searchsorted(self._classes, machine.classes_)
                distances[np.ix_(test, known)] = self._distances(machine, x[test])
            right = self._classes[distances.argmax(1)] == y
            recall = float(np.mean([right[y == k].mean() for k in self._classes]))
            if recall > best[0]:
                best = (recall, constant, distances)
        self._machine = _machine(best[1]).fit(x, y)
        if folds:
            self._temperature = self._likeliest(best[2], y)

    def _distances(self, machine: Any, x: Floats) -> Floats:
        """Distances to the planes: (N, classes)."""
        found = np.asarray(machine.decision_function(x), float)
        return np.stack([-found, found], axis=1) if found.ndim == 1 else found

    def _likeliest(self, distances: Floats, y: Classes) -> float:
        places = np.searchsorted(self._classes, y)
        rows = np.arange(len(y))
        losses = [
            -np.log(_softmax(distances / t)[rows, places] + 1e-12).mean() for t in _TEMPERATURES
        ]
        return _TEMPERATURES[int(np.argmin(losses))]

    def _scores(self, distances: Floats) -> Floats:
        scores = np.zeros((len(distances), len(LABELS)))
        scores[:, self._classes] = _softmax(distances / self._temperature)
        return scores


def _machine(constant: float) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    svm = SVC(
        kernel="linear", C=constant, class_weight="balanced", decision_function_shape="ovr"
    )  # fmt: skip
    return make_pipeline(StandardScaler(), svm)


def _folds(y: Classes, groups: Any) -> list[tuple[Any, Any]]:
    """Parts of the recordings without common speakers; none where there are too few speakers."""
    from sklearn.model_selection import StratifiedGroupKFold

    count = min(_FOLDS, len(set(groups.tolist())), int(np.bincount(y)[np.unique(y)].min()))
    if count < 2:
        return []
    parts = StratifiedGroupKFold(count, shuffle=True, random_state=0).split(y, y, groups)
    return [(train, test) for train, test in parts if len(set(y[train].tolist())) > 1]


def _softmax(values: Floats) -> Floats:
    exp = np.exp(values - values.max(1, keepdims=True))
    return np.asarray(exp / exp.sum(1, keepdims=True), float)
