"""The timeline in Chromium: drawing, pointer, keys, player, table, languages, four hours."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from emotion.core.results import Result
from emotion.services import recognitions
from emotion.services.recognitions import FinishedRun
from tests.browser import Open, Site, expect, start, upload
from tests.conftest import tone
from tests.test_browser_look import SETTLED, serious
from tests.timeline_results import NO_SPEECH, call, clip, frames, hours, result

pytestmark = pytest.mark.browser
Show = Callable[..., Any]
# The time of the timeline's player, and whether it stands.
_TIME = "document.querySelector('emotion-timeline audio').currentTime"
_PAUSED = "document.querySelector('emotion-timeline audio').paused"


@pytest.fixture
def show(visit: Open, fake_site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Show:
    """Opens the page and has it show a hand-made result; gives page and drawing."""
    recording = tmp_path / "processed_audio.wav"
    soundfile.write(recording, tone(30.0), 16_000, subtype="PCM_16")
    source = tmp_path / "clip.wav"
    soundfile.write(source, tone(1.0), 16_000, subtype="PCM_16")

    def go(value: Result, lang: str = "en", **size: int) -> Any:
        run = FinishedRun(value, tmp_path)
        monkeypatch.setattr(recognitions, "run", lambda *_, **__: run)
        page = visit(fake_site, lang, **size)
        upload(page, source)
        start(page)
        expect(page.locator("#timeline-plot svg[role=img] .tick").first).to_be_visible()
        return page

    return go


def strip(page: Any) -> Any:
    """What has the pointer and the keys."""
    return page.locator(".tl-strip")


def ready(page: Any) -> Any:
    """Waits until the player knows how long its recording is; gives the strip."""
    page.wait_for_function("document.querySelector('emotion-timeline audio').duration > 1")
    found = strip(page)
    found.scroll_into_view_if_needed()
    return found


def at(page: Any, time_s: float) -> None:
    """Waits until the player has gone to a time, and no further than it plays meanwhile."""
    page.wait_for_function(
        f"Math.abs({_TIME} - {time_s}) < 0.3 && !{_PAUSED.replace('paused', 'seeking')}"
    )


def x_of(page: Any, time_s: float, duration_s: float = 30.0) -> float:
    """Where a time is on the strip while everything is in view."""
    return float(strip(page).bounding_box()["width"]) * time_s / duration_s


def lane_y(page: Any, emotion: str) -> float:
    """The middle of an emotion's lane, from the top of the strip."""
    label = page.locator(".tl-labels .lane", has_text=emotion).first.bounding_box()
    top = strip(page).bounding_box()["y"]
    return float(label["y"] - top + label["height"] / 2)


def test_waveform_lanes_and_table_are_drawn(show: Show) -> None:
    page = show(clip())
    svg = page.locator("#timeline-plot svg[role=img]")
    expect(svg.locator(".wave")).to_have_count(1)
    labels = page.locator(".tl-labels .lane")
    assert [text.split()[-1] for text in labels.all_inner_texts()] == [
        "Angry", "Happy", "Neutral", "Sad",
    ]  # fmt: skip
    expect(svg.locator(".segments")).to_have_count(5)
    expect(svg.locator(".segments.unsure[data-emotion=happy]")).to_have_count(1)
    box = svg.locator(".segments[data-emotion=angry]").bounding_box()
    left = strip(page).bounding_box()["x"]
    assert box["x"] - left == pytest.approx(x_of(page, 13.2), abs=1.5)
    assert box["width"] == pytest.approx(x_of(page, 19.9 - 13.2), abs=2.5)
    middle = box["y"] + box["height"] / 2 - strip(page).bounding_box()["y"]
    assert middle == pytest.approx(lane_y(page, "Angry"), abs=2)
    rows = page.locator(".tl-rows tbody tr")
    expect(rows).to_have_count(6)
    cells = [text.strip() for text in rows.nth(2).locator("td").all_inner_texts()]
    assert cells[1] == "0:12.4" and cells[3] == "41.0%"
    assert cells[2].startswith("Uncertain") and "Happy" in cells[2]
    assert cells[4].endswith("Neutral 35.4%")
    heads = page.locator(".tl-rows th").all_inner_texts()
    assert heads == ["Start", "End", "Emotion", "Confidence", "Second"]


