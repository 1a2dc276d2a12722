from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emotion.evaluation.calibration import at_least, calibration_error, coverage, reliability


def scores(top: Any, place: Any = 0) -> Any:
    """Rows whose highest score is at a place."""
    top = np.asarray(top, float)
    found = np.repeat((1 - top)[:, None] / 8, 9, axis=1)
    found[np.arange(len(top)), np.broadcast_to(place, top.shape)] = top
    return found


def test_an_honest_model_has_no_error_and_a_boastful_one_has() -> None:
    reference = np.array([0] * 70 + [1] * 30)
    assert calibration_error(scores([0.7] * 100), reference) == pytest.approx(0)
    assert calibration_error(scores([0.95] * 100), reference) == pytest.approx(0.25)


def test_bins_hold_every_recording_and_the_error_is_their_mean_gap() -> None:
    rng = np.random.default_rng(0)
    top = rng.uniform(0.3, 1, 500)
    reference = np.where(rng.random(500) < top**2, 0, 1)
    bins = reliability(scores(top), reference)
    assert sum(one.count for one in bins) == 500
    assert all(one.count == 0 for one in bins if one.high <= 0.3)
    gaps = [
        one.count * abs(one.confidence - one.accuracy)
        for one in bins
        if one.confidence is not None and one.accuracy is not None
    ]
    assert sum(gaps) / 500 == pytest.approx(calibration_error(scores(top), reference))


def test_a_confidence_of_one_is_in_the_last_bin() -> None:
    bins = reliability(scores([1.0]), np.array([0]))
    assert (bins[-1].count, bins[-1].accuracy) == (1, 1.0)


def test_coverage_goes_from_all_to_the_surest() -> None:
    top = np.array([0.9, 0.8, 0.8, 0.4])
    curve = coverage(scores(top), np.array([0, 0, 1, 1]))
    assert [(one.min_confidence, one.coverage) for one in curve] == [
        (0.4, 1),
        (0.8, 0.75),
        (0.9, 0.25),
    ]
    assert [one.accuracy for one in curve] == pytest.approx([0.5, 2 / 3, 1])
    assert curve[0].ua == pytest.approx(0.5)


def test_a_long_curve_has_a_limit_and_both_ends() -> None:
    top = np.linspace(0.2, 0.9, 1000)
    curve = coverage(scores(top), np.zeros(1000, int), points=11)
    assert len(curve) == 11
    assert (curve[0].coverage, curve[-1].coverage) == (1.0, 0.001)


def test_one_confidence() -> None:
    reference = np.array([0, 0, 1, 1])
    kept = at_least(scores([0.9, 0.8, 0.8, 0.4]), reference, 0.8)
    assert kept is not None
    assert (kept.coverage, kept.accuracy) == (0.75, pytest.approx(2 / 3))
    assert at_least(scores([0.5]), np.array([0]), 0.6) is None
