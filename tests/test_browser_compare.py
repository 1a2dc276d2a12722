"""The compare tab in Chromium: recordings, the map by keyboard, errors, look."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.analysis.comparison import compare
from emotion.analysis.items import Compared
from tests.browser import SLOW_MS, Open, Site, expect
from tests.test_browser_look import serious

pytestmark = pytest.mark.browser
Wav = Callable[..., Path]


def open_tab(page: Any) -> Any:
    page.locator("#tab-compare-button").click()
    card = page.locator("#compare-panel .compare")
    expect(card).to_be_visible()
    return card


def run(page: Any, files: list[Path]) -> None:
    page.locator(".cmp-files").set_input_files(files)
    page.locator(".cmp-start:enabled").click()


def canned(page: Any, count: int) -> None:
    """Has the server answer with points in two groups."""
    rng = np.random.default_rng(0)
    items = [
        Compared(f"e{k}.npy", np.eye(8)[k % 2] + 0.1 * rng.normal(size=8), {"sad": 1.0}, "mini",
                 ("sad", "happy")[k % 2], 0.9, date=f"2026-01-{k % 28 + 1:02}", speaker="Ann")
        for k in range(count)
    ]  # fmt: skip
    body = json.dumps(compare(items).to_dict())
    page.route("**/api/v1/compare", lambda route: route.fulfill(status=200, body=body))


def embeddings(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"e{k}.npy" for k in range(count)]
    for k, path in enumerate(paths):
        np.save(path, np.full(4, k + 1.0, "f4"))
    return paths


def test_recordings_are_compared_and_a_broken_one_is_told(
    visit: Open, fake_site: Site, wav: Wav, tmp_path: Path
) -> None:
    page = visit(fake_site)
    open_tab(page)
    broken = tmp_path / "<b>broken.wav"
    broken.write_text("x")
    table = tmp_path / "t.csv"
    table.write_text("file,room\na.wav,A\nb.wav,B\n")
    run(page, [wav(1.0, "a.wav", 1), wav(1.5, "b.wav", 2), broken, table])
    expect(page.locator(".cmp-results")).to_be_visible(timeout=SLOW_MS)
    first = page.locator(".cmp-matrix").first
    expect(first.locator("tbody tr")).to_have_count(2)
    expect(first.locator("tbody td").first).to_have_text("1.000")
    expect(page.locator(".cmp-failed")).to_contain_text("<b>broken.wav")
    page.locator(".cmp-colour").select_option(label="Column: room")
    expect(page.locator(".cmp-legend")).to_contain_text("A")
    first.locator(".cmp-play").first.click()
    expect(page.locator(".cmp-playing")).to_have_text("Playing: a.wav")


def test_the_map_by_keyboard(visit: Open, fake_site: Site, tmp_path: Path) -> None:
    page = visit(fake_site)
    open_tab(page)
    canned(page, 30)
    run(page, embeddings(tmp_path, 30))
    points = page.locator(".cmp-svg .pt")
    expect(points).to_have_count(30, timeout=SLOW_MS)
    page.locator(".cmp-svg .pt[tabindex='0']").focus()
    before = page.evaluate("document.activeElement.dataset.place")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    after = page.evaluate("document.activeElement.dataset.place")
    assert after != before
    expect(page.locator(".cmp-tip b")).to_have_text(f"e{after}.npy")
    page.keyboard.press("Enter")
    expect(page.locator(".cmp-playing")).to_contain_text(f"e{after}.npy is an embedding")
    expect(page.locator(".cmp-of")).to_have_value(after)
    expect(page.locator(".cmp-near li")).to_have_count(5)
    page.locator(".cmp-legend button").first.click()
    expect(page.locator(".cmp-svg .pt:visible")).to_have_count(15)
    with page.expect_download() as started:
        page.locator("[data-file=map]").click()
    rows = Path(started.value.path()).read_text(encoding="utf-8-sig").splitlines()
    assert len(rows) == 31 and rows[0].startswith("name,x,y,cluster,emotion")


def test_errors_are_in_the_visitors_language(visit: Open, fake_site: Site, tmp_path: Path) -> None:
    page = visit(fake_site, "zh")
    open_tab(page)
    np.save(tmp_path / "wide.npy", np.ones(9, "f4"))
    run(page, [*embeddings(tmp_path, 1), tmp_path / "wide.npy"])
    problem = page.locator(".cmp-problem")
    expect(problem).to_contain_text("e0.npy：4，wide.npy：9", timeout=SLOW_MS)
    expect(page.locator(".cmp-results")).to_be_hidden()
    expect(page.locator(".cmp-count")).to_contain_text("2 个 embedding")  # nothing is lost


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_looks(visit: Open, fake_site: Site, tmp_path: Path, scheme: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(fake_site, "en", 390)
    page.emulate_media(color_scheme=scheme)
    open_tab(page)
    canned(page, 30)
    run(page, embeddings(tmp_path, 30))
    expect(page.locator(".cmp-svg .pt").first).to_be_visible(timeout=SLOW_MS)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert serious(axe, page) == []