def test_hovering_tells_time_segment_and_second_emotion(show: Show) -> None:
    page = show(clip())
    ready(page)
    tip = page.locator(".tl-tip")
    expect(tip).to_be_hidden()
    strip(page).hover(position={"x": x_of(page, 16.0), "y": 20})
    expect(tip).to_be_visible()
    for words in ("Angry 93.0%", "Neutral 4.2%", "0:13.2 – 0:19.9"):
        expect(tip).to_contain_text(words, use_inner_text=True)
    when = re.match(r"0:(\d\d\.\d)", tip.inner_text())
    assert when is not None and float(when[1]) == pytest.approx(16.0, abs=0.1)
    strip(page).hover(position={"x": x_of(page, 20.5), "y": 20})
    expect(tip).not_to_contain_text("Angry")
    page.mouse.move(0, 0)
    expect(tip).to_be_hidden()


def test_hovering_tells_the_values_of_the_curve_that_is_shown(show: Show) -> None:
    page = show(frames())
    ready(page)
    tip = page.locator(".tl-tip .curve")
    strip(page).hover(position={"x": x_of(page, 20.0), "y": 20})
    expect(tip).to_contain_text("Local", use_inner_text=True)
    shares = [int(share) for share in re.findall(r"(\d+)%", tip.inner_text())]
    assert shares == sorted(shares, reverse=True) and 0 < sum(shares) <= 101
    strip(page).hover(position={"x": x_of(page, 13.5), "y": 20})  # a gap
    expect(tip).to_have_count(0)
    page.locator("[data-choice=contribution]").click()
    strip(page).hover(position={"x": x_of(page, 13.5), "y": 20})
    expect(tip).to_contain_text("Contribution", use_inner_text=True)


def test_the_local_curve_is_shown_first_and_the_other_by_a_switch(show: Show) -> None:
    page = show(frames())
    lines = page.locator("#timeline-plot .line")
    expect(lines).to_have_count(9)
    dashes = {line.get_attribute("stroke-dasharray") for line in lines.all()}
    assert len(dashes) == 9
    sad = page.locator(".line[data-emotion=sad]")
    local = sad.get_attribute("d")
    assert local.count("M") == 2, "a gap where there is no speech"
    pressed = page.locator("[data-choice][aria-pressed=true]")
    expect(pressed).to_have_text("局部Local")
    notes = page.locator("emotion-timeline .note")
    expect(notes.filter(has_text="heard on its own")).to_be_visible()
    expect(notes.filter(has_text="exact contribution")).to_be_hidden()
    page.locator("[data-choice=contribution]").click()
    expect(sad).not_to_have_attribute("d", local)
    assert sad.get_attribute("d").count("M") == 1
    expect(pressed).to_have_text("贡献Contribution")
    expect(notes.filter(has_text="exact contribution")).to_be_visible()
    expect(page.locator(".tl-rows")).to_have_count(0)


def test_a_click_plays_from_there_and_the_cursor_runs_along(show: Show) -> None:
    page = show(clip())
    ready(page).click(position={"x": x_of(page, 14.0), "y": lane_y(page, "Angry")})
    page.wait_for_function(f"{_TIME} > 14.2 && {_TIME} < 20")
    assert page.evaluate(_PAUSED) is False
    cursor = page.locator(".tl-cursor")
    before = cursor.bounding_box()["x"]
    page.wait_for_function(f"{_TIME} > 14.6")
    assert cursor.bounding_box()["x"] > before
    expect(page.locator(".tl-rows tr.now")).to_contain_text("0:13.2")
    page.evaluate("document.querySelector('emotion-timeline audio').pause()")
    page.wait_for_function(_PAUSED)


def test_a_row_plays_from_its_start_and_is_marked(show: Show) -> None:
    page = show(clip())
    ready(page)
    row = page.locator(".tl-rows tbody tr").nth(4)
    row.locator("button").click()
    page.wait_for_function(f"{_TIME} >= 21 && {_TIME} < 24")
    assert page.evaluate(_PAUSED) is False
    expect(row).to_have_class("now")
    expect(row).to_have_attribute("aria-current", "true")
    page.locator(".tl-rows tbody tr").nth(1).locator("td").nth(2).click()  # anywhere on it
    page.wait_for_function(f"{_TIME} >= 4.6 && {_TIME} < 8")
    expect(row).not_to_have_class("now")


