"""The local curve: which windows are heard, and what is made of them."""

from __future__ import annotations

import numpy as np
import pytest

from emotion.core.labels import LABEL_SETS, LABELS
from emotion.recognition.aggregation import Verdict
from emotion.recognition.local import LocalReader, sliding_windows

S = 16_000


def in_seconds(spans: list[tuple[int, int]]) -> list[tuple[float, float]]:
    return [(a / S, b / S) for a, b in spans]


def test_windows_of_a_second_every_half_second() -> None:
    spans = in_seconds(sliding_windows(round(2.7 * S), [(0, round(2.7 * S))]))
    assert spans == [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0), (1.5, 2.5), (1.7, 2.7)]


@pytest.mark.parametrize("samples", [400, 8_000, S])
def test_a_short_recording_is_one_window(samples: int) -> None:
    assert sliding_windows(samples, [(0, samples)]) == [(0, samples)]


def test_windows_without_speech_are_left_out() -> None:
    spans = in_seconds(sliding_windows(10 * S, [(2 * S, 3 * S), (8 * S, 9 * S)]))
    # A quarter of a second of speech is enough: 1.5 to 2.5 holds half a second.
    assert spans == [(1.5, 2.5), (2.0, 3.0), (2.5, 3.5), (7.5, 8.5), (8.0, 9.0), (8.5, 9.5)]
    assert sliding_windows(10 * S, []) == []


def test_a_single_short_word_is_heard_though_it_is_short() -> None:
    word = (round(4.1 * S), round(4.3 * S))
    spans = in_seconds(sliding_windows(10 * S, [word]))
    assert spans and all(a <= 4.1 and b >= 4.3 for a, b in spans)


def test_against_counting_samples() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        edges = np.sort(rng.choice(20 * S, 8, replace=False))
        speech = [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
        mask = np.zeros(20 * S, bool)
        for a, b in speech:
            mask[a:b] = True
        least = min(0.25 * S, mask.sum())
        starts = range(0, 19 * S + 1, S // 2)
        expected = [(a, a + S) for a in starts if mask[a : a + S].sum() >= least]
        assert sliding_windows(20 * S, speech) == expected


def test_the_curve_has_the_scores_of_each_window() -> None:
    rng = np.random.default_rng(1)
    parts = [rng.standard_normal((n, 9)).astype(np.float32) for n in (49, 49, 20)]
    reader = LocalReader(LABEL_SETS["primary"])
    for place, part in enumerate(parts):
        reader.add((place * S, (place + 1) * S), part)
    curve = reader.curve()
    assert (curve.window_s, curve.step_s, curve.times_s) == (1.0, 0.5, [0.5, 1.5, 2.5])
    for place, part in enumerate(parts):
        expected = Verdict.of(part.mean(0), LABEL_SETS["primary"]).scores
        found = {label: curve.scores[label][place] for label in LABELS}
        assert found == pytest.approx(expected, abs=1e-6)


def test_no_window_gives_an_empty_curve() -> None:
    curve = LocalReader(LABELS).curve()
    assert curve.times_s == [] and curve.scores == {label: [] for label in LABELS}
