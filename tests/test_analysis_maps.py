"""Maps, groups and neighbours of embeddings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from emotion.analysis.clusters import NOISE, cluster
from emotion.analysis.neighbours import closest_pairs, nearest
from emotion.analysis.projection import principal, project
from emotion.analysis.similarity import directions

Rows = NDArray[np.float64]


def blobs(*sizes: int, width: int = 16, spread: float = 0.05, seed: int = 0) -> Rows:
    """Groups of directions, each around an axis of its own."""
    rng = np.random.default_rng(seed)
    rows = [
        np.eye(width)[group] + spread * rng.normal(size=(size, width))
        for group, size in enumerate(sizes)
    ]
    made = np.concatenate(rows)
    return directions([str(k) for k in range(len(made))], list(made))


def lone(count: int) -> Rows:
    """One direction, several times."""
    return np.tile(blobs(1), (count, 1))


def test_principal_components_are_scikit_learns_up_to_the_sign() -> None:
    rows = blobs(5, 4)
    expected = PCA(2).fit_transform(rows)
    np.testing.assert_allclose(np.abs(principal(rows)), np.abs(expected), atol=1e-9)


@pytest.mark.parametrize(("count", "method"), [(2, "pca"), (9, "pca"), (10, "tsne"), (40, "tsne")])
def test_few_points_are_placed_by_their_components(count: int, method: str) -> None:
    found = project(blobs(count), "auto", 0)
    assert found is not None
    assert (found.method, found.points.shape) == (method, (count, 2))
    assert np.isfinite(found.points).all()


def test_neighbours_stay_together_on_the_map() -> None:
    found = project(blobs(20, 20, 20), "tsne", 0)
    assert found is not None
    centres = found.points.reshape(3, 20, 2).mean(axis=1)
    for place, point in enumerate(found.points):
        distances = np.linalg.norm(centres - point, axis=1)
        assert distances.argmin() == place // 20


def test_the_same_rows_and_seed_give_the_same_map() -> None:
    rows = blobs(15, 15)
    first, again, other = (project(rows, "tsne", seed) for seed in (1, 1, 2))
    assert first is not None and again is not None and other is not None
    np.testing.assert_array_equal(first.points, again.points)


def test_no_map_where_none_is_wanted() -> None:
    assert project(blobs(5), "none", 0) is None


@pytest.mark.parametrize("wanted", ["auto", "pca", "tsne"])
@pytest.mark.parametrize("count", [2, 3, 30])
def test_points_that_are_all_the_same(count: int, wanted: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = project(lone(count), wanted, 0)
    assert found is not None and not found.points.any()


def test_a_map_of_one_dimension() -> None:
    found = project(np.array([[1.0], [-1.0], [1.0]]), "auto", 0)
    assert found is not None
    assert not found.points[:, 1].any()
    assert found.points[:, 0].tolist() == [0.666667, -1.333333, 0.666667]


@pytest.mark.parametrize("wanted", ["auto", "hdbscan", "kmeans"])
def test_clear_groups_are_found_the_largest_first(wanted: Any) -> None:
    rows = blobs(12, 20, 16)
    found = cluster(rows, ["sad"] * 12 + ["happy"] * 20 + [None] * 16, wanted, None, 0)
    assert found is not None
    assert found.method == ("kmeans" if wanted == "kmeans" else "hdbscan")
    assert found.labels == (2,) * 12 + (0,) * 20 + (1,) * 16
    assert [group.size for group in found.groups] == [20, 16, 12]
    assert [group.emotions for group in found.groups] == [{"happy": 20}, {}, {"sad": 12}]


def test_typical_recordings_are_the_nearest_to_the_middle() -> None:
    rows = blobs(10, 30)
    found = cluster(rows, [None] * 40, "kmeans", 2, 0)
    assert found is not None
    small = found.groups[1]
    middle = rows[:10].mean(axis=0)
    assert list(small.typical) == list(np.argsort(-(rows[:10] @ middle))[:5])


def test_points_apart_are_in_no_group() -> None:
    rows = np.concatenate([blobs(20, 20), blobs(0, 0, 0, 0, 0, 1), blobs(0, 0, 0, 0, 0, 0, 0, 1)])
    found = cluster(rows, [None] * 42, "hdbscan", None, 0)
    assert found is not None
    assert found.labels[-2:] == (NOISE, NOISE)
    assert [group.label for group in found.groups] == [0, 1]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_as_many_groups_as_asked(count: int) -> None:
    found = cluster(blobs(10, 10, 10), [None] * 30, "auto", count, 0)
    assert found is not None
    assert (found.method, len(found.groups)) == ("kmeans", count)
    assert sum(group.size for group in found.groups) == 30


@pytest.mark.parametrize("wanted", ["auto", "hdbscan", "kmeans"])
@pytest.mark.parametrize("count", [2, 3, 25])
def test_equal_and_few_points_are_no_trouble(count: int, wanted: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = cluster(lone(count), [None] * count, wanted, None, 0)
        apart = cluster(blobs(*[1] * count, width=32), [None] * count, wanted, None, 0)
    for one in (found, apart):
        assert one is not None and len(one.labels) == count
        assert sum(group.size for group in one.groups) + one.labels.count(NOISE) == count


def test_more_groups_than_different_points() -> None:
    found = cluster(lone(4), [None] * 4, "kmeans", 3, 0)
    assert found is not None and found.labels == (0, 0, 0, 0)


def test_no_groups_where_none_are_wanted() -> None:
    assert cluster(blobs(5), [None] * 5, "none", None, 0) is None


SIMILARITY = np.array(
    [[1.0, 0.2, 0.9, 0.2], [0.2, 1.0, 0.1, 0.5], [0.9, 0.1, 1.0, 0.3], [0.2, 0.5, 0.3, 1.0]]
)


def test_the_nearest_first_and_never_oneself() -> None:
    found = nearest(SIMILARITY, 2)
    assert [[one.index for one in row] for row in found] == [[2, 1], [3, 0], [0, 3], [1, 2]]
    assert found[0][0].similarity == 0.9


@pytest.mark.parametrize(("count", "given"), [(0, 0), (3, 3), (10, 3)])
def test_no_more_neighbours_than_there_are(count: int, given: int) -> None:
    assert [len(row) for row in nearest(SIMILARITY, count)] == [given] * 4


def test_the_closest_pairs() -> None:
    assert closest_pairs(SIMILARITY, 3) == [(0, 2), (1, 3), (2, 3)]
    assert len(closest_pairs(SIMILARITY, 100)) == 6
