"""Predictions on unseen speakers and what they are worth: recall, confusion, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from emotion.core.labels import LABELS
from emotion.evaluation import calibration as metric
from emotion.evaluation.metrics import confusion, recall_mean, unit_tables
from emotion.models.network import Emotion2vec, num_frames
from tools.mini.data import Clip

BINS = 15
_Floats = NDArray[np.float64]
_Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Predictions:
    """Logits of clips whose speakers the network has not heard.

    Attributes:
        logits: float64, (N, labels), at temperature 1.
        label: int64, (N,), true labels.
        speaker: str, (N,).
        corpus: str, (N,).
    """

    logits: _Floats
    label: _Ints
    speaker: NDArray[np.str_]
    corpus: NDArray[np.str_]

    def save(self, path: Path) -> None:
        """Writes an ``.npz`` file."""
        np.savez_compressed(path, **vars(self))

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> Predictions:
        """Some of them."""
        return Predictions(*(array[index] for array in vars(self).values()))


def load_predictions(paths: Sequence[Path]) -> Predictions:
    """Reads and pools the predictions of several folds.

    Raises:
        ValueError: No file, or a speaker was tested twice.
    """
    if not paths:
        raise ValueError("no predictions.npz found")
    tables = []
    for path in paths:
        with np.load(path) as file:
            tables.append(dict(file))
    speakers = [s for table in tables for s in np.unique(table["speaker"])]
    if len(set(speakers)) < len(speakers):
        raise ValueError("a speaker was tested in two folds")
    return Predictions(**{k: np.concatenate([table[k] for table in tables]) for k in tables[0]})


@torch.no_grad()
def predict(
    model: Emotion2vec,
    clips: Sequence[Clip],
    recordings: Sequence[NDArray[np.int16]],
    batch: int = 16,
) -> Predictions:
    """Utterance logits of whole recordings.

    Args:
        model: In evaluation mode.
        clips: N clips.
        recordings: int16, (samples,) each, 16 kHz, of the clips.
        batch: Clips computed at once, of similar length.
    """
    order = np.argsort([len(audio) for audio in recordings], kind="stable")
    logits = np.zeros((len(clips), len(LABELS)))
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        lengths = torch.tensor([len(recordings[k]) for k in rows])
        waveforms = torch.zeros(len(rows), int(lengths.max()))
        for i, k in enumerate(rows):
            waveforms[i, : lengths[i]] = torch.from_numpy(recordings[k] / np.float32(32768))
        features = model(waveforms, lengths)  # (B, T, D)
        count = num_frames(model.config.feature_encoder, lengths)[:, None]
        valid = (torch.arange(features.shape[1]) < count)[..., None]  # (B, T, 1)
        logits[rows] = model.head((features * valid).sum(1) / count).double().numpy()
    return Predictions(
        logits,
        np.array([clip.label for clip in clips], np.int64),
        np.array([clip.speaker for clip in clips]),
        np.array([clip.corpus for clip in clips]),
    )


def unweighted_recall(label: _Ints, predicted: _Ints) -> float:
    """Mean over the true labels of the share found (UAR)."""
    return float(recall_mean(confusion(label, predicted)))


def corpus_recalls(p: Predictions) -> dict[str, float]:
    """UAR of every corpus over its own labels, and their mean under ``mean``."""
    predicted = p.logits.argmax(1)
    recalls = {
        str(name): unweighted_recall(p.label[p.corpus == name], predicted[p.corpus == name])
        for name in np.unique(p.corpus)
    }
    return {**recalls, "mean": float(np.mean(list(recalls.values())))}


def bootstrap_recalls(
    p: Predictions, draws: int = 2000, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """95 % intervals of `corpus_recalls`, speakers of a corpus drawn with replacement."""
    rng = np.random.default_rng(seed)
    predicted = p.logits.argmax(1)
    samples: dict[str, list[float]] = {}
    for name in np.unique(p.corpus):
        own = p.corpus == name
        tables = unit_tables(p.label[own], predicted[own], p.speaker[own].tolist())
        places = rng.integers(len(tables), size=(draws, len(tables)))
        samples[str(name)] = list(recall_mean(tables[places].sum(1)))
    samples["mean"] = list(np.mean(list(samples.values()), axis=0))
    intervals = {k: np.percentile(v, [2.5, 97.5]) for k, v in samples.items()}
    return {k: (float(low), float(high)) for k, (low, high) in intervals.items()}


def softmax(logits: _Floats) -> _Floats:
    """Over the last axis."""
    exp = np.exp(logits - logits.max(-1, keepdims=True))
    result: _Floats = exp / exp.sum(-1, keepdims=True)
    return result


def calibration_error(p: Predictions, temperature: float | _Floats = 1.0) -> float:
    """Expected calibration error of the top label over 15 bins of equal width.

    Args:
        p: Predictions.
        temperature: One for all, or (N,).
    """
    scores = softmax(p.logits / np.broadcast_to(temperature, len(p.label))[:, None])
    return metric.calibration_error(scores, p.label, BINS)


def fit_temperature(p: Predictions) -> float:
    """The temperature of least negative log-likelihood, between 0.2 and 5."""
    rows = np.arange(len(p.label))
    grid = np.exp(np.linspace(np.log(0.2), np.log(5.0), 161))
    losses = [-np.log(softmax(p.logits / t)[rows, p.label] + 1e-12).mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


def cross_fitted_error(p: Predictions) -> float:
    """Calibration error when each speaker's temperature is fitted on the other speakers."""
    temperature = np.ones(len(p.label))
    for speaker in np.unique(p.speaker):
        own = p.speaker == speaker
        if not own.all():
            temperature[own] = fit_temperature(p.take(~own))
    return calibration_error(p, temperature)


def report(p: Predictions) -> str:
    """All figures as Markdown."""
    recalls, intervals = corpus_recalls(p), bootstrap_recalls(p)
    lines = ["| corpus | speakers | clips | UAR | 95 % interval |", "|---|---|---|---|---|"]
    for name, value in recalls.items():
        own = p.corpus == name if name != "mean" else np.ones(len(p.label), bool)
        low, high = intervals[name]
        counts = f"{len(np.unique(p.speaker[own]))} | {own.sum()}"
        lines.append(f"| {name} | {counts} | {value:.3f} | {low:.3f} to {high:.3f} |")
    temperature = fit_temperature(p)
    lines += [
        "",
        f"Expected calibration error ({BINS} bins): {calibration_error(p):.3f} before temperature "
        f"scaling, {calibration_error(p, temperature):.3f} at temperature {temperature:.3f}, "
        f"{cross_fitted_error(p):.3f} with each speaker's temperature fitted on the others.",
    ]
    for name in np.unique(p.corpus):
        part = p.take(p.corpus == name)
        lines += ["", f"{name}, rows are true:", ""]
        lines += confusion_table(confusion(part.label, part.logits.argmax(1)))
    return "\n".join(lines) + "\n"


def confusion_table(counts: _Ints) -> list[str]:
    """Lines of a Markdown table of the labels that occur."""
    shown = [k for k in range(len(LABELS)) if counts[k].sum() + counts[:, k].sum()]
    lines = ["| | " + " | ".join(LABELS[k] for k in shown) + " |", "|---" * (len(shown) + 1) + "|"]
    for row in (k for k in shown if counts[k].sum()):
        cells = " | ".join(str(counts[row, k]) for k in shown)
        lines.append(f"| **{LABELS[row]}** | {cells} |")
    return lines
