"""The report: one file, nothing fetched, everything escaped, audio that can be decoded."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import soundfile

from emotion.core.errors import OutputError
from emotion.core.labels import BY_ID
from emotion.core.options import ExportLanguage
from emotion.core.results import Result
from emotion.exports import report, report_texts, write
from emotion.exports.report_texts import clock
from tests.export_results import NAMES_ZH, ODD_CLEAN, result, with_frames

VOID = {"meta", "br", "input", "img", "link", "hr"}
URL_ATTRIBUTES = {"src", "href", "action", "poster", "srcset", "data", "formaction", "xlink:href"}


class Page(HTMLParser):
    """Collects a page's elements and text, and checks that its tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def find(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def words(self) -> str:
        return "".join(self.text)


def page(
    made: Result, folder: Path, language: ExportLanguage = "en", audio: Path | None = None
) -> Page:
    (path,) = write(made, folder, ["html"], language=language, audio_path=audio)
    return Page(path.read_text("utf-8"))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_nothing_is_fetched_and_nothing_gets_in(language: ExportLanguage, tmp_path: Path) -> None:
    read = page(with_frames(result(channel=1)), tmp_path, language)
    for tag, attributes in read.elements:
        assert tag not in ("link", "iframe", "b", "route", "img", "object", "base")
        assert not URL_ATTRIBUTES & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]
    text = (tmp_path / "report.html").read_text("utf-8")
    assert not re.search(r"https?://|url\(|@import", text)
    policy = next(m["content"] for m in read.find("meta") if "http-equiv" in m)
    assert policy.startswith("default-src 'none';")
    for expected in (ODD_CLEAN, "Mini <&>", "no <route>", "2026-01-02 03:04:05"):
        assert expected in read.words


def test_both_languages(tmp_path: Path) -> None:
    read = page(result(channel=1), tmp_path, "zh")
    assert read.find("html") == [{"lang": "zh-CN"}]
    assert all(name in read.words for name in (*NAMES_ZH, "声道 1", "音频只有 0.50 秒"))
    assert "Happy" not in read.words and "Segments" not in read.words
    read = page(result(channel=1), tmp_path, "en")
    assert read.find("html") == [{"lang": "en"}]
    assert all(word in read.words for word in ("Happy", "Channel 1", "Only <0.5> s"))
    assert not re.search(r"[\u4e00-\u9fff]", read.words.replace("录音", ""))


def test_texts_are_there_in_both_languages_with_the_same_values() -> None:
    for zh, en in report_texts._TEXTS.values():
        assert zh and en
        assert re.findall(r"\{\w+\}", zh) == re.findall(r"\{\w+\}", en)


def test_the_table_and_the_strip_have_every_segment(tmp_path: Path) -> None:
    read = page(result(), tmp_path)
    rows = [row for row in read.find("tr") if row]
    assert [(row["data-start"], row["data-end"]) for row in rows] == [
        ("0.000", "1.234"),
        ("1.234", "2.001"),
        ("2.503", "5.678"),
    ]
    blocks = read.find("rect")
    colours = [BY_ID[emotion].colour for emotion in ("happy", "neutral", "sad")]
    assert [block["fill"] for block in blocks] == colours
    ends = [float(block["x"]) + float(block["width"]) for block in blocks]
    assert ends[-1] == pytest.approx(1000, abs=0.01)
    assert read.find("polyline") == []
    assert "0:02.503" in read.words and "84.0%" in read.words


def test_frame_scores_are_curves_of_bounded_size(tmp_path: Path) -> None:
    made = with_frames(result())
    assert made.frames is not None
    lines = page(made, tmp_path).find("polyline")
    assert {line["stroke"] for line in lines} == {BY_ID["happy"].colour, BY_ID["sad"].colour}
    points = [tuple(map(float, point.split(","))) for point in lines[0]["points"].split()]
    assert len(points) == 57 and all(0 <= x <= 1000 and 0 <= y <= 160 for x, y in points)
    many = {label: values * 1000 for label, values in made.frames.scores.items()}
    long = replace(made, frames=replace(made.frames, scores=many))
    lines = page(replace(long, audio=replace(made.audio, duration_s=5700.0)), tmp_path).find(
        "polyline"
    )
    assert 400 < len(lines[0]["points"].split()) <= 500


def test_the_audio_is_in_the_page(wav: Callable[..., Path], tmp_path: Path) -> None:
    clip = wav(5.678)
    (player,) = page(result(), tmp_path, audio=clip).find("audio")
    head, data = player["src"].split(",", 1)
    assert head == "data:audio/mpeg;base64"
    sound, rate = soundfile.read(io.BytesIO(base64.b64decode(data, validate=True)))
    assert rate == 16000 and len(sound) / rate == pytest.approx(5.678, abs=0.1)
    assert 0.3 < abs(sound).max() < 0.7
    assert len(data) < clip.stat().st_size / 2


def test_a_long_recording_is_left_out_with_a_note(
    wav: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "MAX_AUDIO_S", 5)
    read = page(result(), tmp_path, audio=wav(1.0))
    assert read.find("audio") == [] and "is not embedded in this report" in read.words
    read = page(result(), tmp_path)
    assert "This report has no audio" in read.words


def test_audio_that_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"not audio")
    with pytest.raises(OutputError, match=r"broken\.wav"):
        write(result(), tmp_path / "out", ["html"], audio_path=broken)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(0, "0:00.000"), (62_345, "1:02.345"), (3_600_001, "1:00:00.001"), (59_999, "0:59.999")],
)
def test_clock(milliseconds: int, shown: str) -> None:
    assert clock(milliseconds) == shown
