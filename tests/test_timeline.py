"""The timeline's markup: summary, channels, player, notes; well-formed, escaped and small."""

from __future__ import annotations

import json
import logging
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotion.core.results import Result, Summary
from emotion.ui import timeline
from emotion.ui.timeline import describe, empty, figure, length
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


def parse(markup: str) -> ET.Element:
    """The markup as XML: fails unless every element is closed and every text escaped."""
    return ET.fromstring(markup)


def one(markup: str, name: str) -> ET.Element:
    """The element of a class, or else of a tag."""
    nodes = list(parse(markup).iter())
    found = [node for node in nodes if name in (node.get("class") or "").split()]
    return (found or [node for node in nodes if node.tag == name])[0]


def words(node: ET.Element | str) -> str:
    """All text but the data."""
    tree = parse(node) if isinstance(node, str) else node
    return " ".join("".join(p.itertext()) for p in tree.iter() if p.tag in ("p", "div", "li", "tr"))


def recording(folder: Path, duration_s: float = 1.0) -> Path:
    path = folder / "processed_audio.wav"
    sound = np.sin(np.arange(round(16_000 * duration_s)) / 9)
    soundfile.write(path, sound, 16_000, subtype="PCM_16")
    return path


@pytest.mark.parametrize("make", [result, clip, frames, call], ids=lambda make: make.__name__)
def test_the_figure_is_well_formed_in_both_languages(make: type) -> None:
    tree = parse(figure(make(), None))
    classes = [node.get("class") for node in tree.iter()]
    assert classes.count("zh") == classes.count("en") > 0
    assert "is-empty" not in (tree.get("class") or "")


def test_before_there_is_a_result_its_place_is_there() -> None:
    tree = parse(empty())
    assert "is-empty" in tree.get("class", "")
    assert "after recognition" in words(tree) and not list(tree.iter("emotion-timeline"))


def test_the_data_is_in_the_markup() -> None:
    held = one(figure(clip(), None), "tl-data")
    assert held.get("hidden") is not None
    assert len(json.loads(held.text or "")["segments"]["start_ms"]) == len(clip().segments)


def test_the_player_asks_for_the_file_and_reads_no_more_than_it_must(tmp_path: Path) -> None:
    folder = tmp_path / "a b#?&\"'"
    folder.mkdir()
    markup = figure(clip(), recording(folder))
    audio = one(markup, "audio")
    source = audio.get("src", "")
    assert source.startswith("gradio_api/file=/") and source.endswith("/processed_audio.wav")
    assert not set(source) & set(" #?&\"'")
    assert audio.get("preload") == "metadata" and audio.get("controls") is not None
    assert json.loads(one(markup, "tl-data").text or "")["wave"]["channels"]
    assert not list(parse(figure(clip(), None)).iter("audio"))


def test_the_waveform_covers_the_recording(tmp_path: Path) -> None:
    wave = json.loads(one(figure(clip(), recording(tmp_path, 2.0)), "tl-data").text or "")["wave"]
    pairs = len(wave["channels"][0]) * 3 // 4 // 2
    assert pairs * wave["step_s"] == pytest.approx(2.0, rel=0.01)


