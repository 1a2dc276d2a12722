"""The live tab and the tabs in Chromium, with a microphone that plays a file."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from emotion.core.results import Result
from tests.browser import (
    ARGS,
    CHROMIUM,
    Open,
    Site,
    expect,
    origin,
    sync_playwright,
    unavailable,
    upload,
)

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory, clip: Path) -> Iterator[Any]:
    """A browser whose microphone plays a clip and two seconds of silence, over and over."""
    if sync_playwright is None or not CHROMIUM.exists():
        unavailable("Playwright or Chromium is not installed")
    samples, rate_hz = soundfile.read(clip, dtype="float32")
    path = tmp_path_factory.mktemp("microphone") / "mic.wav"
    sound = np.concatenate([samples, np.zeros(2 * rate_hz)])
    soundfile.write(path, sound, rate_hz, subtype="PCM_16")
    arguments = [*ARGS, f"--use-file-for-fake-audio-capture={path}"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield browser
        browser.close()


def open_live(page: Any) -> None:
    page.locator("#tabs [role=tab]").nth(1).click()
    expect(page.locator(".live-button")).to_be_visible()


def test_a_live_recording_becomes_an_ordinary_run(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site, "zh")
    open_live(page)
    expect(page.locator("#live-panel")).to_contain_text("只听最近 3 秒")
    expect(page.locator("#live-result")).to_be_hidden()
    page.locator(".live-button").click()
    expect(page.locator(".live")).to_have_attribute("data-state", "recording")
    shown = page.locator(".live-now")
    expect(shown).to_contain_text(re.compile(r"\d+\.\d%"), timeout=15_000)
    expect(page.locator(".live-curve .line").first).to_be_attached()
    expect(shown).to_contain_text("静音", timeout=15_000)  # when the clip has ended
    page.locator(".live-button").click()
    card = page.locator("#live-result-card .is-result")
    expect(card).to_be_visible(timeout=15_000)
    expect(page.locator(".live-emotion")).to_contain_text("录音已结束")
    (run,) = (fake_site.outputs / name for name in fake_site.runs())
    result = Result.from_dict(json.loads((run / "result.json").read_text("utf-8")))
    assert result.granularity == "segment" and result.segments
    assert re.fullmatch(r"live_\d{8}_\d{6}\.wav", result.audio.file)
    elapsed = page.locator(".live-time").inner_text()
    minutes, seconds = elapsed.split(":")
    # The last part has arrived too: nothing that the clock showed is missing.
    assert result.audio.duration_s >= 60 * int(minutes) + int(seconds)
    expect(page.locator("#live-downloads")).to_contain_text(re.compile(r"result\s*\.json"))


def test_a_full_server_says_so_in_the_visitors_language(visit: Open, fake_site: Site) -> None:
    begun = []
    address = f"{origin(fake_site.url)}/api/v1/live"
    for _ in range(8):
        with urllib.request.urlopen(urllib.request.Request(address, method="POST")) as answer:
            begun.append(json.load(answer)["id"])
    page = visit(fake_site, "zh")
    open_live(page)
    page.locator(".live-button").click()
    problem = page.locator(".live-problem")
    expect(problem).to_contain_text("已有 8 个实时录音在进行")
    expect(page.locator(".live")).to_have_attribute("data-state", "idle")
    for live_id in begun:
        urllib.request.urlopen(urllib.request.Request(f"{address}/{live_id}", method="DELETE"))
    page.locator(".live-button").click()
    expect(page.locator(".live")).to_have_attribute("data-state", "recording")
    expect(problem).to_be_hidden()


def test_a_broken_connection_loses_nothing(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site)
    open_live(page)
    broken: list[str] = []

    def lose_some(route: Any) -> None:
        if len(broken) < 2:
            broken.append(route.request.url)
            route.abort()
        else:
            route.continue_()

    page.route(re.compile(r"/api/v1/live/.*sequence=2"), lose_some)
    before = set(fake_site.runs())
    page.locator(".live-button").click()
    expect(page.locator(".live-problem")).to_contain_text("Sending again", timeout=10_000)
    expect(page.locator(".live-problem")).to_be_hidden(timeout=10_000)
    expect(page.locator(".live-time")).to_have_text(re.compile("0:0[4-9]"), timeout=10_000)
    page.locator(".live-button").click()
    expect(page.locator("#live-result-card .is-result")).to_be_visible(timeout=15_000)
    (run,) = set(fake_site.runs()) - before
    result = json.loads((fake_site.outputs / run / "result.json").read_text("utf-8"))
    minutes, seconds = page.locator(".live-time").inner_text().split(":")
    assert result["audio"]["duration_s"] >= 60 * int(minutes) + int(seconds)
    assert len(broken) == 2


def test_a_tab_has_an_address_and_keeps_its_state(visit: Open, fake_site: Site, clip: Path) -> None:
    page = visit(fake_site)
    tabs = page.locator("#tabs [role=tab]")
    names = ["Recognise", "Live", "Batch", "Compare", "History", "Models", "Monitor"]
    expect(tabs).to_have_text(names)
    upload(page, clip)
    page.locator("#granularity input[value=frame]").check()
    tabs.nth(0).focus()
    page.keyboard.press("ArrowRight")
    expect(tabs.nth(1)).to_have_attribute("aria-selected", "true")
    expect(page).to_have_url(re.compile(r"\?tab=live"))
    page.go_back()
    expect(tabs.nth(0)).to_have_attribute("aria-selected", "true")
    expect(page.locator("#granularity input:checked")).to_have_value("frame")
    expect(page.locator("#audio-input audio, #audio-input #waveform").first).to_be_attached()
    page.goto(f"{fake_site.url}?tab=live")
    expect(page.locator(".live-button")).to_be_visible()
    expect(tabs.nth(1)).to_have_attribute("aria-selected", "true")
    page.goto(f"{fake_site.url}?tab=nonsense")
    expect(page.locator("#start-button")).to_be_visible()


def test_nothing_is_cut_off_on_a_telephone(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site, "en", 390)
    open_live(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
