"""Distributions: counting, differences of two moments, quantiles, several threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from emotion.core.stats import Counts, Distribution, geometric


def counted(values: list[float], bounds: tuple[float, ...] = (1, 2, 4)) -> Counts:
    made = Distribution(bounds)
    for value in values:
        made.add(value)
    return made.counts()


def test_a_value_on_a_bound_belongs_below_it() -> None:
    counts = counted([0.0, 1.0, 1.001, 2.0, 4.0, 4.001, 1e9])
    assert counts.buckets == (2, 2, 1, 2)
    assert counts.count == 7
    assert counts.total == pytest.approx(1e9 + 12.002)


def test_mean_and_quantile_of_nothing() -> None:
    counts = counted([])
    assert counts.count == 0
    assert counts.mean is None
    assert counts.quantile(0.5) is None


def test_the_mean_is_exact() -> None:
    assert counted([0.5, 1.5, 4.0]).mean == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 0.0), (0.25, 0.5), (0.5, 1.0), (0.75, 1.5), (1.0, 2.0)]
)
def test_quantiles_are_interpolated_in_their_bucket(share: float, value: float) -> None:
    assert counted([0.2, 0.9, 1.2, 1.9]).quantile(share) == pytest.approx(value)


def test_a_quantile_above_all_bounds_is_the_highest_bound() -> None:
    assert counted([100.0, 200.0]).quantile(0.5) == 4
    assert counted([0.5, 200.0]).quantile(0.95) == 4


def test_empty_buckets_in_between_are_passed_over() -> None:
    assert counted([0.5, 3.0]).quantile(0.95) == pytest.approx(3.8)


def test_quantiles_of_fine_bounds_are_close_to_the_true_ones() -> None:
    rng = np.random.default_rng(0)
    values = rng.lognormal(-2, 1, 5000)
    counts = counted(list(values), geometric(0.001, 600, 1.2))
    for share in (0.05, 0.5, 0.95):
        found = counts.quantile(share)
        assert found is not None
        assert found == pytest.approx(float(np.quantile(values, share)), rel=0.05)


def test_what_came_since() -> None:
    made = Distribution((1, 2))
    made.add(0.5)
    before = made.counts()
    made.add(1.5)
    made.add(9.0)
    since = made.counts().since(before)
    assert since.buckets == (0, 1, 1)
    assert since.total == pytest.approx(10.5)
    assert made.counts().since(made.counts()).count == 0


def test_after_a_new_beginning_everything_came_since() -> None:
    before, now = counted([0.5, 0.6, 1.5]), counted([1.5])
    assert now.since(before) == now


def test_bounds_grow_evenly_and_reach_the_highest() -> None:
    bounds = geometric(0.001, 600, 1.2)
    assert bounds[0] == 0.001 and bounds[-2] < 600 <= bounds[-1]
    assert np.allclose(np.divide(bounds[1:], bounds[:-1]), 1.2, rtol=2e-3)


def test_no_value_is_lost_between_threads() -> None:
    made = Distribution((1, 2))

    def add() -> None:
        for _ in range(2000):
            made.add(1.5)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made.counts().buckets == (0, 16_000, 0)
    assert made.counts().total == 24_000
