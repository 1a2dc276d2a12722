"""The timeline's markup and its data: what they say, escaped, and not too large."""

from __future__ import annotations

import base64
import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from emotion.core.labels import LABELS
from emotion.core.results import Result
from emotion.ui.charts import DASHES
from emotion.ui.timeline import channel_name, describe, empty, figure, length
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


def parse(made: Result, audio: Path | None = None) -> ET.Element:
    """The figure as XML: fails unless every element is closed and every text escaped."""
    return ET.fromstring(figure(made, audio))


def words(made: Result) -> str:
    figure_element = parse(made)
    for pre in list(figure_element.iter("pre")):
        pre.text = ""
    return "".join(figure_element.itertext())


def data(made: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document(made, None))
    return found


def unpacked(text: str) -> np.ndarray:  # type: ignore[type-arg]
    return np.frombuffer(base64.b64decode(text), np.uint8)


@pytest.mark.parametrize("made", [clip(), frames(), call(), result(0.8), hours(600, 30)])
def test_every_figure_is_well_formed_and_described(made: Result) -> None:
    found = parse(made)
    described = next(e for e in found.iter() if "timeline-desc" in (e.get("id") or ""))
    assert "".join(described.itertext()) == "".join(describe(made))
    timeline = next(found.iter("emotion-timeline"))
    assert json.loads(timeline.findtext("pre") or "")["duration_s"] > 0


def test_the_place_is_held_before_there_is_a_result() -> None:
    assert "is-empty" in (ET.fromstring(empty()).get("class") or "")


def test_segments_are_columns_of_whole_numbers() -> None:
    found = data(clip())["segments"]
    parts = clip().segments
    assert found["start_ms"][0] == 420 and found["length_ms"][0] == 3480
    assert [LABELS[k] for k in found["emotion"]] == [part.emotion for part in parts]
    assert found["confidence"] == [round(1000 * part.confidence) for part in parts]
    assert [LABELS[k] for k in found["second"]] == [part.second for part in parts]
    assert found["uncertain"] == [2] and set(found["channel"]) == {0}


def test_no_second_emotion_is_minus_one() -> None:
    alone = replace(clip().segments[0], scores=dict.fromkeys(LABELS, 0.0) | {"neutral": 1.0})
    found = data(replace(clip(), segments=(alone,)))["segments"]
    assert found["second"] == [-1] and found["second_confidence"] == [0]


@pytest.mark.parametrize(("made", "name"), [(clip(), "segments"), (result(), "whole")])
def test_what_the_spans_are(made: Result, name: str) -> None:
    assert kind(made) == data(made)["kind"] == name


def test_windows_are_no_segments() -> None:
    parts = (segment(0, 30, "happy"), segment(30, 60, "sad"))
    made = result(60.0, granularity="frame", segments=parts, frames=frame_curve(60.0))
    assert kind(made) == "windows" and "equal windows" in words(made)


def test_a_result_without_segments_is_one_span() -> None:
    (whole,) = spans(result(12.0))
    assert (whole.start_s, whole.end_s, whole.emotion) == (0, 12, "happy")


def test_both_curves_keep_their_times_and_scores() -> None:
    made = frames()
    assert made.local is not None and made.frames is not None
    found = data(made)["curves"]
    assert list(found) == ["local", "contribution"]
    local = found["local"]
    times = np.cumsum([local["start_ms"], *local["steps_ms"]]) / 1000
    np.testing.assert_allclose(times, made.local.times_s)
    scores = unpacked(local["scores"]).reshape(9, -1) / 255
    np.testing.assert_allclose(scores[3], made.local.scores["happy"], atol=0.003)
    assert found["contribution"]["start_ms"] == 50


def test_thinning_takes_weighted_means_and_keeps_gaps() -> None:
    made = frame_curve(0.7)
    made.weights[:] = [5, 5, 5, 5, 5, 5, 1]
    thin = Curve.of(made).thinned(4)
    sad, values = LABELS.index("sad"), made.scores["sad"]
    assert len(thin.times_s) == 4 and thin.step_s == pytest.approx(0.2)
    assert thin.scores[0, sad] == pytest.approx((values[0] + values[1]) / 2)
    assert thin.scores[3, sad] == pytest.approx(values[6])
    with_gap = Curve.of(local_curve(600.0, gap_s=(200.0, 300.0))).thinned(100)
    assert len(with_gap.times_s) <= 100
    assert not ((with_gap.times_s > 205) & (with_gap.times_s < 295)).any()


