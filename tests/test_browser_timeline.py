"""The timeline in Chromium: drawn, read by pointer and keys, heard from anywhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from emotion.core.config import Config, ServerConfig
from emotion.core.results import Result
from emotion.services import recognitions
from emotion.services.recognitions import FinishedRun, JobRequest
from tests.browser import Open, Site, expect, finished, serve, start, upload
from tests.conftest import tone
from tests.fakes import FakeService
from tests.timeline_results import call, clip, frames, hours

pytestmark = pytest.mark.browser
Show = Callable[..., Any]
RESULTS = {"clip": clip(), "frames": frames(), "call": call(), "hours": hours()}


@pytest.fixture(scope="module")
def shown_site(tmp_path_factory: pytest.TempPathFactory, fake: FakeService) -> Iterator[Site]:
    """A server whose runs give the hand-made results, by the name of the upload."""
    outputs = tmp_path_factory.mktemp("shown")

    def give(_model: object, request: JobRequest, *_: object, **__: object) -> FinishedRun:
        name = request.path.stem
        return FinishedRun(RESULTS[name], outputs / name)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recognitions, "run", give)
        for name, made in RESULTS.items():
            (outputs / name).mkdir()
            write(outputs / name / "processed_audio.wav", min(made.audio.duration_s, 60.0))
        config = Config(server=ServerConfig(port=0, outputs_dir=outputs))
        with serve(config, fake) as running:
            yield running


def write(path: Path, duration_s: float) -> None:
    soundfile.write(path, np.tile(tone(5.0), 12)[: int(duration_s * 16_000)], 16_000)


@pytest.fixture
def show(visit: Open, shown_site: Site, tmp_path: Path) -> Show:
    """Opens the page with a result."""

    def run(name: str, lang: str = "en", width: int = 1280) -> Any:
        path = tmp_path / f"{name}.wav"
        write(path, 2.0)
        page = visit(shown_site, lang, width)
        upload(page, path)
        start(page)
        finished(page)
        expect(strip(page)).to_be_visible()
        return page

    return run


def strip(page: Any) -> Any:
    return page.locator("#timeline-plot .tl-strip")


def played_s(page: Any) -> float:
    return float(page.evaluate("document.querySelector('#timeline-plot audio').currentTime"))


def value(made: Result, place: int) -> float:
    return made.segments[place].start_s


def test_the_parts_of_a_recording_by_segment(show: Show) -> None:
    page = show("clip")
    timeline = page.locator("#timeline-plot")
    for words in ("Mostly neutral", "Speech", "Silence", "Segments (6)", "Waveform"):
        expect(timeline).to_contain_text(words)
    rows = timeline.locator("tbody tr")
    expect(rows).to_have_count(6)
    expect(rows.nth(3)).to_contain_text("😠")
    expect(rows.nth(3)).to_contain_text("93.0%")
    expect(rows.nth(2)).to_contain_text("Uncertain")
    lanes = timeline.locator(".label.lane")
    expect(lanes).to_have_count(4)  # the emotions that occur


def test_hovering_tells_what_is_there_and_a_click_plays_from_there(show: Show) -> None:
    page = show("clip")
    box = strip(page).bounding_box()
    x = box["width"] * 16 / 30  # in the angry segment
    strip(page).hover(position={"x": x, "y": 20})
    tip = page.locator("#timeline-plot .tl-tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("0:16")
    expect(tip).to_contain_text("Angry")
    expect(tip).to_contain_text("93.0%")
    strip(page).click(position={"x": x, "y": 20})
    page.wait_for_function("document.querySelector('#timeline-plot audio').currentTime >= 15.9")
    assert played_s(page) < 25
    expect(page.locator("#timeline-plot tr.now, #timeline-plot tr[aria-current]")).to_have_count(1)


def test_a_row_plays_from_its_segment(show: Show) -> None:
    page = show("clip")
    page.locator("#timeline-plot tbody button").nth(4).click()
    page.wait_for_function("document.querySelector('#timeline-plot audio').currentTime >= 20.9")
    assert played_s(page) < 28


def test_keys_move_and_play(show: Show) -> None:
    page = show("clip")
    strip(page).focus()
    page.keyboard.press("ArrowRight")
    assert played_s(page) == pytest.approx(1)
    page.keyboard.press("PageDown")
    assert played_s(page) == pytest.approx(0)
    page.keyboard.press("PageUp")
    assert played_s(page) == pytest.approx(10)
    page.keyboard.press("n")
    assert played_s(page) == pytest.approx(value(RESULTS["clip"], 3), abs=0.01)
    page.keyboard.press("p")
    assert played_s(page) == pytest.approx(value(RESULTS["clip"], 2), abs=0.01)
    page.keyboard.press("End")
    assert played_s(page) == pytest.approx(30, abs=0.1)
    page.keyboard.press("Home")
    page.keyboard.press("Space")
    page.wait_for_function("!document.querySelector('#timeline-plot audio').paused")
    page.keyboard.press("Space")
    page.wait_for_function("document.querySelector('#timeline-plot audio').paused")
    text = strip(page).get_attribute("aria-valuetext")
    assert text


def test_a_call_has_lanes_and_a_table_for_each_channel(show: Show) -> None:
    page = show("call", "zh")
    timeline = page.locator("#timeline-plot")
    expect(timeline.locator(".label.group")).to_have_text(
        ["客服 <b>&", "声道 2"], use_inner_text=True
    )
    for words in ("说话时长", "重叠", "无人说话", "语音片段 (220)"):
        expect(timeline).to_contain_text(words, use_inner_text=True)
    assert timeline.locator("b").get_by_text("&", exact=True).count() == 0
    expect(timeline.locator(".tl-table tbody tr")).to_have_count(100)
    timeline.get_by_role("button", name="下一页").click()
    expect(timeline.locator(".tl-table tbody tr").first).to_contain_text(re.compile(r"\d+:\d\d"))


def test_the_language_changes_in_place(show: Show) -> None:
    page = show("clip", "zh")
    timeline = page.locator("#timeline-plot")
    expect(strip(page)).to_have_attribute("aria-label", "播放位置")
    expect(timeline).to_contain_text("语音片段 (6)", use_inner_text=True)
    page.locator("[data-set-lang=en]").click()
    expect(timeline.locator(".tl-table")).to_contain_text("Segments (6)", use_inner_text=True)
    expect(strip(page)).to_have_attribute("aria-label", "Position in the recording")


def test_four_hours_are_small_and_zoom_to_a_segment(show: Show) -> None:
    page = show("hours")
    size = page.evaluate("document.querySelector('#timeline-plot').innerHTML.length")
    assert size < 2_000_000
    timeline = page.locator("#timeline-plot")
    expect(timeline).to_contain_text("Segments (5000)")
    closer = timeline.locator(".tl-zoom button").nth(1)
    for _ in range(5):
        closer.click()
    strip(page).focus()
    page.keyboard.press("n")
    expect(timeline.locator(".tl-cursor")).to_be_visible()
    timeline.locator(".tl-zoom button").nth(2).click()
    expect(timeline.locator(".tl-zoom button").nth(0)).to_be_disabled()


def test_nothing_is_cut_off_on_a_telephone(show: Show) -> None:
    page = show("call", "en", 390)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    box = strip(page).bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
