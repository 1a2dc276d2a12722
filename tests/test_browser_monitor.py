"""The monitoring tab in Chromium: values, polling, pause, refusal, a lost server, accessibility."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser import SLOW_MS, Open, Site, answer_with, expect
from tests.test_browser_look import serious
from tests.watching import CARD

pytestmark = pytest.mark.browser
ROUTE = "**/api/v1/monitor"


def open_tab(page: Any) -> Any:
    """Opens the tab and gives the card; a telephone has it behind Gradio's menu of tabs."""
    button = page.locator("#tab-monitor-button")
    if not button.is_visible():
        page.locator("#tabs .overflow-menu > button").click()
        button = page.locator("#tabs .overflow-dropdown button", has_text="Monitor")
    button.click()
    card = page.locator("#monitor-panel .monitor")
    expect(card).to_be_visible()
    return card


def running(page: Any) -> Any:
    """The card, once it shows values."""
    card = open_tab(page)
    expect(card).to_have_attribute("data-state", "on", timeout=SLOW_MS)
    return card


def counting(page: Any) -> list[str]:
    """Requests of the monitor from now on."""
    asked: list[str] = []
    page.on(
        "request",
        lambda request: asked.append(request.url) if "/api/v1/monitor" in request.url else None,
    )
    return asked


def cells(page: Any, row: str) -> Any:
    return page.locator(f"[data-row={row}] td")


def test_the_tab_shows_what_the_server_did(visit: Open, fake_site: Site, clip: Path) -> None:
    url = f"{fake_site.url}/api/v1/recognize"
    before = httpx.get(f"{fake_site.url}/api/v1/monitor").json()["last_hour"]
    for _ in range(2):
        assert httpx.post(url, content=clip.read_bytes()).status_code == 200
    assert httpx.post(url, content=b"no audio").status_code == 415
    page = visit(fake_site)
    card = running(page)
    expect(cells(page, "requests").nth(1)).to_have_text(str(before["requests"] + 3))
    expect(cells(page, "refused").nth(1)).to_have_text(str(before["refused"] + 1))
    expect(cells(page, "failed").nth(1)).to_have_text("0")
    expect(cells(page, "jobs_done").nth(1)).to_have_text(str(before["jobs"]["done"] + 2))
    expect(cells(page, "p95").nth(1)).to_have_text(re.compile(r"^(< )?\d[\d.]* m?s$"))
    expect(page.locator("[data-fact=model] dd")).to_have_text("Fake")
    expect(page.locator("[data-fact=phase] dd")).to_have_text("ready", use_inner_text=True)
    expect(page.locator("[data-fact=engine] dd")).to_have_text("native · cpu · fp32")
    expect(page.locator("[data-fact=memory] dd")).to_have_text(
        re.compile(r"^[\d.]+ [MG]B; machine: [\d.]+ GB of [\d.]+ GB free$"), use_inner_text=True
    )
    expect(page.locator("[data-fact=gpu] dd .en")).to_have_text("No GPU in use")
    expect(page.locator("[data-fact=gpu_busy]")).to_be_hidden()
    expect(page.locator("[data-version=python] dd")).to_have_text(re.compile(r"^3\.\d+\.\d+$"))
    expect(page.locator("[data-curve=memory_bytes] svg .line")).to_have_count(1)
    expect(card.locator(".mon-note")).to_be_hidden()
    page.locator("[data-set-lang=zh-CN]").click()
    expect(card.locator("h2")).to_contain_text("服务器监控")
    expect(page.locator("[data-fact=phase] dd")).to_have_text("就绪", use_inner_text=True)


def test_it_asks_only_while_the_tab_is_open(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site)
    page.clock.install()
    asked = counting(page)
    page.clock.run_for(10_000)
    assert asked == []
    running(page)
    for count in (2, 3):
        with page.expect_response(ROUTE):
            page.clock.run_for(2000)
        assert len(asked) >= count
    page.locator("#tabs [role=tab]").nth(0).click()
    expect(page.locator("#start-button")).to_be_visible()
    before = len(asked)
    page.clock.run_for(20_000)
    assert len(asked) <= before + 1  # the one that was under way
    with page.expect_response(ROUTE):
        open_tab(page)


