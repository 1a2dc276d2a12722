"""The classifier: logistic regression on mean features, folded into the network's linear head.

It hears every recording whole, and with less weight one second of it alone: so it can judge short
windows, too. As much weight on the seconds costs accuracy on whole recordings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from emotion.model import Emotion2vec
from tools.mini.data import RATE_HZ, Clip, sampling_weights, speech_span

NEVER = -20.0  # logit of a label that no clip has
_MARGIN = RATE_HZ // 5


def mean_features(
    model: Emotion2vec, recordings: Sequence[NDArray[np.int16]]
) -> NDArray[np.float32]:
    """Mean feature of each of N recordings, heard alone: float32, (N, D)."""
    result = np.zeros((len(recordings), model.config.embed_dim), np.float32)
    with torch.inference_mode():
        for row, audio in zip(result, recordings, strict=True):
            waveform = torch.from_numpy(audio / np.float32(32768))[None]
            row[:] = model(waveform)[0].mean(0).numpy()
    return result


def one_second(audio: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
    """A second of a recording, speech as far as there is any; all of it where it is shorter."""
    if len(audio) <= RATE_HZ:
        return audio
    first, last = speech_span(audio)
    lowest = min(max(0, first - _MARGIN), len(audio) - RATE_HZ)
    highest = min(max(lowest, last + _MARGIN - RATE_HZ), len(audio) - RATE_HZ)
    start = int(rng.integers(lowest, highest + 1))
    return audio[start : start + RATE_HZ]


def fit_head(
    model: Emotion2vec,
    clips: Sequence[Clip],
    recordings: Sequence[NDArray[np.int16]],
    corpus_power: float,
    strength: float,
    second_weight: float,
    seed: int,
) -> None:
    """Fits the head to the labels of N clips; nothing else of the network changes.

    Args:
        model: In evaluation mode, on waveforms; its head is replaced.
        clips: N clips.
        recordings: int16, (samples,) each, 16 kHz, of the clips.
        corpus_power: See `sampling_weights`.
        strength: Inverse of the regularisation, ``C`` of scikit-learn.
        second_weight: What a second of a recording counts, the whole being 1.
        seed: Of the choice of the seconds.
    """
    rng = np.random.default_rng(seed)
    whole = mean_features(model, recordings)
    seconds = mean_features(model, [one_second(audio, rng) for audio in recordings])
    scaler = StandardScaler().fit(whole)
    weight = sampling_weights(clips, corpus_power) * len(clips)
    classifier = LogisticRegression(C=strength, max_iter=5000).fit(
        scaler.transform(np.concatenate([whole, seconds])),
        np.tile([clip.label for clip in clips], 2),
        sample_weight=np.concatenate([weight, second_weight * weight]),
    )
    matrix, bias = classifier.coef_, classifier.intercept_
    if len(classifier.classes_) == 2:  # scikit-learn then keeps the second one's alone
        matrix, bias = np.concatenate([0 * matrix, matrix]), np.concatenate([0 * bias, bias])
    matrix = matrix / scaler.scale_
    known = torch.from_numpy(classifier.classes_)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.fill_(NEVER)
        model.head.weight[known] = torch.from_numpy(matrix).float()
        model.head.bias[known] = torch.from_numpy(bias - matrix @ scaler.mean_).float()
