"""What the page's script draws from: complete, exact enough, and small."""

from __future__ import annotations

import base64
import json
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.audio.peaks import Peaks
from emotion.core.labels import EMOTIONS, LABELS
from emotion.core.results import Result
from emotion.ui.charts import DASHES
from emotion.ui.timeline_data import MAX_POINTS, Curve, document, kind, spans, stretches
from tests.timeline_results import (
    NO_SPEECH,
    call,
    clip,
    frame_curve,
    frames,
    hours,
    local_curve,
    result,
    segment,
)


def data(value: Result, wave: Peaks | None = None) -> dict[str, Any]:
    found = json.loads(document(value, wave))
    assert isinstance(found, dict)
    return found


def scores_of(curve: dict[str, Any]) -> NDArray[np.float64]:
    """float64, (9, points), 0 to 1."""
    raw = np.frombuffer(base64.b64decode(curve["scores"]), np.uint8)
    return raw.reshape(len(LABELS), -1) / 255


def times_of(curve: dict[str, Any]) -> NDArray[np.float64]:
    return np.cumsum([curve["start_ms"], *curve["steps_ms"]]) / 1000


def test_segments_as_columns() -> None:
    parts = clip().segments
    found = data(clip())["segments"]
    assert {len(column) for name, column in found.items() if name != "uncertain"} == {len(parts)}
    for k, part in enumerate(parts):
        assert found["start_ms"][k] == round(1000 * part.start_s)
        assert found["start_ms"][k] + found["length_ms"][k] == round(1000 * part.end_s)
        assert LABELS[found["emotion"][k]] == part.emotion
        assert found["confidence"][k] == round(1000 * part.confidence)
        second = LABELS[found["second"][k]]
        assert second == part.second
        assert found["second_confidence"][k] == round(1000 * part.scores[second])
    assert found["uncertain"] == [k for k, part in enumerate(parts) if part.uncertain] == [2]


def test_a_segment_without_a_second_emotion() -> None:
    scores = dict.fromkeys(LABELS, 0.0) | {"sad": 1.0}
    alone = result(granularity="segment", segments=(segment(0, 1, "sad"),))
    one = alone.segments[0].__class__(0, 1, "sad", 1.0, scores)
    found = data(result(granularity="segment", segments=(one,)))["segments"]
    assert found["second"] == [-1] and found["second_confidence"] == [0]


def test_channels_and_their_segments_in_order_of_time() -> None:
    value = call(count=40)
    found = data(value)
    assert found["channels"] == [[1, "客服 <b>&"], [2, ""]]
    starts = found["segments"]["start_ms"]
    assert starts == sorted(starts)
    assert set(found["segments"]["channel"]) == {1, 2}
    assert data(clip())["channels"] == []


def test_emotions_come_with_names_colours_and_dashes() -> None:
    assert data(result())["emotions"] == [
        [e.id, e.zh, e.en, e.emoji, e.colour, DASHES[e.id]] for e in EMOTIONS
    ]


def test_without_segments_the_whole_recording_is_one() -> None:
    value = result(2.5, uncertain=True)
    found = data(value)
    assert found["kind"] == kind(value) == "whole"
    assert found["segments"]["start_ms"] == [0] and found["segments"]["length_ms"] == [2500]
    assert found["segments"]["confidence"] == [640] and found["segments"]["uncertain"] == [0]
    assert [part.emotion for part in spans(value)] == ["happy"]


def test_windows_are_no_segments() -> None:
    parts = (segment(0, 30, "sad"), segment(30, 60, "happy"))
    assert kind(result(60.0, segments=parts)) == "windows"
    assert kind(clip()) == "segments"


def test_without_speech_there_is_nothing_to_draw_but_the_waveform() -> None:
    wave = Peaks(np.zeros((1, 4, 2), np.int8), 0.5)
    silent = result(
        granularity="frame",
        frames=frame_curve(2),
        local=local_curve(2),
        segments=(segment(0, 2, "sad"),),
        warnings=(NO_SPEECH,),
    )
    found = data(silent, wave)
    assert found["speechless"] and found["curves"] == {}
    assert found["segments"]["start_ms"] == [] and found["wave"]["step_s"] == 0.5


def test_short_curves_are_exact() -> None:
    value = frames(30.0)
    assert value.frames is not None and value.local is not None
    found = data(value)["curves"]
    assert list(found) == ["local", "contribution"]
    for curve, source in ((found["local"], value.local), (found["contribution"], value.frames)):
        wanted = np.array([source.scores[label] for label in LABELS])
        assert np.abs(scores_of(curve) - wanted).max() <= 0.5 / 255 + 1e-9
    assert times_of(found["local"]).tolist() == pytest.approx(value.local.times_s)
    assert times_of(found["contribution"])[:2].tolist() == pytest.approx([0.05, 0.15])
    assert found["local"]["step_ms"] == 500 and found["contribution"]["step_ms"] == 100


