"""The pictures: what they show, that they are well-formed, escaped and not too large."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from emotion.core.labels import BY_ID, EMOTIONS, LABELS
from emotion.core.results import AudioInfo, FrameCurve, ModelInfo, Result, Segment, Timing
from emotion.ui.charts import (
    DASHES,
    HEIGHT_PX,
    MAX_POINTS,
    both,
    percent,
    sample,
    scores_chart,
    spread,
    timeline,
)
from emotion.ui.texts import pair

STEP_S = 0.1


def curve(steps: int, seed: int = 0) -> FrameCurve:
    logits = np.random.default_rng(seed).normal(0, 2, (steps, len(LABELS)))
    scores = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    columns = {label: scores[:, i].tolist() for i, label in enumerate(LABELS)}
    return FrameCurve(STEP_S, [5] * steps, columns)


def result(frames: FrameCurve | None = None, **changes: Any) -> Result:
    scores = dict.fromkeys(LABELS, 0.02) | {"happy": 0.64, "sad": 0.22}
    steps = len(frames.weights) if frames else 20
    values: dict[str, Any] = {
        "emotion": "happy",
        "confidence": scores["happy"],
        "scores": scores,
        "granularity": "frame" if frames else "utterance",
        "timestamp": "2026-01-02 03:04:05",
        "secondary": {"sad": 0.22},
        "audio": AudioInfo("a.wav", steps * STEP_S, 16_000, 1, "pcm_s16le", "wav", 64_000),
        "model": ModelInfo("fake", "Fake", "cpu", "fp32"),
        "timing": Timing(0.1, 0.2, 0.3),
        "frames": frames,
    }
    return Result(**(values | changes))


def parse(markup: str) -> ET.Element:
    """The markup as XML: fails unless every element is closed and every text escaped."""
    return ET.fromstring(markup)


def lines(markup: str) -> list[ET.Element]:
    return list(parse(markup).iter("polyline"))


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


def test_curve_has_nine_lines_with_their_colours_and_dashes() -> None:
    found = lines(timeline(result(curve(30)), "en"))
    assert {line.get("data-emotion") for line in found} == set(LABELS)
    for line in found:
        emotion = BY_ID[line.get("data-emotion", "")]
        assert line.get("stroke") == emotion.colour
        assert line.get("stroke-dasharray") == DASHES[emotion.id]


def test_neighbours_in_colour_differ_in_dash() -> None:
    assert set(DASHES) == set(LABELS)
    assert len(set(DASHES.values())) >= 6


def test_curve_is_drawn_where_the_scores_are() -> None:
    frames = curve(4)
    line = next(
        one for one in lines(timeline(result(frames), "en")) if one.get("data-emotion") == "sad"
    )
    points = [tuple(map(float, p.split(","))) for p in line.get("points", "").split()]
    assert [x for x, _ in points] == pytest.approx([125, 375, 625, 875])
    wanted = [(1 - score) * HEIGHT_PX for score in frames.scores["sad"]]
    assert [y for _, y in points] == pytest.approx(wanted, abs=0.06)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_curve_is_described_in_words(lang: str) -> None:
    svg = next(
        node
        for node in parse(timeline(result(curve(30)), lang)).iter("svg")
        if node.get("role") == "img"
    )
    title, desc = svg.find("title"), svg.find("desc")
    assert title is not None and desc is not None
    assert title.get("id") == svg.get("aria-labelledby")
    assert desc.get("id") == svg.get("aria-describedby")
    assert title.text == title.get(f"data-{lang}") == pair("timeline")[lang == "en"]
    assert desc.text == desc.get(f"data-{lang}")
    assert "3.0" in (desc.text or "")


def test_curve_says_that_frames_are_contributions_not_local_readings() -> None:
    for markup in (timeline(None, "en"), timeline(result(curve(9)), "en")):
        words = "".join(parse(markup).itertext())
        assert "exact contribution" in words and "not a local reading" in words
        assert "精确贡献" in words


def test_without_frames_an_empty_plot_stands_in() -> None:
    for nothing in (None, result()):
        markup = timeline(nothing, "zh")
        assert "is-empty" in markup and "<polyline" not in markup


@pytest.mark.parametrize("steps", [1, 2, 750, 751, 144_000])
def test_a_long_curve_stays_small(steps: int) -> None:
    markup = timeline(result(curve(steps)), "en")
    for line in lines(markup):
        assert 1 <= len(line.get("points", "").split()) <= max(MAX_POINTS, 2)
    assert len(markup) < 400_000
    assert ("each point is a mean" in markup) == (steps > MAX_POINTS)


def test_sampling_takes_weighted_means() -> None:
    frames = curve(7)
    frames.weights[:] = [5, 5, 5, 5, 5, 5, 1]
    sampled = sample(frames, 0.63, most=4)
    assert sampled.step_s == pytest.approx(0.2)
    assert len(sampled.scores) == 4
    sad = LABELS.index("sad")
    values = frames.scores["sad"]
    assert sampled.scores[0, sad] == pytest.approx((values[0] + values[1]) / 2)
    assert sampled.scores[3, sad] == pytest.approx(values[6])
    assert sampled.times_s.max() <= 0.63


def test_steps_without_frames_do_not_break_the_curve() -> None:
    frames = curve(6)
    frames.weights[:] = [0] * 6
    assert np.isfinite(sample(frames, 0.6, most=2).scores).all()


def test_strongest_stretches_cover_the_time() -> None:
    stretches = sample(curve(50), 4.97).strongest()
    assert stretches[0][1] == 0 and stretches[-1][2] == pytest.approx(4.97)
    for (one, _, end), (two, start, _) in pairwise(stretches):
        assert one != two and end == pytest.approx(start)


@pytest.mark.parametrize(
    ("wanted", "placed"),
    [
        ([], []),
        ([10.0, 100.0], [10.0, 100.0]),
        ([10.0, 12.0], [10.0, 30.0]),
        ([230.0, 235.0, 239.0], [200.0, 220.0, 240.0]),
    ],
)
def test_labels_are_moved_apart(wanted: list[float], placed: list[float]) -> None:
    assert spread(wanted, 20, 240) == placed


def test_windows_of_a_long_recording_are_marked() -> None:
    parts = tuple(
        Segment(s, s + 1, "sad", 0.5, dict.fromkeys(LABELS, 1 / 9)) for s in (0.0, 1.0, 2.0)
    )
    markup = timeline(result(curve(30), segments=parts), "en")
    assert len(re.findall('class="joint"', markup)) == 2


@pytest.mark.parametrize(
    ("steps", "last"),
    [(1, "0"), (45, "4"), (1200, "1:30"), (72_000, "1:30:00")],
)
def test_time_axis(steps: int, last: str) -> None:
    markup = timeline(result(curve(steps)), "en")
    axis = re.search(r'<div class="x-axis".*?</div>', markup)
    assert axis is not None
    ticks = re.findall(r">([\d:.]+)</span>", axis.group())
    assert ticks[0] in ("0", "0:00") and ticks[-1] == last
    assert len(ticks) <= 8
