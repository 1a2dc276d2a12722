from __future__ import annotations

from collections import Counter

import pytest

from tools.reliability.breaking import BROKEN
from tools.reliability.planning import Planned, plan
from tools.reliability.recordings import Recordings, choose

POOL = [(0, "wav"), (1, "mp3")]


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    return Recordings(choose(None, 2, 0), ("wav", "mp3"))


def test_requests_are_the_same_again(recordings: Recordings) -> None:
    def plans(seed: int) -> list[Planned]:
        return [plan(number, seed, recordings, 0.1, POOL) for number in range(200)]

    assert plans(0) == plans(0) != plans(1)


def test_requests_are_mixed(recordings: Recordings) -> None:
    planned = [plan(number, 0, recordings, 0.1, POOL) for number in range(2000)]
    kinds = Counter(one.broken for one in planned)
    assert kinds[""] == pytest.approx(1800, abs=60) and set(kinds) == {"", *BROKEN}
    granularities = Counter(one.key.split()[-1] for one in planned if one.key)
    assert granularities["utterance"] > granularities["segment"] > granularities["frame"] > 50
    assert 700 < sum(one.stored for one in planned) < 1100