def test_a_curve_without_points_is_left_out() -> None:
    empty = local_curve(30.0, gap_s=(0, 99))
    assert data(result(local=empty))["curves"] == {}


@pytest.mark.parametrize("steps", [1, 2, MAX_POINTS, MAX_POINTS + 1, 144_000])
def test_long_curves_are_thinned(steps: int) -> None:
    thinned = Curve.of(frame_curve(steps / 10)).thinned(MAX_POINTS)
    assert 1 <= len(thinned.times_s) <= MAX_POINTS
    assert thinned.step_s == pytest.approx(0.1 * -(-steps // MAX_POINTS))
    assert thinned.scores.sum(1) == pytest.approx(np.ones(len(thinned.scores)))


def test_thinning_takes_weighted_means() -> None:
    source = frame_curve(0.7)
    source.weights[:] = [5, 5, 5, 5, 5, 5, 1]
    thinned = Curve.of(source).thinned(4)
    values = source.scores["sad"]
    sad = thinned.scores[:, LABELS.index("sad")]
    assert thinned.step_s == pytest.approx(0.2) and len(sad) == 4
    assert sad[0] == pytest.approx((values[0] + values[1]) / 2)
    assert sad[3] == pytest.approx(values[6])
    assert thinned.times_s.tolist() == pytest.approx([0.1, 0.3, 0.5, 0.65])
    source.weights[:] = [1, 3, 1, 1, 1, 1, 1]
    sad = Curve.of(source).thinned(4).scores[:, LABELS.index("sad")]
    assert sad[0] == pytest.approx((values[0] + 3 * values[1]) / 4)


def test_steps_without_frames_do_not_break_a_curve() -> None:
    source = frame_curve(0.6)
    source.weights[:] = [0] * 6
    assert np.isfinite(Curve.of(source).thinned(2).scores).all()


def test_gaps_stay_gaps() -> None:
    thinned = Curve.of(local_curve(4000.0, gap_s=(1000.0, 3000.0))).thinned(500)
    steps = np.diff(thinned.times_s)
    assert len(thinned.times_s) <= 500
    assert (steps > 1900).sum() == 1
    assert np.delete(steps, steps.argmax()).max() <= 2 * thinned.step_s


def test_stretches_of_a_curve_cover_its_time() -> None:
    found = Curve.of(frame_curve(5.0)).stretches()
    assert found[0][1] == 0 and found[-1][2] == pytest.approx(5.0)
    for (one, _, end), (two, start, _) in pairwise(found):
        assert one != two and end == pytest.approx(start)


def test_stretches_of_segments_join_neighbours() -> None:
    assert stretches(clip())[:3] == [
        ("neutral", 0.42, 3.9),
        ("happy", 4.6, 12.4),
        ("angry", 13.2, 19.9),
    ]
    assert stretches(result(3.0)) == [("happy", 0.0, 3.0)]


def test_the_curve_that_is_shown_is_the_one_that_is_told() -> None:
    value = frames(30.0)
    assert value.local is not None
    assert stretches(value) == Curve.of(value.local).stretches()


def test_the_waveform_is_bytes() -> None:
    values = np.arange(-6, 6, dtype=np.int8).reshape(2, 3, 2)
    found = data(result(), Peaks(values, 0.25))["wave"]
    assert found["step_s"] == 0.25
    raw = [np.frombuffer(base64.b64decode(text), np.int8) for text in found["channels"]]
    assert np.array_equal(np.array(raw).reshape(2, 3, 2), values)
    assert data(result())["wave"] is None


def test_nothing_in_it_is_markup() -> None:
    evil = "</script><script>alert(1)</script>&amp;<!--"
    value = call(count=10)
    channels = tuple(
        one.__class__(**(vars(one) | {"name": evil + str(one.channel)})) for one in value.channels
    )
    text = document(result(1200.0, segments=value.segments, channels=channels), None)
    assert not set(text) & set("<>&") and text.isascii()
    assert ET.fromstring(f"<pre>{text}</pre>").text == text
    assert json.loads(text)["channels"][0][1] == evil + "1"


def test_four_hours_are_small() -> None:
    wave = Peaks(np.random.default_rng(0).integers(-127, 127, (1, 24_000, 2), np.int8), 0.6)
    assert len(document(hours(), wave)) < 480_000