def test_keys(show: Show) -> None:
    page = show(clip())
    keys = ready(page)
    keys.focus()
    for key, time_s in (
        ("PageUp", 10), ("ArrowRight", 11), ("ArrowUp", 12), ("ArrowLeft", 11), ("PageDown", 1),
        ("PageDown", 0), ("End", 30), ("Home", 0), ("n", 0.42), ("n", 4.6),
        ("Control+ArrowRight", 9), ("p", 4.6), ("Control+ArrowLeft", 0.42),
    ):  # fmt: skip
        keys.press(key)
        at(page, time_s)
    assert page.evaluate(_PAUSED) is True
    assert keys.get_attribute("aria-valuetext") == "0:00 / 0:30, Neutral 81.0%"
    assert keys.get_attribute("aria-label") == "Position in the recording"
    expect(page.locator(".tl-tip")).to_contain_text("Neutral 81.0%", use_inner_text=True)
    for key, paused in (("Space", False), ("Enter", True), ("Enter", False), ("Space", True)):
        keys.press(key)
        page.wait_for_function(f"{_PAUSED} === {str(paused).lower()}")


def test_zoom_draws_only_what_is_in_view(show: Show) -> None:
    page = show(clip())
    keys = ready(page)
    buttons = page.locator(".tl-zoom button")
    expect(buttons.nth(0)).to_be_disabled()
    for key in ("PageUp", "PageUp", *["ArrowLeft"] * 4):  # 16 s
        keys.press(key)
    for _ in range(3):
        buttons.nth(1).click()
    lanes = page.locator("#timeline-plot .segments")
    expect(lanes).to_have_count(1)  # 30 / 8 s about the cursor
    expect(lanes).to_have_attribute("data-emotion", "angry")
    ticks = page.locator("#timeline-plot .tick").all_text_contents()
    assert {"0:15", "0:16", "0:17"} <= {tick.removesuffix(".0") for tick in ticks}
    scroller = page.locator(".tl-scroll")
    scroller.evaluate("(e) => { e.scrollLeft = 0; }")
    expect(page.locator(".segments[data-emotion=neutral]")).to_have_count(1)
    expect(page.locator(".tl-cursor")).to_be_hidden()
    keys.press("Home")
    keys.press("0")
    expect(buttons.nth(2)).to_be_disabled()
    expect(lanes).to_have_count(5)


def test_the_wheel_zooms_with_control_only_and_a_drag_pans(show: Show) -> None:
    page = show(clip())
    box = ready(page).bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 30)
    page.keyboard.down("Control")
    for _ in range(4):
        page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    state = "(({now}) => [now.from, now.span])(document.querySelector('emotion-timeline'))"
    page.wait_for_function(f"{state}[1] < 5")
    begin_s, span_s = page.evaluate(state)
    assert begin_s + span_s / 2 == pytest.approx(15, abs=0.3)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 30, steps=5)
    page.mouse.up()
    page.wait_for_function(f"{state}[0] > {begin_s} + {span_s} / 5")
    assert page.evaluate(_PAUSED) is True, "a drag is no click"
    assert page.evaluate(_TIME) == 0


def test_channels_have_lanes_of_their_own(show: Show) -> None:
    page = show(call(duration_s=30.0, count=8), "zh")
    groups = page.locator(".tl-labels .group")
    assert groups.all_inner_texts() == ["客服 <b>&", "声道 2"]
    assert page.locator(".segments[data-channel='1']").count() > 0
    assert page.locator(".segments[data-channel='2']").count() > 0
    heads = page.locator(".tl-rows th").all_inner_texts()
    assert heads == ["开始", "结束", "声道", "情绪", "置信度", "次要情绪"]
    row = page.locator(".tl-rows tbody tr").first
    assert "客服 <b>&" in row.inner_text()
    ready(page)
    lane = page.locator(".tl-labels .lane").first.bounding_box()
    y = lane["y"] - strip(page).bounding_box()["y"] + 5
    strip(page).hover(position={"x": x_of(page, 0.8), "y": y})
    expect(page.locator(".tl-tip")).to_contain_text("客服 <b>&")


def test_the_language_changes_every_text(show: Show) -> None:
    page = show(clip(), "zh")
    figure, keys = page.locator("#timeline-plot"), ready(page)
    keys.press("n")
    expect(keys).to_have_attribute("aria-label", "播放位置")
    expect(keys).to_have_attribute("aria-valuetext", "0:00 / 0:30, 中性 81.0%")
    shown = figure.inner_text()
    assert "时间线" in shown and "语音片段 (6)" in shown and "Neutral" not in shown
    page.locator("[data-set-lang=en]").click()
    expect(keys).to_have_attribute("aria-label", "Position in the recording")
    expect(keys).to_have_attribute("aria-valuetext", "0:00 / 0:30, Neutral 81.0%")
    expect(figure).to_contain_text("Segments (6)", use_inner_text=True)
    assert not re.search("[\u4e00-\u9fff]", figure.inner_text())


