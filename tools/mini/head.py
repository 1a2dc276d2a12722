"""The classifier: logistic regression on mean features, folded into the network's linear head.

It hears every recording whole, and with less weight one second of it alone: so it can judge short
windows, too. As much weight on the seconds costs accuracy on whole recordings. It also hears each
recording in worse conditions. Its regularisation penalises the variance of its logits within a
recording, and between a recording and the same recording in a worse condition.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from emotion.models.network import Emotion2vec
from tools.mini.changes import any_change
from tools.mini.data import RATE_HZ, Clip, sampling_weights, speech_span
from tools.mini.training import Recipe

NEVER = -20.0  # logit of a label that no clip has
_MARGIN = RATE_HZ // 5


def listen(
    model: Emotion2vec, recordings: Sequence[NDArray[np.int16]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the features of N recordings are, each heard alone.

    Returns:
        Their means, (N, D), and how frames vary about them, the mean covariance within a
        recording, (D, D).
    """
    width = model.config.embed_dim
    means, within = np.zeros((len(recordings), width)), np.zeros((width, width))
    with torch.inference_mode():
        for row, audio in zip(means, recordings, strict=True):
            features = model(torch.from_numpy(audio / np.float32(32768))[None])[0].double()
            row[:] = features.mean(0).numpy()
            about = features - features.mean(0)  # (T, D)
            within += (about.T @ about / len(about)).numpy() / len(recordings)
    return means, within


def one_second(audio: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """A second of a recording, speech as far as there is any; all of it where it is shorter."""
    if len(audio) <= RATE_HZ:
        return audio
    first, last = speech_span(audio)
    lowest = min(max(0, first - _MARGIN), len(audio) - RATE_HZ)
    highest = min(max(lowest, last + _MARGIN - RATE_HZ), len(audio) - RATE_HZ)
    start = int(rng.integers(lowest, highest + 1))
    return audio[start : start + RATE_HZ]


def softening(cost: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """The linear map of features under which L2 regularisation also penalises variance: (D, D).

    Args:
        cost: (D, D), covariances times their penalties.
        scale: (D,), standard deviations of the features.
    """
    # With w = A c and A = (1 + cost)^-1/2, |c|^2 is |w|^2 and what the variances of w x cost.
    value, vector = np.linalg.eigh(cost / np.outer(scale, scale))
    result: NDArray[np.float64] = vector / np.sqrt(1 + value) @ vector.T / scale[:, None]
    return result


def fit_head(
    model: Emotion2vec,
    clips: Sequence[Clip],
    recordings: Sequence[NDArray[np.int16]],
    recipe: Recipe,
) -> None:
    """Fits the head to the labels of N clips; nothing else of the network changes.

    Args:
        model: In evaluation mode, on waveforms; its head is replaced.
        clips: N clips.
        recordings: int16, (samples,) each, 16 kHz, of the clips.
        recipe: Settings.
    """
    rng = np.random.default_rng(recipe.seed)
    whole, within = listen(model, recordings)
    seconds, _ = listen(model, [one_second(audio, rng) for audio in recordings])
    changed = [
        listen(model, [any_change(audio, rng) for audio in recordings])[0]
        for _ in range(recipe.changes)
    ]
    mean, scale = whole.mean(0), whole.std(0)
    cost = recipe.smoothness * within
    for table in changed:
        moved = table - whole
        cost += recipe.steadiness / len(changed) * (moved.T @ moved / len(moved))
    soften = softening(cost, scale)
    weight = sampling_weights(clips, recipe.corpus_power) * len(clips)
    counts = [1.0, recipe.second_weight, *[recipe.changed_weight] * len(changed)]
    classifier = LogisticRegression(C=recipe.strength, max_iter=5000).fit(
        (np.concatenate([whole, seconds, *changed]) - mean) @ soften,
        np.tile([clip.label for clip in clips], len(counts)),
        sample_weight=np.outer(counts, weight).ravel(),
    )
    matrix, bias = classifier.coef_, classifier.intercept_
    if len(classifier.classes_) == 2:  # scikit-learn then keeps the second one's alone
        matrix, bias = np.concatenate([0 * matrix, matrix]), np.concatenate([0 * bias, bias])
    matrix = matrix @ soften.T
    known = torch.from_numpy(classifier.classes_)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.fill_(NEVER)
        model.head.weight[known] = torch.from_numpy(matrix).float()
        model.head.bias[known] = torch.from_numpy(bias - matrix @ mean).float()
