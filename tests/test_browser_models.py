"""The models tab in Chromium: what there is, switching, a comparison, accessibility."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser import SLOW_MS, Open, Site, answer_with, expect
from tests.fakes import FakeService
from tests.test_browser_look import serious
from tests.test_model_comparison import rows

pytestmark = pytest.mark.browser


def axe() -> Any:
    return pytest.importorskip("axe_playwright_python.sync_playwright").Axe()


ROUTE = "**/api/v1/models"


def open_tab(page: Any) -> Any:
    """Opens the tab by its address and gives its list."""
    page.goto(page.url.split("?")[0] + "?tab=models")
    cards = page.locator(".mdl-list > li")
    expect(cards.first).to_be_visible(timeout=SLOW_MS)
    return cards


def ready(body: dict[str, Any]) -> None:
    body["models"][2]["state"] = "ready"


def test_switching_with_the_keyboard(visit: Open, fake_site: Site, fake: FakeService) -> None:
    page = visit(fake_site)
    answer_with(page, ROUTE, ready)
    cards = open_tab(page)
    expect(page.locator("li[data-answers]")).to_contain_text("Fake")
    expect(cards.nth(0).locator(".mdl-switch .en")).to_have_text("Download and switch")
    button = cards.nth(2).locator(".mdl-switch")
    expect(button.locator(".en")).to_have_text("Switch to it")
    button.focus()
    with page.expect_response("**/api/v1/models/switch") as answered:
        page.keyboard.press("Enter")
    assert answered.value.status == 202
    assert fake.switched == ["emotion2vec_plus_seed"]
    assert serious(axe(), page) == []


def test_a_failed_switch_is_told_and_others_may_not_switch(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site, "zh", 390)

    def failed(body: dict[str, Any]) -> None:
        body["switch_error"] = {"code": "x", "en": "no <b>room", "zh": "没有 <b>空间"}
        body["operator"] = False

    answer_with(page, ROUTE, failed)
    open_tab(page)
    expect(page.locator(".mdl-problem .zh")).to_have_text("切换失败，仍用原来的模型：没有 <b>空间")
    expect(page.locator(".mdl-note .zh")).to_contain_text("只有这台服务器的管理员")
    expect(page.locator(".mdl-switch")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert serious(axe(), page) == []


def test_a_comparison(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site)
    data = {
        "manifest": "m.csv", "made": "2026-01-01 12:00", "machine": "a machine",
        "rows": [row.to_dict() for row in rows()],
    }  # fmt: skip
    answer_with(page, ROUTE, lambda body: body.update(comparison=data))
    open_tab(page)
    lines = page.locator(".mdl-table tbody tr")
    expect(lines).to_have_count(2)
    expect(lines.nth(0).locator("th")).to_have_text("Tiny <b>")
    expect(lines.nth(0)).to_contain_text("0.875")
    expect(lines.nth(0)).to_contain_text("Sad → Happy 25 %")
    expect(lines.nth(1).locator(".is-problem .en")).to_have_text("Not measured: not here | <i>")
    expect(page.locator(".mdl-about .en")).to_contain_text("5 recordings of m.csv, 2026-01-01")
    assert serious(axe(), page) == []


def test_without_a_comparison_the_command_is_shown(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site)
    open_tab(page)
    expect(page.locator(".mdl-command")).to_contain_text("emotion evaluate")
    expect(page.locator(".mdl-how .en")).to_contain_text("There is no comparison yet")
    expect(page.locator(".mdl-scroll")).to_be_hidden()
