"""The history tab in Chromium: list, filters, opening, deleting and undoing, keys, looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emotion.core.config import Config, ServerConfig
from emotion.core.results import AudioInfo
from emotion.storage.run_store import RunStore
from tests import timeline_results
from tests.browser import SLOW_MS, Open, Site, expect, serve
from tests.fakes import FakeService
from tests.test_browser_look import serious

pytestmark = pytest.mark.browser
ODD = "<img src=x onerror=alert(1)>.wav"
COUNT = 60
NEWEST = datetime(2026, 3, 4, 5, 6, 7)


@pytest.fixture
def runs(fake_site: Site) -> Iterator[list[str]]:
    """Sixty runs, the newest first; every third is angry, one has an odd name."""
    store = RunStore(fake_site.outputs)
    store.delete_all(store.ids())
    for number in range(COUNT):
        name = ODD if number == 1 else f"call {number:02}.wav"
        audio = AudioInfo(name, 2.0 + number, 16_000, 1, "pcm_s16le", "wav", 64_000)
        moment = NEWEST - timedelta(days=number)
        emotion = "angry" if number % 3 == 0 else "happy"
        timestamp = moment.strftime("%Y-%m-%d %H:%M:%S")
        result = timeline_results.result(audio=audio, emotion=emotion, timestamp=timestamp)
        with store.create(moment) as run:
            run.write_json(result.to_dict())
            run.commit()
    yield store.ids()
    store.delete_all(store.ids())


def open_tab(page: Any) -> Any:
    page.locator("#tab-history-button").click()
    rows = page.locator(".his-row")
    expect(rows.first).to_be_visible(timeout=SLOW_MS)
    return rows


def test_pages_filters_and_names(visit: Open, fake_site: Site, runs: list[str]) -> None:
    page = visit(fake_site)
    rows = open_tab(page)
    expect(rows).to_have_count(50)
    expect(page.locator(".his-total .en")).to_have_text("60 in all")
    expect(rows.nth(1).locator(".his-file")).to_have_text(ODD)
    page.locator(".his-more").click()
    expect(rows).to_have_count(COUNT)
    expect(page.locator(".his-more")).to_be_hidden()
    page.locator(".his-filters [name=emotion]").select_option("angry")
    expect(rows).to_have_count(20)
    page.locator(".his-filters [name=name]").fill("call 3")
    expect(rows).to_have_count(4)
    page.locator(".his-filters [name=name]").fill("nothing")
    expect(page.locator(".his-empty .en")).to_contain_text("No recognition fits")
    page.locator(".his-clear").click()
    expect(rows).to_have_count(50)
    page.locator(".his-filters [name=since]").fill("2026-03-01")
    expect(rows).to_have_count(4)
    page.locator("[data-set-lang=zh-CN]").click()
    expect(page.locator(".his-total .zh")).to_have_text("共 4 条")


def test_a_run_is_opened_and_has_an_address(visit: Open, fake_site: Site, runs: list[str]) -> None:
    page = visit(fake_site)
    rows = open_tab(page)
    rows.nth(2).locator(".his-open").click()
    card = page.locator("#history-result-card")
    expect(card).to_contain_text("call 02.wav")
    expect(page.locator("#history-timeline-plot emotion-timeline svg").first).to_be_visible()
    expect(page).to_have_url(re.compile(rf"run={runs[2]}$"))
    page.locator("#history-result .his-close").click()
    expect(card).to_be_hidden()
    expect(rows.nth(2).locator(".his-open")).to_be_focused()
    page.goto(f"{fake_site.url}/?tab=history&run={runs[3]}")
    expect(card).to_contain_text("call 03.wav", timeout=SLOW_MS)


def test_deleting_and_undoing_with_the_keyboard(
    visit: Open, fake_site: Site, runs: list[str]
) -> None:
    page = visit(fake_site)
    rows = open_tab(page)
    rows.nth(0).locator(".his-open").focus()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1).locator(".his-open")).to_be_focused()
    page.keyboard.press("Delete")
    expect(page.locator(".his-undo p .en")).to_have_text("1 deleted")
    expect(page.locator(f"[data-run={runs[2]}] .his-open")).to_be_focused()
    expect(page.locator(f"[data-run={runs[1]}]")).to_have_count(0)
    page.keyboard.press("Control+z")
    expect(page.locator(f"[data-run={runs[1]}] .his-open")).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    expect(page.locator(".his-count .en")).to_have_text("2 selected")
    page.locator(".his-delete-all").click()
    expect(page.locator(".his-total .en")).to_have_text("58 in all")
    page.locator(".his-restore").click()
    expect(page.locator(".his-total .en")).to_have_text("60 in all")
    assert RunStore(fake_site.outputs).ids() == runs


def test_selected_runs_are_downloaded(
    visit: Open, fake_site: Site, runs: list[str], tmp_path: Path
) -> None:
    page = visit(fake_site)
    rows = open_tab(page)
    for number in (0, 1):
        rows.nth(number).locator("input").check()
    expect(page.locator(".his-compare")).to_be_enabled()
    with page.expect_download() as started:
        page.locator(".his-get-all").click()
    assert started.value.suggested_filename == "runs.zip"


def test_an_empty_history(visit: Open, fake_site: Site, runs: list[str]) -> None:
    store = RunStore(fake_site.outputs)
    store.delete_all(runs)
    page = visit(fake_site)
    page.locator("#tab-history-button").click()
    expect(page.locator(".his-empty .en")).to_contain_text("Nothing here yet")


def test_a_history_that_is_off(
    visit: Open, fake: FakeService, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outputs = tmp_path_factory.mktemp("off") / "outputs"
    with serve(
        Config(server=ServerConfig(port=0, outputs_dir=outputs, history=False)), fake
    ) as site:
        page = visit(site)
        page.locator("#tab-history-button").click()
        expect(page.locator(".history.is-off .message .en")).to_contain_text("--no-history")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_looks(visit: Open, fake_site: Site, runs: list[str], lang: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(fake_site, lang, 390)
    rows = open_tab(page)
    rows.nth(1).locator(".his-open").click()
    expect(page.locator("#history-result-card .verdict")).to_be_visible(timeout=SLOW_MS)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious(axe, page) == []
