"""The nine scores as bars: what they show, well-formed and escaped."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from emotion.core.labels import EMOTIONS, LABELS
from emotion.ui.charts import DASHES, both, percent, scores_chart
from tests.timeline_results import NO_SPEECH, result


def parse(markup: str) -> ET.Element:
    """The markup as XML: fails unless every element is closed and every text escaped."""
    return ET.fromstring(markup)


def test_both_escapes_and_marks_the_languages() -> None:
    markup = both(("<甲>", "<a>"))
    assert markup == (
        '<span class="zh" lang="zh-CN">&lt;甲&gt;</span><span class="en" lang="en">&lt;a&gt;</span>'
    )
    assert both(('"x"', '"x"')) == "&quot;x&quot;"


@pytest.mark.parametrize(
    ("value", "shown"), [(0.853, "85.3%"), (1.0, "100.0%"), (0.0, "0.0%"), (0.00049, "0.0%")]
)
def test_percent(value: float, shown: str) -> None:
    assert percent(value) == shown


def test_bars_have_all_nine_in_order_with_emoji_names_and_values() -> None:
    rows = list(parse(scores_chart(result())).iter("li"))
    assert [row.get("data-emotion") for row in rows] == list(LABELS)
    for row, emotion in zip(rows, EMOTIONS, strict=True):
        words = "".join(row.itertext())
        assert all(part in words for part in (emotion.emoji, emotion.zh, emotion.en))
        assert f"--emo:{emotion.colour}" in row.get("style", "")
    happy = rows[LABELS.index("happy")]
    assert "--value:0.6400" in happy.get("style", "")
    assert "64.0%" in "".join(happy.itertext())
    assert ["top" in row.get("class", "") for row in rows].count(True) == 1


def test_the_empty_chart_has_the_same_rows() -> None:
    empty = parse(scores_chart(None))
    assert len(list(empty.iter("li"))) == len(LABELS)
    assert "is-empty" in empty.get("class", "")


def test_without_speech_no_bar_stands_out_and_a_note_says_why() -> None:
    chart = parse(scores_chart(result(warnings=(NO_SPEECH,))))
    assert not any("top" in row.get("class", "") for row in chart.iter("li"))
    assert "these scores stand for no emotion" in "".join(chart.itertext())
    assert "stand for no emotion" not in "".join(parse(scores_chart(result())).itertext())


def test_each_emotion_has_dashes_of_its_own() -> None:
    assert set(DASHES) == set(LABELS) and len(set(DASHES.values())) == len(LABELS)
