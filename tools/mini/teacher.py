"""What linear classifiers on a recording's figures say of it, as targets for the network.

They are strongly regularised, so that they are nearly as good on unseen speakers as on those they
were fitted to; and they are functions of sound, so that every voice has targets of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from tools.mini.data import Clip, sampling_weights

STRENGTH = 0.003  # inverse of the regularisation


def teach(
    clips: Sequence[Clip], figures: Sequence[NDArray[np.float32]], corpus_power: float
) -> list[NDArray[np.float32]]:
    """Logits of a classifier fitted to all clips, and of one fitted to each corpus.

    Args:
        clips: N clips.
        figures: For each voice, (N, figures) of the clips, standardised.
        corpus_power: See `sampling_weights`.

    Returns:
        For each voice, float32, (N, logits).
    """
    label = np.array([clip.label for clip in clips])
    corpus = np.array([clip.corpus for clip in clips])
    weight = sampling_weights(clips, corpus_power)
    groups = [np.full(len(clips), True)]
    groups += [corpus == name for name in np.unique(corpus)] if len(set(corpus)) > 1 else []
    result: list[list[NDArray[np.float64]]] = [[] for _ in figures]
    for own in groups:
        classifier = LogisticRegression(C=STRENGTH, max_iter=5000).fit(
            np.concatenate([table[own] for table in figures]),
            np.tile(label[own], len(figures)),
            sample_weight=np.tile(weight[own] / weight[own].mean(), len(figures)),
        )
        for logits, table in zip(result, figures, strict=True):
            logits.append(classifier.decision_function(table).reshape(len(table), -1))
    return [np.concatenate(logits, axis=1).astype(np.float32) for logits in result]