def test_it_can_be_paused_with_the_keyboard(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site)
    page.clock.install()
    asked = counting(page)
    running(page)
    button = page.locator(".mon-pause")
    expect(button).to_have_text("暂停Pause")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_text("继续Resume")
    page.clock.run_for(2000)
    before = len(asked)
    page.clock.run_for(20_000)
    assert len(asked) == before
    with page.expect_response(ROUTE):
        page.keyboard.press("Enter")
    expect(button).to_have_text("暂停Pause")


def test_whoever_is_not_the_operator_reads_one_sentence(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site)
    page.route(ROUTE, lambda route: route.fulfill(status=403, json={"code": "operator_only"}))
    card = open_tab(page)
    expect(card).to_have_attribute("data-state", "forbidden")
    expect(card.locator(".mon-note .en")).to_have_text(
        "Only the operator of this server may see its monitor."
    )
    for hidden in (".mon-body", ".mon-pause", ".mon-note .zh"):
        expect(card.locator(hidden)).to_be_hidden()
    page.unroute(ROUTE)
    page.locator("#tabs [role=tab]").nth(0).click()
    running(page)  # asked again when the tab is opened again
    expect(card.locator(".mon-body")).to_be_visible()


def test_a_lost_server_leaves_the_last_values(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site)
    page.clock.install()
    card = running(page)
    page.route(ROUTE, lambda route: route.abort())
    page.clock.run_for(2000)
    expect(card).to_have_attribute("data-state", "offline")
    expect(card.locator(".mon-note")).to_contain_text("The server does not answer")
    expect(page.locator("[data-fact=model] dd")).to_have_text("Fake")
    page.unroute(ROUTE)
    page.clock.run_for(2000)
    expect(card).to_have_attribute("data-state", "on")
    expect(card.locator(".mon-note")).to_be_hidden()


def test_a_card_gaps_and_faults_of_the_server(visit: Open, fake_site: Site) -> None:
    def change(body: dict[str, Any]) -> None:
        body["gpu"] = vars(CARD)
        body["uptime_s"] = 3 * 86_400 + 5 * 3600
        body["last_hour"]["failed"] = 7
        body["queue"] = {"interactive": 3, "bulk": 2, "running": 4}
        body["model"]["title"] = "<img src=x onerror=alert(1)>"
        body["curves"]["latency_p95_s"] = [0.1, 0.2, None, 2.5, None, 0.3]

    page = visit(fake_site)
    answer_with(page, ROUTE, change)
    running(page)
    expect(page.locator("[data-fact=gpu] dd .en")).to_have_text(
        "9.0 GB of 24.0 GB; 4.0 GB reserved here"
    )
    expect(page.locator("[data-fact=gpu_busy] dd")).to_have_text("75 %")
    expect(page.locator("[data-fact=uptime] dd .en")).to_have_text("3 d 5 h")
    expect(page.locator("[data-fact=waiting_jobs] dd .en")).to_have_text("3 interactive, 2 bulk")
    expect(page.locator("[data-fact=model] dd")).to_have_text("<img src=x onerror=alert(1)>")
    expect(page.locator("[data-row=failed]")).to_have_attribute("data-bad", "")
    expect(page.locator("[data-curve=queue] .mon-value")).to_have_text("5")
    expect(page.locator("[data-curve=latency_p95_s] svg .line")).to_have_count(3)
    expect(page.locator("[data-curve=latency_p95_s] .mon-range .en")).to_have_text(
        "10 min max: 2.5 s"
    )


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_nothing_is_cut_off_on_a_telephone(visit: Open, fake_site: Site, lang: str) -> None:
    page = visit(fake_site, lang, 390)
    card = running(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for part in card.locator(".mon-tile, .mon-table, .mon-facts, dd, td").all():
        box = part.bounding_box()
        assert box is None or box["x"] + box["width"] <= 390
    assert card.locator(".mon-pause").bounding_box()["height"] >= 40


def test_accessibility(visit: Open, fake_site: Site) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(fake_site)
    answer_with(page, ROUTE, lambda body: body["last_hour"].update(failed=7))
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{fake_site.url}?tab=monitor")  # the tab has an address
        card = page.locator("#monitor-panel .monitor")
        expect(card).to_have_attribute("data-state", "on", timeout=SLOW_MS)
        assert serious(axe, page) == []
    page.route(ROUTE, lambda route: route.abort())
    expect(card).to_have_attribute("data-state", "offline")
    assert serious(axe, page) == []
