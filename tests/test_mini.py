"""The shipped ``emotion2vec_mini`` on real speech: what it recognises, and that all agree on it.

It was trained on these speakers, so this pins the file and the way to it, not what it is worth on
others; that is cross-validated and stands in its model card.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tools.mini.agreement import funasr_scores, our_scores
from tools.mini.data import Clip, read_manifest
from tools.mini.evaluate import unweighted_recall

PINNED = {"emodb": 0.80, "nemo": 0.70, "ravdess": 0.65}
SPEAKER = "rav03"


@pytest.fixture(scope="module")
def some(speech: Path) -> list[Clip]:
    """Every tenth clip of each corpus, 120 at most."""
    clips = read_manifest(speech / "manifest.csv")
    return [
        clip
        for corpus in PINNED
        for clip in [clip for clip in clips if clip.corpus == corpus][::10][:120]
    ]


def test_recall_is_as_it_was_shipped(some: list[Clip], mini_checkpoint: Path) -> None:
    label = np.array([clip.label for clip in some])
    corpus = np.array([clip.corpus for clip in some])
    found = our_scores(mini_checkpoint, some, "fp32").argmax(1)
    for name, pinned in PINNED.items():
        own = corpus == name
        assert unweighted_recall(label[own], found[own]) > pinned, name


def test_bfloat16_gives_the_same_labels(some: list[Clip], mini_checkpoint: Path) -> None:
    full = our_scores(mini_checkpoint, some, "fp32")
    brief = our_scores(mini_checkpoint, some, "bf16")
    assert (full.argmax(1) == brief.argmax(1)).mean() >= 0.995
    assert np.abs(full - brief).max() < 0.02


@pytest.mark.slow
def test_funasr_gives_the_same_labels(speech: Path, mini_checkpoint: Path) -> None:
    pytest.importorskip("funasr")
    clips = [c for c in read_manifest(speech / "manifest.csv") if c.speaker == SPEAKER]
    ours, theirs = our_scores(mini_checkpoint, clips, "fp32"), funasr_scores(mini_checkpoint, clips)
    assert len(clips) > 40
    assert (ours.argmax(1) == theirs.argmax(1)).all()
    assert np.abs(ours - theirs).max() < 1e-3
