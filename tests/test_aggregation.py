"""Frame logits to scores: the utterance, its windows, the curve over time."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.core.labels import LABELS
from emotion.recognition.aggregation import Aggregator, Verdict, softmax, windows

HAPPY = LABELS.index("happy")


def logits(frames: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((frames, len(LABELS))).astype(np.float32)


def added(parts: list[NDArray[np.float32]], window: int = 48_000) -> Aggregator:
    found = Aggregator(keep_curve=True)
    for i, part in enumerate(parts):
        features = np.full((len(part), 2), i, np.float32)
        found.add((i * window, (i + 1) * window), features, part)
    return found


@pytest.mark.parametrize(
    ("seconds", "window", "count"), [(0.03, 30, 1), (30, 30, 1), (30.1, 30, 2), (65.2, 30, 3)]
)
def test_windows_are_equal_and_meet_on_steps(seconds: float, window: float, count: int) -> None:
    samples = int(seconds * 16_000)
    spans = windows(samples, window)
    assert len(spans) == count and spans[0][0] == 0 and spans[-1][1] == samples
    assert all(a[1] == b[0] and b[0] % 1600 == 0 for a, b in pairwise(spans))
    lengths = [stop - start for start, stop in spans]
    assert max(lengths) <= window * 16_000 and max(lengths) - min(lengths) <= 3200


def test_softmax_of_minus_infinity_is_zero() -> None:
    scores = softmax(np.array([[0.0, -np.inf, 0.0], [1000.0, 0.0, -1000.0]]))
    np.testing.assert_allclose(scores, [[0.5, 0, 0.5], [1, 0, 0]])


def test_a_verdict_names_the_best_and_those_above_three_percent() -> None:
    values = np.log(np.array([0.5, 0.31, 0.1, 0.04, 0.029, 0.01, 0.005, 0.004, 0.002]))
    verdict = Verdict.of(values)
    assert verdict.emotion == "angry" and verdict.confidence == pytest.approx(0.5)
    assert list(verdict.secondary) == ["disgusted", "fearful", "happy"]
    assert list(verdict.scores) == list(LABELS)
    assert sum(verdict.scores.values()) == pytest.approx(1, abs=1e-6)


def test_the_utterance_is_the_mean_of_all_frames_not_of_the_windows() -> None:
    parts = [logits(150, 1), logits(30, 2)]
    expected = softmax(np.concatenate(parts).mean(0, dtype=np.float64))
    found = added(parts)
    np.testing.assert_allclose(list(found.verdict().scores.values()), expected, atol=1e-6)
    np.testing.assert_allclose(found.embedding(), np.full(2, 30 / 180), rtol=1e-6)
    assert found.embedding().dtype == np.float32


def test_each_window_has_its_own_segment() -> None:
    angry, happy = np.zeros((2, 50, 9), np.float32)
    angry[:, 0], happy[:, HAPPY] = 3, 3
    segments = added([angry, happy]).segments
    assert [(s.emotion, s.start_s, s.end_s) for s in segments] == [
        ("angry", 0.0, 3.0),
        ("happy", 3.0, 6.0),
    ]


@pytest.mark.parametrize("frames", [1, 4, 5, 149, 150])
def test_the_curve_averages_to_the_utterance_in_logit_space(frames: int) -> None:
    found = added([logits(150, 1), logits(frames, 2)])
    curve = found.curve()
    assert sum(curve.weights) == 150 + frames
    logs = np.log([curve.scores[label] for label in LABELS])
    mean = softmax(np.average(logs, axis=1, weights=curve.weights))
    np.testing.assert_allclose(mean, list(found.verdict().scores.values()), atol=1e-6)


def test_a_step_without_a_frame_repeats_the_one_before() -> None:
    found = added([logits(145, 1), logits(150, 2)])  # the first window lacks its last step
    curve = found.curve()
    assert len(curve.weights) == 60 and curve.weights[29] == 0
    assert curve.scores["happy"][29] == curve.scores["happy"][28]


def test_steps_hold_the_mean_of_five_frames() -> None:
    part = logits(12)
    curve = added([part]).curve()
    assert curve.weights == [5, 5, 2] and curve.step_s == 0.1
    expected = softmax(part[10:].mean(0, dtype=np.float64))
    np.testing.assert_allclose([curve.scores[n][2] for n in LABELS], expected, atol=1e-6)


def test_only_the_labels_asked_for_compete() -> None:
    parts = [logits(150, 3), logits(100, 4)]
    whole = added(parts)
    some = Aggregator(keep_curve=True, labels=("angry", "sad"))
    for i, part in enumerate(parts):
        some.add((i * 48_000, (i + 1) * 48_000), np.zeros((len(part), 2), np.float32), part)
    scores, all_scores = some.verdict().scores, whole.verdict().scores
    assert [label for label in LABELS if scores[label]] == ["angry", "sad"]
    share = all_scores["angry"] / (all_scores["angry"] + all_scores["sad"])
    assert scores["angry"] == pytest.approx(share, abs=1e-6)
    curve = some.curve()
    np.testing.assert_allclose(np.add(curve.scores["angry"], curve.scores["sad"]), 1, atol=1e-6)
    assert all(sum(part.scores.values()) == pytest.approx(1) for part in some.segments)


def test_below_the_wanted_confidence_a_verdict_is_uncertain() -> None:
    values = np.log(np.array([0.5, 0.31, 0.1, 0.04, 0.029, 0.01, 0.005, 0.004, 0.002]))
    assert not Verdict.of(values, min_confidence=0.4999).uncertain
    assert Verdict.of(values, min_confidence=0.51).uncertain
    found = Aggregator(min_confidence=0.9)
    found.add((0, 16_000), np.zeros((50, 2), np.float32), logits(50))
    assert found.segments[0].uncertain and found.verdict().uncertain