def test_a_recording_that_cannot_be_read_has_no_waveform(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "processed_audio.wav"
    path.write_bytes(b"nothing")
    with caplog.at_level(logging.WARNING, "emotion.ui.timeline"):
        markup = figure(clip(), path)
    assert json.loads(one(markup, "tl-data").text or "")["wave"] is None
    assert "no waveform: processed_audio.wav" in caplog.text


def test_another_result_or_recording_has_another_key(tmp_path: Path) -> None:
    """By it the page's script sees that it has to draw anew."""
    values = [
        (clip(), None),
        (frames(), None),
        (clip(), recording(tmp_path)),
        (clip(29.0), None),
    ]
    keys = [one(figure(*value), "emotion-timeline").get("data-key") for value in values]
    assert len(set(keys)) == len(keys)
    assert one(figure(clip(), None), "emotion-timeline").get("data-key") == keys[0]


def test_ids_go_with_the_key() -> None:
    tree = parse(figure(clip(), None))
    key = next(tree.iter("emotion-timeline")).get("data-key")
    ids = {node.get("id") for node in tree.iter()} - {None}
    assert ids == {f"timeline-title-{key}", f"timeline-desc-{key}"}


def test_summary_with_sentence_shares_and_seconds() -> None:
    value = clip()
    assert value.summary is not None
    markup = figure(value, None)
    told = words(one(markup, "tl-summary"))
    assert "随后转为愤怒" in told and "Mostly neutral for 9 min 30 s" in told
    assert "语音Speech 25 秒25 s" in told and "静音Silence 5.5 秒5.5 s" in told
    bar = [node.get("style", "") for node in one(markup, "tl-shares")]
    shares = [float(re.findall(r"--share:([\d.]+)", style)[0]) for style in bar]
    assert shares == pytest.approx(list(value.summary.shares.values()), abs=1e-4)
    names = list(one(markup, "tl-share-names"))
    assert len(names) == len(shares)
    assert "is-uncertain" in (names[-1].get("class") or "") and "Uncertain" in words(names[-1])
    assert "tl-summary" not in figure(frames(), None)


def test_a_summary_without_speech_has_no_bar() -> None:
    nothing = Summary(0.0, 2.0, {}, {"zh": "没有检测到语音", "en": "no speech was found"})
    markup = figure(result(granularity="segment", summary=nothing, warnings=(NO_SPEECH,)), None)
    assert "No speech was found" in words(one(markup, "tl-summary"))
    assert "tl-shares" not in markup


def test_channels_with_talk_time_quarters_and_overlap() -> None:
    markup = figure(call(), None)
    rows = [words(row) for row in one(markup, "tl-channels").iter("tr")]
    assert len(rows) == 8  # names, talk time, four quarters, overall, course
    assert "客服 <b>&" in rows[0] and "Channel 2" in rows[0]
    assert "49." in rows[1] and "min" in rows[1]
    assert rows[2].startswith("0:00–5:00") and rows[5].startswith("15:00–20:00")
    assert "nobody speaks" in rows[5]
    assert "Uncertain" in rows[6] and "Neutral" in rows[6] and "61.0%" in rows[6]
    assert "until 20:00" in rows[7]
    assert "Overlap" in words(one(markup, "tl-facts")) and "37 s" in words(one(markup, "tl-facts"))
    assert "tl-channels" not in figure(clip(), None)


def test_a_channel_where_nobody_speaks() -> None:
    value = call(count=20)
    mute = replace(value.channels[1], emotion=None, confidence=None, scores={}, talk_s=0.0)
    markup = figure(replace(value, channels=(value.channels[0], mute)), None)
    rows = [words(row) for row in one(markup, "tl-channels").iter("tr")]
    assert "nobody speaks" in rows[6]


def notes(value: Result) -> str:
    tree = parse(figure(value, None))
    return " ".join(
        "".join(node.itertext()) for node in tree.iter("p") if node.get("class") == "note"
    )


def test_curves_are_explained() -> None:
    told = notes(frames())
    assert "exact contribution" in told and "not a local reading" in told and "精确贡献" in told
    assert "windows of 1 s" in told and "1 秒的滑动窗口" in told
    assert "result.json" not in told
    assert "exact contribution" not in notes(clip())


def test_what_else_is_explained_where_it_applies() -> None:
    windows = result(60.0, segments=(segment(0, 30, "sad"), segment(30, 60, "happy")))
    assert "equal windows" in notes(windows) and "equal windows" not in notes(clip())
    assert "Hatched" in notes(clip()) and "Hatched" not in notes(windows)
    assert "Hatched" in notes(result(uncertain=True))
    assert "result.json has every step" in notes(
        result(700.0, granularity="frame", frames=frame_curve(700.0))
    )


def test_the_legend_has_nine_lines_where_there_are_curves() -> None:
    assert len(list(one(figure(frames(), None), "legend"))) == 9
    for value in (clip(), replace(frames(), warnings=(NO_SPEECH,))):
        assert "legend" not in figure(value, None)


def test_the_drawing_in_words() -> None:
    zh, en = describe(clip())
    assert en.startswith("From 0 to 30.0 s. Strongest emotions in turn: Neutral from 0.4 s, Happy")
    assert zh.startswith("从 0 到 30.0 秒，最强的情绪依次为：0.4 秒起中性、4.6 秒起快乐")
    assert describe(result(3.0))[1].endswith("Happy from 0.0 s.")
    assert describe(call())[1].startswith("客服 <b>&: mostly neutral")
    assert describe(call())[0].split("；")[1].startswith("声道 2：")
    assert describe(replace(clip(), warnings=(NO_SPEECH,))) == ("没有检测到语音", "No speech found")


def test_a_long_description_tells_the_longest_runs_in_order() -> None:
    told = describe(result(600.0, granularity="frame", local=local_curve(600.0)))[1]
    starts = [float(found) for found in re.findall(r"from ([\d.]+) s", told)]
    assert len(starts) == 8 and starts == sorted(starts)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (3.44, "3.4 s"), (9.96, "10.0 s"), (59.4, "59 s"), (59.7, "1 min 0 s"),
        (200, "3 min 20 s"), (3599.6, "1 h 0 min"), (8940, "2 h 29 min"),
    ],
)  # fmt: skip
def test_lengths_in_words(seconds: float, words: str) -> None:
    assert length(seconds)[1] == words


def test_names_from_outside_are_escaped() -> None:
    evil = "<img src=x onerror=alert(1)>\"'</script>"
    value = call(count=10)
    channels = tuple(
        replace(channel, name=f"{evil}{channel.channel}") for channel in value.channels
    )
    markup = figure(replace(value, channels=channels), None)
    assert "<img" not in markup and "<script" not in markup and "</script" not in markup
    assert evil in words(one(markup, "tl-channels"))


def test_four_hours_are_below_half_a_megabyte(tmp_path: Path) -> None:
    path = recording(tmp_path, 60.0)
    markup = figure(hours(), path)
    assert len(markup.encode()) < 500_000
    assert len(list(parse(markup).iter())) < 400


def test_peaks_are_asked_for_once_and_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    real = timeline.peaks

    def count(path: Path, most: int) -> object:
        asked.append(most)
        return real(path, most)

    monkeypatch.setattr(timeline, "peaks", count)
    figure(clip(), recording(tmp_path))
    assert asked == [timeline.PEAKS]
