"""The corpora: their manifest, their audio, folds of speakers and balanced sampling.

The manifest is a CSV file with the columns path (relative to the manifest), label, speaker and
corpus.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from emotion.core.labels import LABELS

RATE_HZ = 16_000


@dataclass(frozen=True)
class Clip:
    """One recording of one speaker.

    Attributes:
        path: Audio file, 16 kHz mono.
        label: Index into `LABELS`.
        speaker: Unique over all corpora.
        corpus: Name of the corpus.
    """

    path: Path
    label: int
    speaker: str
    corpus: str


def read_manifest(path: Path) -> list[Clip]:
    """Reads the clips of a manifest, in its order.

    Raises:
        ValueError: A label is none of ours, or one speaker is in two corpora.
    """
    clips: list[Clip] = []
    home: dict[str, str] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["label"] not in LABELS:
                raise ValueError(f"{row['path']}: label {row['label']!r}, expected one of {LABELS}")
            speaker, corpus = row["speaker"], row["corpus"]
            if home.setdefault(speaker, corpus) != corpus:
                raise ValueError(f"speaker {speaker} is in {home[speaker]} and in {corpus}")
            clips.append(
                Clip(path.parent / row["path"], LABELS.index(row["label"]), speaker, corpus)
            )
    return clips


def assign_folds(clips: Sequence[Clip], folds: int, seed: int) -> dict[str, int]:
    """Deals the speakers of every corpus out to the folds, so that each fold has all corpora.

    Returns:
        Fold, 0 to ``folds`` - 1, of every speaker.

    Raises:
        ValueError: A corpus has fewer speakers than there are folds.
    """
    rng = np.random.default_rng(seed)
    result: dict[str, int] = {}
    for corpus in sorted({clip.corpus for clip in clips}):
        speakers = sorted({clip.speaker for clip in clips if clip.corpus == corpus})
        if len(speakers) < folds:
            raise ValueError(f"{corpus} has {len(speakers)} speakers, {folds} folds need as many")
        for i, k in enumerate(rng.permutation(len(speakers))):
            result[speakers[k]] = i % folds
    return result


def read_audio(path: Path) -> NDArray[np.int16]:
    """Decodes one file: int16, (samples,), 16 kHz.

    Raises:
        ValueError: Not 16 kHz mono.
    """
    audio, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    if rate_hz != RATE_HZ or audio.shape[1] != 1:
        raise ValueError(f"{path}: {rate_hz} Hz, {audio.shape[1]} channels, expected 16 kHz mono")
    return np.ascontiguousarray(audio[:, 0])


def loud_frames(audio: NDArray[Any], floor_db: float) -> NDArray[np.bool_]:
    """Which 20 ms are within ``floor_db`` of the loudest: (samples // 320,)."""
    hop = RATE_HZ // 50
    count = len(audio) // hop
    power = np.square(audio[: count * hop].reshape(count, hop).astype(np.float64)).mean(1)
    return np.asarray(power > power.max() * 10 ** (-floor_db / 10), np.bool_)


def speech_span(audio: NDArray[np.int16], floor_db: float = 35.0) -> tuple[int, int]:
    """First and last sample (end exclusive) of what is within ``floor_db`` of the loudest 20 ms."""
    hop = RATE_HZ // 50
    if len(audio) < 2 * hop:
        return 0, len(audio)
    loud = np.flatnonzero(loud_frames(audio, floor_db))
    if not len(loud):  # digital silence
        return 0, len(audio)
    return int(loud[0]) * hop, (int(loud[-1]) + 1) * hop


def sampling_weights(clips: Sequence[Clip], corpus_power: float) -> NDArray[np.float64]:
    """Weight of each clip in the draw: labels alike in a corpus, then speakers of that label.

    Args:
        clips: N clips.
        corpus_power: A corpus weighs its number of clips to this power.

    Returns:
        (N,), sums to one.
    """
    groups: dict[tuple[str, int], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    size: dict[str, int] = defaultdict(int)
    labels: dict[str, set[int]] = defaultdict(set)
    for clip in clips:
        groups[clip.corpus, clip.label][clip.speaker] += 1
        size[clip.corpus] += 1
        labels[clip.corpus].add(clip.label)
    weights = []
    for clip in clips:
        group = groups[clip.corpus, clip.label]
        corpus = size[clip.corpus] ** corpus_power / len(labels[clip.corpus])
        weights.append(corpus / len(group) / group[clip.speaker])
    result: NDArray[np.float64] = np.array(weights) / np.sum(weights)
    return result