def test_steps_without_frames_do_not_break_a_curve() -> None:
    made = frame_curve(0.6)
    made.weights[:] = [0] * 6
    assert np.isfinite(Curve.of(made).thinned(2).scores).all()


def test_stretches_follow_the_segments_or_the_local_curve() -> None:
    assert [label for label, *_ in stretches(clip())] == [
        "neutral",
        "happy",
        "angry",
        "sad",
        "neutral",
    ]
    runs = stretches(frames())
    assert all(a[0] != b[0] for a, b in pairwise(runs))
    assert stretches(result(3.0)) == [("happy", 0.0, 3.0)]


def test_four_hours_stay_below_half_a_megabyte() -> None:
    made = hours()
    markup = figure(made, None)
    assert len(made.segments) == 5000 and len(markup.encode()) < 500_000
    curves = data(made)["curves"]
    for curve in curves.values():
        assert len(curve["steps_ms"]) < MAX_POINTS


def test_names_from_outside_are_escaped_everywhere() -> None:
    made = call()
    parts = tuple(replace(part, name="</script><img src=x>") for part in made.channels)
    markup = figure(replace(made, channels=parts), None)
    assert "<img" not in markup and "</script>" not in markup
    assert ET.fromstring(markup) is not None
    assert channel_name(made.channels[1]) == ("声道 2", "Channel 2")


def test_a_call_shows_talk_time_overlap_quarters_and_doubts() -> None:
    text = words(call())
    for expected in ("客服 <b>&", "Channel 2", "Talk time", "Overlap", "37 s", "0:00–5:00"):
        assert expected in text
    for expected in ("nobody speaks", "无人说话", "Uncertain", "不确定", "前 9 分 30 秒"):
        assert expected in text


def test_without_speech_no_emotion_is_drawn_or_described() -> None:
    made = replace(frames(), warnings=(NO_SPEECH,))
    found = data(made)
    assert found["speechless"] and found["curves"] == {}
    assert found["segments"]["start_ms"] == []
    assert describe(made) == ("没有检测到语音", "No speech found")


def test_curves_say_what_they_are() -> None:
    text = words(frames())
    assert "exact contribution" in text and "not a local reading" in text
    assert "精确贡献" in text and "sliding windows of 1 s" in text
    lines = list(parse(frames()).iter("line"))
    assert [line.get("stroke-dasharray") for line in lines] == [DASHES[name] for name in LABELS]
    assert "exact contribution" not in words(clip())


def test_a_long_curve_says_that_points_are_means() -> None:
    long = result(900.0, granularity="frame", frames=frame_curve(900.0), local=local_curve(900.0))
    assert "result.json" in words(long) and "result.json" not in words(frames())


@pytest.mark.parametrize(
    ("seconds", "zh", "en"),
    [(3.25, "3.2 秒", "3.2 s"), (37.2, "37 秒", "37 s"), (200, "3 分 20 秒", "3 min 20 s"),
     (7325, "2 小时 2 分", "2 h 2 min")],
)  # fmt: skip
def test_lengths_in_words(seconds: float, zh: str, en: str) -> None:
    assert length(seconds) == (zh, en)


def test_the_player_and_the_waveform_need_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "a b&c.wav"
    sound = np.sin(np.arange(32_000) / 20)
    soundfile.write(path, sound, 16_000, subtype="PCM_16")
    found = parse(clip(), path)
    player = next(found.iter("audio"))
    assert player.get("src", "").endswith("/a%20b%26c.wav")
    assert player.get("preload") == "metadata" and player.get("aria-label")
    wave = json.loads(next(found.iter("pre")).text or "")["wave"]
    heights = np.frombuffer(base64.b64decode(wave["channels"][0]), np.int8)
    assert heights.max() == 127 and len(heights) == 2 * len(range(0, 32_000, 2))
    gone = parse(clip(), tmp_path / "none.wav")
    assert json.loads(next(gone.iter("pre")).text or "")["wave"] is None
    assert not list(parse(clip()).iter("audio"))


def test_another_result_has_another_key() -> None:
    keys = [
        next(parse(made).iter("emotion-timeline")).get("data-key")
        for made in (clip(), clip(), frames())
    ]
    assert keys[0] == keys[1] != keys[2]
