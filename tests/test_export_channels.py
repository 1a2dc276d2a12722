"""Exports of split channels and of uncertain segments, read back by each format's own library."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pympi
import pysubs2
import pytest
from praatio import textgrid

from emotion.core.results import ResultWarning
from emotion.exports import write
from emotion.exports.source import Source
from tests.export_results import ODD_CLEAN, result, split_call, with_frames, with_local
from tests.test_export_report import page

SPANS = [(0, 1234), (1000, 3500), (3000, 5678)]


def test_segments_may_overlap_on_different_channels_only() -> None:
    source = Source(split_call(), "zh")
    assert [(span.start_ms, span.end_ms) for span in source.spans] == SPANS
    assert source.channels == (1, 2)
    assert [span.emotion for span in source.spans_of(1)] == ["neutral", "happy"]
    assert source.speaker(1) == "坐席" and source.speaker(3) == "声道 3"


def test_a_table_has_channels_names_and_doubts(tmp_path: Path) -> None:
    (path,) = write(split_call(), tmp_path, ["segments"], language="zh")
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["channel"] for row in rows] == ["1", "2", "1"]
    assert [row["channel_name"] for row in rows] == ["坐席", "<b>客户", "坐席"]
    assert [row["uncertain"] for row in rows] == ["0", "1", "0"]
    assert [row["emotion"] for row in rows] == ["neutral", "angry", "happy"]
    assert rows[1]["name"] == "不确定（愤怒）"


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles_name_the_speaker(kind: str, tmp_path: Path) -> None:
    (path,) = write(split_call(), tmp_path, [kind], language="en")
    read = pysubs2.load(str(path), encoding="utf-8")
    assert [(event.start, event.end) for event in read] == SPANS
    assert read[0].plaintext == "坐席: Neutral 84.0%"
    assert "客户: Uncertain (Angry) 45.0%" in read[1].plaintext


def test_textgrid_has_two_tiers_a_channel(tmp_path: Path) -> None:
    (path,) = write(split_call(), tmp_path, ["textgrid"], language="zh")
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    assert grid.tierNames == ("情感 (坐席)", "得分 (坐席)", "情感 (<b>客户)", "得分 (<b>客户)")
    entries = [tuple(entry) for entry in grid.getTier("情感 (坐席)").entries]
    assert entries == [(0, 1.234, "中性"), (3, 5.678, "快乐")]
    (other,) = grid.getTier("情感 (<b>客户)").entries
    assert tuple(other) == (1, 3.5, "不确定（愤怒）")


def test_elan_has_two_tiers_a_channel_with_its_participant(tmp_path: Path) -> None:
    (path,) = write(split_call(), tmp_path, ["eaf"], language="en")
    read = pympi.Eaf(str(path))
    assert len(read.get_tier_names()) == 4
    assert read.get_annotation_data_for_tier("Emotion (坐席)") == [
        (0, 1234, "Neutral"),
        (3000, 5678, "Happy"),
    ]
    assert read.get_parameters_for_tier("Score (<b>客户)")["PARTICIPANT"] == "<b>客户"


def test_rttm_and_label_studio_give_the_channel(tmp_path: Path) -> None:
    rttm, studio = write(split_call(), tmp_path, ["rttm", "labelstudio"], language="en")
    fields = [line.split() for line in rttm.read_text("utf-8").splitlines()]
    assert [(row[2], row[7]) for row in fields] == [
        ("1", "neutral"),
        ("2", "uncertain"),
        ("1", "happy"),
    ]
    (task,) = json.loads(studio.read_text("utf-8"))
    values = [region["value"] for region in task["predictions"][0]["result"]]
    assert [value["channel"] for value in values] == [0, 1, 0]


def test_speechbrain_has_an_entry_a_channel(tmp_path: Path) -> None:
    (path,) = write(split_call(), tmp_path, ["speechbrain"])
    read = json.loads(path.read_text("utf-8"))
    assert list(read) == [f"{ODD_CLEAN}#1", f"{ODD_CLEAN}#2"]
    assert [row["emotion"] for row in read[f"{ODD_CLEAN}#1"]] == ["n", "h"]


def test_npz_has_a_row_for_the_whole_and_for_each_segment(tmp_path: Path) -> None:
    whole, parts = np.ones(4, np.float32), np.arange(12, dtype=np.float32).reshape(3, 4)
    (path,) = write(split_call(), tmp_path, ["npz"], embedding=whole, segment_embeddings=parts)
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays["ids"].tolist() == [ODD_CLEAN, *(f"{ODD_CLEAN}#{n}" for n in (1, 2, 1))]
        np.testing.assert_array_equal(arrays["embeddings"], np.concatenate([whole[None], parts]))
        assert arrays["start_s"].tolist() == [0, 0, 1, 3]
        assert arrays["end_s"].tolist() == [5.678, 1.234, 3.5, 5.678]
        assert arrays["emotions"].tolist() == ["sad", "neutral", "angry", "happy"]


def test_the_report_shows_channels_quarters_and_doubts(tmp_path: Path) -> None:
    read = page(split_call(), tmp_path, "zh")
    for expected in (
        "坐席",
        "<b>客户",
        "不确定（愤怒）",
        "说话时间",
        "没有语音",
        "同时说话 0.7 秒",
    ):
        assert expected in read.words
    assert "以快乐为主" in read.words
    assert "<b>" not in (tmp_path / "report.html").read_text("utf-8")
    english = page(split_call(), tmp_path, "en")
    assert "Uncertain (Sad)" in english.words and "mostly happy" in english.words


def test_the_report_draws_the_local_curve_with_gaps_where_nobody_speaks(tmp_path: Path) -> None:
    read = page(with_local(with_frames(split_call())), tmp_path, "en")
    lines = read.find("polyline")
    assert len(lines) == 4  # fearful and sad, each before and after the silence
    assert "sliding windows of 1 s" in read.words
    assert "contribution" not in read.words


def test_without_speech_no_export_names_an_emotion(tmp_path: Path) -> None:
    silent = replace(
        result(segments=False), warnings=(ResultWarning("no_speech", "No speech was found."),)
    )
    (srt,) = write(silent, tmp_path, ["srt"], language="zh")
    (event,) = pysubs2.load(str(srt), encoding="utf-8")
    assert event.plaintext == "没有语音"
    (rttm,) = write(silent, tmp_path, ["rttm"])
    assert rttm.read_text("utf-8").split()[7] == "no_speech"
    (table,) = write(silent, tmp_path, ["segments"])
    with table.open(encoding="utf-8-sig", newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["No speech"]
    assert "No speech found" in page(silent, tmp_path).words
