"""Cosine similarity: beside scikit-learn, at the ends of float64, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity as reference

from emotion.analysis.similarity import cosine_similarity, score_similarity
from emotion.core.labels import LABELS
from emotion.core.similarity_errors import EmbeddingWidthError, EmbeddingZeroError


def names(count: int) -> list[str]:
    return [f"{number}.wav" for number in range(count)]


@pytest.mark.parametrize(("count", "width"), [(2, 1), (2, 192), (7, 768), (100, 1024)])
def test_as_scikit_learn_computes_it(count: int, width: int) -> None:
    rng = np.random.default_rng(count * width)
    vectors = rng.standard_normal((count, width)) * rng.uniform(1e-3, 1e3, (count, 1))
    found = cosine_similarity(names(count), list(vectors))
    assert found.dtype == np.float64 and found.shape == (count, count)
    np.testing.assert_allclose(found, reference(vectors), atol=1e-14)
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_array_equal(np.diag(found), 1)


def test_float32_is_computed_in_float64() -> None:
    rng = np.random.default_rng(1)
    one = rng.standard_normal(1024).astype(np.float32)
    vectors = [one, np.float32(one + 1e-4 * rng.standard_normal(1024))]  # nearly parallel
    found = cosine_similarity(names(2), vectors)[0, 1]
    assert found == pytest.approx(reference(np.float64(vectors))[0, 1], abs=1e-15)
    assert 0 < 1 - found < 1e-8


def test_known_angles() -> None:
    vectors = [[1, 0], [1, 1], [0, 2], [-3, 0]]
    half = np.sqrt(0.5)
    expected = [[1, half, 0, -1], [half, 1, half, -half], [0, half, 1, 0], [-1, -half, 0, 1]]
    np.testing.assert_allclose(cosine_similarity(names(4), vectors), expected, atol=1e-15)


@pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e300])
def test_values_at_the_ends_of_the_range(scale: float) -> None:
    found = cosine_similarity(names(2), [[scale, 0.0], [scale, scale]])
    assert found[0, 1] == pytest.approx(np.sqrt(0.5), rel=1e-3)  # 1e-320 has few digits


def test_no_cosine_leaves_its_range() -> None:
    rng = np.random.default_rng(2)
    one = rng.standard_normal(333)
    found = cosine_similarity(names(50), [one * factor for factor in rng.uniform(-9, 9, 50)])
    assert np.abs(found).max() == 1


def test_different_widths_are_named() -> None:
    with pytest.raises(EmbeddingWidthError, match=r"0\.wav: 192, 2\.wav: 1024") as caught:
        cosine_similarity(names(3), [np.ones(192), np.ones(192), np.ones(1024)])
    assert caught.value.params["second_width"] == 1024


def test_zeros_have_no_direction() -> None:
    with pytest.raises(EmbeddingZeroError, match=r"1\.wav: all values"):
        cosine_similarity(names(2), [np.ones(4), np.zeros(4)])


def test_scores_by_label() -> None:
    rng = np.random.default_rng(3)
    rows = rng.dirichlet(np.ones(len(LABELS)), 5)
    scores = [dict(zip(LABELS, row, strict=True)) for row in rows]
    shuffled = [dict(sorted(one.items(), reverse=True)) for one in scores]
    found = score_similarity(names(5), shuffled)
    np.testing.assert_allclose(found, reference(rows), atol=1e-15)
    assert found.min() >= 0
    assert score_similarity(names(2), [{"happy": 1.0}, {"sad": 1.0}])[0, 1] == 0
