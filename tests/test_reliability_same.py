from __future__ import annotations

import copy
import math
from typing import Any

import pytest

from tools.reliability.same import difference

SCORES = {"happy": 0.75, "sad": 0.25}
RESULT: dict[str, Any] = {
    "emotion": "happy",
    "scores": SCORES,
    "segments": [{"start_s": 0.0, "end_s": 1.0, "emotion": "happy", "scores": SCORES}],
    "frames": {"scores": {"happy": [0.5, 1.0], "sad": [0.5, 0.0]}},
    "embedding": [3.0, 4.0],
}


def changed(*path: str | int, value: Any) -> dict[str, Any]:
    """The result with one value changed."""
    result = copy.deepcopy(RESULT)
    place: Any = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return result


def test_a_result_is_like_itself() -> None:
    assert difference(RESULT, RESULT) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("result", "off"),
    [
        (changed("scores", "sad", value=0.26), 0.01),
        (changed("segments", 0, "scores", "sad", value=0.27), 0.02),
        (changed("frames", "scores", "sad", value=[0.5, 0.03]), 0.03),
        (changed("frames", "scores", value={"happy": [0.5], "sad": [0.5]}), math.inf),
        (changed("emotion", value="sad"), math.inf),
        (changed("scores", value={"happy": 0.75}), math.inf),
        (changed("segments", value=[]), math.inf),
        (changed("segments", 0, "end_s", value=1.1), math.inf),
        (changed("segments", 0, "emotion", value="sad"), math.inf),
        (changed("frames", value=None), math.inf),
        (changed("local", value={"scores": {}}), math.inf),
    ],
)
def test_what_differs_is_measured(result: dict[str, Any], off: float) -> None:
    assert difference(result, RESULT)[0] == pytest.approx(off)


@pytest.mark.parametrize(("embedding", "off"), [(None, 0.0), ([3.0, 4.5], 0.1), ([3.0], math.inf)])
def test_embeddings_by_their_length(embedding: list[float] | None, off: float) -> None:
    assert difference(changed("embedding", value=embedding), RESULT) == (0.0, pytest.approx(off))
