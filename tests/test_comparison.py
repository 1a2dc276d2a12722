from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from emotion.analysis.comparison import MOST_MATRIX, Wanted, compare
from emotion.analysis.items import Compared
from emotion.core.similarity_errors import (
    EmbeddingModelError,
    EmbeddingWidthError,
    EmbeddingZeroError,
)


def items(count: int, width: int = 32, **fields: Sequence[object]) -> list[Compared]:
    rng = np.random.default_rng(0)
    return [
        Compared(f"{k}.wav", rng.normal(size=width) * (k + 1), {"sad": rng.random(), "happy": 0.5},
                 "mini", "sad", 0.5, **{name: values[k] for name, values in fields.items()})  # type: ignore[arg-type]
        for k in range(count)
    ]  # fmt: skip


def test_similarity_is_scikit_learns() -> None:
    given = items(40)
    found = compare(given)
    expected = cosine_similarity([one.embedding for one in given])
    np.testing.assert_allclose(found.embedding_similarity, expected, atol=1e-12)
    scores = [[one.scores["happy"], one.scores["sad"]] for one in given if one.scores]
    assert found.score_similarity is not None
    np.testing.assert_allclose(found.score_similarity, cosine_similarity(scores), atol=1e-12)
    assert (found.model, found.embedding_dim) == ("mini", 32)


def test_all_of_it_is_json_and_the_same_each_time() -> None:
    dates = [f"2026-01-{k + 1:02}" for k in range(30)]
    given = items(
        30, date=dates, speaker=["Ann"] * 30, columns=[{"room": str(k)} for k in range(30)]
    )
    found = compare(given).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert compare(given).to_dict() == found
    assert found["names"] == [f"{k}.wav" for k in range(30)]
    assert set(found["items"][0]) == {
        "name", "emotion", "confidence", "scores", "model", "run_id", "job_id", "index", "date",
        "speaker", "columns",
    }  # fmt: skip
    assert found["items"][3]["columns"] == {"room": "3"}
    assert found["projection"]["method"] == "tsne"
    assert len(found["projection"]["x"]) == len(found["projection"]["y"]) == 30
    assert sum(group["size"] for group in found["clusters"]["groups"]) <= 30
    assert [len(row) for row in found["neighbours"]] == [5] * 30
    (trend,) = found["trends"]
    assert trend["dates"] == dates and len(trend["scores"]["sad"]) == 30


def test_two_recordings() -> None:
    found = compare(items(2)).to_dict()
    assert found["projection"]["method"] == "pca"
    assert [row[0]["index"] for row in found["neighbours"]] == [1, 0]


def test_matrices_are_left_out_where_there_are_many() -> None:
    many = compare(items(MOST_MATRIX + 1), Wanted("none", "none")).to_dict()
    assert many["embedding_similarity"] is None and many["score_similarity"] is None
    assert many["projection"] is None and many["clusters"] is None
    few = compare(items(MOST_MATRIX), Wanted("none", "none")).to_dict()
    assert len(few["embedding_similarity"]) == MOST_MATRIX


def test_an_embedding_alone_leaves_scores_out() -> None:
    found = compare([*items(2), Compared("e.npy", np.ones(32))]).to_dict()
    assert found["score_similarity"] is None
    assert found["items"][2]["emotion"] is None and found["model"] == "mini"


def test_length_of_embeddings_does_not_count() -> None:
    given = items(12)
    longer = [Compared(one.name, np.asarray(one.embedding) * 1e6, one.scores) for one in given]
    one, other = compare(given).to_dict(), compare(longer).to_dict()
    np.testing.assert_allclose(
        one["embedding_similarity"], other["embedding_similarity"], atol=1e-12
    )
    assert one["clusters"] == {**other["clusters"], "groups": one["clusters"]["groups"]}


def test_what_cannot_be_compared() -> None:
    with pytest.raises(EmbeddingWidthError, match=r"0\.wav: 32, e\.npy: 8"):
        compare([*items(1), Compared("e.npy", np.ones(8))])
    with pytest.raises(EmbeddingZeroError, match=r"e\.npy"):
        compare([*items(1), Compared("e.npy", np.zeros(32))])
    with pytest.raises(EmbeddingModelError, match=r"0\.wav: mini, e\.npy: large"):
        compare([*items(1), Compared("e.npy", np.ones(32), model="large")])
