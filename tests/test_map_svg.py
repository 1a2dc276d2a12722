from __future__ import annotations

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from emotion.analysis.comparison import Comparison, Wanted, compare
from emotion.analysis.items import Compared
from emotion.core.errors import ConfigError
from emotion.core.labels import BY_ID
from emotion.corpus.map_svg import kinds_of, map_svg

SVG = "{http://www.w3.org/2000/svg}"


def comparison(count: int = 6, **columns: list[str]) -> Comparison:
    """Recordings in two groups, the first of which is happy."""
    rng = np.random.default_rng(0)
    items = [
        Compared(
            f"clip {k} <&>.wav",
            rng.normal(size=8) + 20 * np.eye(8)[k % 2],
            {"happy": 0.5},
            "mini",
            "happy" if k % 2 else "sad",
            0.5,
            columns={name: values[k] for name, values in columns.items()},
        )
        for k in range(count)
    ]
    return compare(items, Wanted(clustering="kmeans", clusters=2))


def _marks(text: str) -> list[ElementTree.Element]:
    root = ElementTree.fromstring(text)
    return [group for group in root.iter(f"{SVG}g") if "<" in str(group[0].text)]


def _texts(text: str) -> list[str]:
    return [str(found.text) for found in ElementTree.fromstring(text).iter(f"{SVG}text")]


def test_each_recording_is_a_mark_inside_the_picture() -> None:
    text = map_svg(comparison())
    marks = _marks(text)
    assert [mark[0].text for mark in marks] == [f"clip {k} <&>.wav" for k in range(6)]
    assert {mark.get("fill") for mark in marks} == {BY_ID["happy"].colour, BY_ID["sad"].colour}
    for mark in marks:
        x, y = (float(part) for part in str(mark.get("transform"))[10:-1].split())
        assert 24 <= x <= 664 and 24 <= y <= 664
    assert _texts(text) == ["emotion", "Sad (3)", "Happy (3)"]


def test_kinds_differ_in_shape_too() -> None:
    shapes = {mark[1].tag for mark in _marks(map_svg(comparison()))}
    assert len(shapes) == 2


def test_clusters_and_columns() -> None:
    found = comparison(room=["A", "A", "B", "", "A", "B"])
    assert _texts(map_svg(found, "cluster")) == ["cluster", "0 (3)", "1 (3)"]
    assert _texts(map_svg(found, "room")) == ["room", "A (3)", "B (2)", "– (1)"]
    assert kinds_of(found, "room") == ["A", "A", "B", "–", "A", "B"]


def test_recordings_in_no_cluster_and_without_an_emotion_are_grey() -> None:
    found = comparison()
    assert found.clusters is not None
    labels = (-1, *found.clusters.labels[1:])
    odd = replace(found, clusters=replace(found.clusters, labels=labels))
    assert "– (1)" in _texts(map_svg(odd, "cluster"))
    items = (replace(found.items[0], emotion=None), *found.items[1:])
    assert _texts(map_svg(replace(found, items=items))) == [
        "emotion",
        "Happy (3)",
        "Sad (2)",
        "– (1)",
    ]


def test_the_same_comparison_gives_the_same_picture() -> None:
    assert map_svg(comparison()) == map_svg(comparison())


@pytest.mark.parametrize(
    ("columns", "colour_by", "words"),
    [
        ({"room": ["A"] * 6}, "floor", "one of emotion, cluster, room"),
        ({"n": [str(k) for k in range(40)]}, "n", "at most 35 different values, not 40"),
    ],
)
def test_columns_that_cannot_colour(columns: dict[str, Any], colour_by: str, words: str) -> None:
    found = comparison(len(next(iter(columns.values()))), **columns)
    with pytest.raises(ConfigError, match=words):
        map_svg(found, colour_by)