def test_without_speech_nothing_confident_is_drawn(show: Show) -> None:
    page = show(result(30.0, granularity="frame", frames=frames().frames, warnings=(NO_SPEECH,)))
    expect(page.locator(".tl-speechless")).to_have_text("🔇 没有检测到语音No speech was found")
    assert page.locator("#timeline-plot svg .wave").count() == 1
    for name in (".segments", ".line", ".tl-labels .lane", ".tl-rows"):
        assert page.locator(f"#timeline-plot {name}").count() == 0, name
    expect(page.locator("#result-card .emotion")).to_have_text("没有检测到语音 No speech found")


def test_one_clip_has_one_lane_and_no_table(show: Show) -> None:
    page = show(result(30.0))
    expect(page.locator("#timeline-plot .segments")).to_have_count(1)
    assert page.locator(".tl-labels .lane").inner_text().endswith("Happy")
    assert page.locator(".tl-rows").count() == 0
    assert page.locator("[data-choice]").count() == 0


def test_another_result_takes_the_place_of_the_first(
    show: Show, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = show(clip())
    ready(page).click(position={"x": 100, "y": 20})
    monkeypatch.setattr(recognitions, "run", lambda *_, **__: FinishedRun(frames(), tmp_path))
    start(page)
    expect(page.locator("#timeline-plot .line")).to_have_count(9)
    expect(page.locator("#timeline-plot svg[role=img]")).to_have_count(1)
    expect(page.locator(".tl-rows")).to_have_count(0)
    assert page.evaluate(_TIME) == 0 and page.evaluate(_PAUSED) is True


def test_four_hours_are_drawn_in_pages_and_little_markup(show: Show) -> None:
    page = show(hours())
    sent = page.locator("emotion-timeline .tl-data").evaluate("(e) => e.textContent.length")
    assert sent < 500_000
    figure = page.locator("#timeline-plot")
    assert figure.evaluate("(e) => e.outerHTML.length") < 2_000_000
    assert figure.evaluate("(e) => e.querySelectorAll('*').length") < 4000
    where, rows = page.locator(".tl-pages .where"), page.locator(".tl-rows tbody tr")
    expect(where).to_have_text("1–100 / 5000")
    expect(rows).to_have_count(100)
    page.locator(".tl-pages button").nth(1).click()
    expect(where).to_have_text("101–200 / 5000")
    keys = strip(page)
    keys.press("Home")
    expect(where).to_have_text("101–200 / 5000")  # nobody speaks at 0:00
    keys.press("n")
    expect(where).to_have_text("1–100 / 5000")
    expect(page.locator(".tl-rows tr.now")).to_have_count(1)
    for _ in range(9):
        keys.press("+")
    lanes = page.locator("#timeline-plot .segments")
    boxes = lanes.evaluate_all("(all) => all.map((e) => e.getAttribute('d').split('z').length - 1)")
    assert 5 < sum(boxes) < 40, "of 5,000: those in 28 s"
    keys.press("0")
    expect(page.locator("#timeline-plot .line")).to_have_count(9)


@pytest.mark.parametrize("dark", [False, True])
def test_it_is_accessible_in_light_and_dark(show: Show, dark: bool) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = show(call(duration_s=30.0, count=8))
    if dark:
        page.evaluate("document.body.classList.add('dark')")
        page.evaluate(SETTLED)
        surface = page.locator("#timeline-plot figure").evaluate(
            "(e) => getComputedStyle(e).backgroundColor"
        )
        assert surface == "rgb(20, 24, 29)"
    assert serious(axe, page) == []


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_nothing_is_cut_off_on_a_telephone(show: Show, lang: str) -> None:
    page = show(call(duration_s=30.0, count=8), lang, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for name in (".tl-plot", ".tl-rows", ".tl-player", ".tl-channels", ".tl-summary"):
        box = page.locator(name).bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, name
    ready(page)
    for x in (2, 100, x_of(page, 29)):
        strip(page).hover(position={"x": x, "y": 150})
        tip = page.locator(".tl-tip").bounding_box()
        assert tip["x"] >= 0 and tip["x"] + tip["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") == 390
