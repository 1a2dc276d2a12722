"""Each format is read back by the library of those who use it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import numpy as np
import pympi
import pysubs2
import pytest
from praatio import textgrid

from emotion.core.errors import ConfigError, OutputError
from emotion.core.labels import BY_ID, LABELS
from emotion.core.options import ExportName, possible_exports
from emotion.core.results import Segment
from emotion.exports import FORMATS, write
from emotion.exports.source import Source, clean
from tests.export_results import (
    EMOTIONS,
    NAMES_ZH,
    ODD_CLEAN,
    SPANS_MS,
    result,
    scores,
    with_frames,
)

EMBEDDING = np.arange(4, dtype=np.float32)


def table(path: Path) -> list[dict[str, str]]:
    """A CSV as Excel opens it: by the byte order mark, with the sniffed dialect."""
    data = path.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf") and not data[3:].startswith(b"\xef\xbb\xbf")
    text = data.decode("utf-8-sig")
    dialect = csv.Sniffer().sniff(text.splitlines()[0])
    assert dialect.delimiter == ","
    return list(csv.DictReader(io.StringIO(text, newline=""), dialect=dialect))


def test_the_registry_has_every_name_and_distinct_files() -> None:
    assert tuple(FORMATS) == get_args(ExportName)
    files = [kind.file for kind in FORMATS.values()]
    assert len({name.casefold() for name in files}) == len(files)
    for kind in FORMATS.values():
        assert kind.title and kind.description and kind.file.endswith(kind.suffix)


def test_segments_as_csv(tmp_path: Path) -> None:
    (path,) = write(result(channel=2), tmp_path, ["segments"], language="zh")
    assert path.name == "segments.csv"
    rows = table(path)
    assert [(row["start_s"], row["end_s"]) for row in rows] == [
        ("0.000", "1.234"),
        ("1.234", "2.001"),
        ("2.503", "5.678"),
    ]
    assert tuple(row["emotion"] for row in rows) == EMOTIONS
    assert tuple(row["name"] for row in rows) == NAMES_ZH
    assert {row["channel"] for row in rows} == {"2"}
    for row in rows:
        assert float(row[row["emotion"]]) == float(row["confidence"]) == 0.84
        assert sum(float(row[label]) for label in LABELS) == pytest.approx(1)


def test_frames_as_csv(tmp_path: Path) -> None:
    (path,) = write(with_frames(result()), tmp_path, ["frames"])
    rows = table(path)
    assert len(rows) == 57
    assert (rows[0]["start_s"], rows[0]["end_s"], rows[0]["name"]) == ("0.000", "0.100", "Happy")
    assert (rows[-1]["start_s"], rows[-1]["end_s"]) == ("5.600", "5.678")
    assert [row["emotion"] for row in rows] == ["happy"] * 28 + ["sad"] * 29
    assert float(rows[3]["happy"]) == 0.84


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles(kind: str, tmp_path: Path) -> None:
    (path,) = write(result(channel=1), tmp_path, [kind], language="zh")
    read = pysubs2.load(str(path), encoding="utf-8")
    assert read.format == kind
    assert [(event.start, event.end) for event in read] == list(SPANS_MS)
    assert [event.plaintext for event in read] == [f"声道 1：{name} 84.0%" for name in NAMES_ZH]


def test_textgrid(tmp_path: Path) -> None:
    (path,) = write(result(channel=1), tmp_path, ["textgrid"], language="zh")
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=True)
    assert (grid.minTimestamp, grid.maxTimestamp) == (0, 5.678)
    assert grid.tierNames == ("情感 (声道 1)", "得分 (声道 1)")
    entries = grid.getTier("情感 (声道 1)").entries
    assert [tuple(entry) for entry in entries] == [
        (0, 1.234, "快乐"),
        (1.234, 2.001, "中性"),
        (2.001, 2.503, ""),  # a tier has no gaps
        (2.503, 5.678, "悲伤"),
    ]
    assert [entry.label for entry in grid.getTier("得分 (声道 1)").entries] == [
        "0.840",
        "0.840",
        "",
        "0.840",
    ]


def test_elan(tmp_path: Path) -> None:
    audio = tmp_path / "secret" / "processed_audio.wav"
    (path,) = write(result(channel=1), tmp_path, ["eaf"], language="zh", audio_path=audio)
    read = pympi.Eaf(str(path))
    tier = "情感 (声道 1)"
    assert sorted(read.get_tier_names()) == sorted([tier, "得分 (声道 1)"])
    annotations = read.get_annotation_data_for_tier(tier)
    assert annotations == [(*span, name) for span, name in zip(SPANS_MS, NAMES_ZH, strict=True)]
    assert read.get_parameters_for_tier(tier)["PARTICIPANT"] == "声道 1"
    assert read.media_descriptors[0]["RELATIVE_MEDIA_URL"] == "./processed_audio.wav"
    assert ("recording", ODD_CLEAN) in read.properties
    assert "secret" not in path.read_text("utf-8")
    assert ElementTree.parse(path).getroot().tag == "ANNOTATION_DOCUMENT"
    (path,) = write(result(), tmp_path / "other", ["eaf"])
    assert pympi.Eaf(str(path)).media_descriptors == []


def test_rttm_has_ten_fields_a_line(tmp_path: Path) -> None:
    (path,) = write(result(channel=2), tmp_path, ["rttm"], language="zh")
    rows = [line.split() for line in path.read_text("utf-8").splitlines()]
    assert {len(row) for row in rows} == {10}
    assert {row[0] for row in rows} == {"SPEAKER"} and {row[2] for row in rows} == {"2"}
    assert [(row[3], row[4], row[7]) for row in rows] == [
        ("0.000", "1.234", "happy"),
        ("1.234", "0.767", "neutral"),
        ("2.503", "3.175", "sad"),
    ]
    (path,) = write(result("  .wav"), tmp_path, ["rttm"])
    assert len(path.read_text("utf-8").splitlines()[0].split()) == 10


def test_audacity(tmp_path: Path) -> None:
    (path,) = write(result(channel=1), tmp_path, ["audacity"])
    rows = [line.split("\t") for line in path.read_text("utf-8").splitlines()]
    assert rows[1] == ["1.234000", "2.001000", "Channel 1: Neutral 84.0%"]
    assert len(rows) == 3


def test_label_studio(tmp_path: Path) -> None:
    (path,) = write(result(channel=2), tmp_path, ["labelstudio"], language="zh")
    (task,) = json.loads(path.read_text("utf-8"))
    assert task["data"] == {"audio": ODD_CLEAN}
    (prediction,) = task["predictions"]
    assert prediction["model_version"] == "emotion2vec_mini" and prediction["score"] == 0.84
    values = [region["value"] for region in prediction["result"]]
    assert values[0] == {"start": 0.0, "end": 1.234, "channel": 1, "labels": ["快乐"]}
    assert len({region["id"] for region in prediction["result"]}) == 3
    for region in prediction["result"]:
        assert (region["type"], region["from_name"], region["to_name"]) == (
            "labels",
            "label",
            "audio",
        )


def test_speechbrain(tmp_path: Path) -> None:
    (path,) = write(result(), tmp_path, ["speechbrain"], language="zh")
    assert json.loads(path.read_text("utf-8")) == {
        ODD_CLEAN: [
            {"start": 0.0, "end": 1.234, "emotion": "h"},
            {"start": 1.234, "end": 2.001, "emotion": "n"},
            {"start": 2.503, "end": 5.678, "emotion": "s"},
        ]
    }


def test_npz_needs_no_pickle(tmp_path: Path) -> None:
    (path,) = write(result(channel=2), tmp_path, ["npz"], embedding=EMBEDDING)
    with np.load(path, allow_pickle=False) as arrays:
        assert arrays["ids"].tolist() == [f"{ODD_CLEAN}#2"]
        assert arrays["start_s"].tolist() == [0.0] and arrays["end_s"].tolist() == [5.678]
        assert arrays["emotions"].tolist() == ["sad"]
        assert arrays["embeddings"].dtype == np.float32
        np.testing.assert_array_equal(arrays["embeddings"], EMBEDDING[None])


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_result_without_segments_is_one_segment(name: str, tmp_path: Path) -> None:
    whole = with_frames(result(segments=False))
    (path,) = write(whole, tmp_path, [name], embedding=EMBEDDING)
    assert path.stat().st_size > 0
    (span,) = Source(whole).spans
    assert (span.start_ms, span.end_ms, span.emotion) == (0, 5678, "sad")
    if name == "srt":
        (event,) = pysubs2.load(str(path))
        assert (event.start, event.end, event.text) == (0, 5678, "Sad 84.0%")


def test_spans_are_in_order_without_overlap_and_never_empty() -> None:
    times = [(1.0, 2.0), (0.0, 1.5), (1.6, 1.7), (2.0, 2.0001), (2.0, 3.0)]
    segments = tuple(Segment(a, b, "happy", 0.84, scores("happy")) for a, b in times)
    source = Source(replace(result(), segments=segments))
    spans = [(span.start_ms, span.end_ms) for span in source.spans]
    assert spans == [(0, 1500), (1500, 2000), (2000, 3000)]
    assert source.duration_ms == 5678
    short = replace(result().audio, duration_s=2.5)
    assert Source(replace(result(), segments=segments, audio=short)).duration_ms == 3000


def test_names_in_both_languages() -> None:
    for emotion in BY_ID.values():
        assert Source(result(), "zh").name(emotion.id) == emotion.zh
        assert Source(result(), "en").name(emotion.id) == emotion.en
    assert Source(result()).speaker(None) == ""
    assert Source(result()).tiers(None) == ("Emotion", "Score")


def test_clean_keeps_text_and_drops_what_breaks_files() -> None:
    assert clean("a\nb\r\x00\u2028\ud800c") == "a b    c"
    assert clean("声道 😠 'x' <&>") == "声道 😠 'x' <&>"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("docx", "must be one of segments, frames, srt"),
        ("frames", "must be asked of a result with frame granularity"),
        ("npz", "must be asked of a result with an embedding"),
    ],
)
def test_what_cannot_be_exported_is_told_before_anything_is_written(
    name: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"export is {name!r}, but {says}")):
        write(result(), tmp_path / "new", ["srt", name])
    assert not (tmp_path / "new").exists()


def test_possible_exports() -> None:
    assert possible_exports(frames=True, embedding=True) == get_args(ExportName)
    few = possible_exports(frames=False, embedding=False)
    assert set(get_args(ExportName)) - set(few) == {"frames", "npz"}


def test_all_files_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Source, path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    broken = replace(FORMATS["eaf"], write=full)
    monkeypatch.setitem(FORMATS, "eaf", broken)
    with pytest.raises(OutputError, match="No space left on device"):
        write(result(), tmp_path, ["srt", "eaf"])
    assert os.listdir(tmp_path) == []


def test_files_are_replaced_and_listed_once(tmp_path: Path) -> None:
    (tmp_path / "emotions.srt").write_text("old")
    paths = write(result(), str(tmp_path), ["srt", "audacity", "srt"])
    assert [path.name for path in paths] == ["emotions.srt", "audacity_labels.txt"]
    assert sorted(os.listdir(tmp_path)) == ["audacity_labels.txt", "emotions.srt"]
    assert "old" not in paths[0].read_text("utf-8")


def test_a_folder_that_is_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError, match="taken: cannot be written"):
        write(result(), tmp_path / "taken", ["srt"])
