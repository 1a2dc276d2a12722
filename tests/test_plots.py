"""The bars: what they show, that they are well-formed and escaped; what all pictures share."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from emotion.core.labels import EMOTIONS, LABELS
from emotion.ui.charts import DASHES, both, emoji, percent, scores_chart
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


def test_every_line_has_dashes_of_its_own() -> None:
    assert set(DASHES) == set(LABELS)
    assert len(set(DASHES.values())) == len(LABELS)


def test_an_emoji_is_not_read_out() -> None:
    assert parse(emoji("😊")).get("aria-hidden") == "true"


def test_scores_without_speech_are_called_meaningless() -> None:
    silent = result(warnings=(NO_SPEECH,))
    assert silent.no_speech and not result().no_speech
    chart = parse(scores_chart(silent))
    assert "is-meaningless" in chart.get("class", "")
    assert "stand for no emotion" in "".join(chart.itertext())
    assert not any("top" in row.get("class", "") for row in chart.iter("li"))
