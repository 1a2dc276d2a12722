"""The banner in Chromium: why the model failed, and the button that has it loaded again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from emotion.core.access_errors import OperatorOnlyError
from emotion.core.errors import CheckpointError, DownloadError
from emotion.recognition.opening import Status
from tests.browser import SLOW_MS, Open, Site, expect
from tests.fakes import FakeService

pytestmark = pytest.mark.browser
REASON = DownloadError(name="large", reason="no route")
FALLBACK = Status("ready", 100, "Emotion2Vec Mini", fallback=REASON)
FAILED = Status("failed", 200, "Mine", error=CheckpointError(folder="/srv/mine", reason="no x.pt"))
BUTTON = "#fallback-banner .again"


@pytest.fixture(autouse=True)
def restored(fake: FakeService) -> Iterator[None]:
    before = fake.status
    fake.retries, fake.refusal = 0, None
    yield
    fake.status = before


@pytest.mark.parametrize(("lang", "width"), [("zh", 1280), ("en", 390)])
@pytest.mark.parametrize("status", [FALLBACK, FAILED], ids=["fallback", "failed"])
def test_the_banner_has_a_button(
    visit: Open, fake_site: Site, fake: FakeService, status: Status, lang: str, width: int
) -> None:
    fake.status = status
    page = visit(fake_site, lang, width)
    button = page.locator(BUTTON)
    expect(button).to_have_text({"zh": "重试", "en": "Try again"}[lang])
    what = page.locator("#fallback-banner .what")
    failed = {"zh": "模型加载失败", "en": "The model could not be loaded"}[lang]
    fallback = {"zh": "备用小模型", "en": "The fallback model"}[lang]
    expect(what).to_contain_text(failed if status is FAILED else fallback)
    page.locator("#fallback-banner summary").click()
    why = page.locator("#fallback-banner .why")
    expect(why).to_contain_text("mine" if status is FAILED else "large")
    assert "srv" not in page.content()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    box = button.bounding_box()
    assert box["height"] >= 24 and box["x"] + box["width"] <= width
    assert page.evaluate("document.querySelector('#fallback-banner').scrollWidth") <= width


def test_a_retry_that_helps(visit: Open, fake_site: Site, fake: FakeService) -> None:
    fake.status = FAILED
    page = visit(fake_site)
    page.locator(BUTTON).click()
    bar = page.locator("#status-bar")
    expect(bar).to_have_attribute("data-kind", "loading", timeout=SLOW_MS)
    expect(page.locator("#fallback-banner")).to_be_hidden()
    assert fake.retries == 1
    fake.status = Status("ready", 300, "Fake")
    expect(bar).to_have_attribute("data-kind", "ready", timeout=SLOW_MS)
    expect(page.locator("#fallback-banner")).to_be_hidden()


def test_a_retry_that_fails_says_so(visit: Open, fake_site: Site, fake: FakeService) -> None:
    fake.status = FALLBACK
    page = visit(fake_site)
    note = page.locator("#fallback-banner .note")
    expect(page.locator(BUTTON)).to_be_hidden()  # it comes with the details
    page.locator("#fallback-banner summary").click()
    expect(note).to_be_hidden()
    page.locator(BUTTON).click()
    expect(page.locator("#status-bar")).to_have_attribute("data-kind", "loading", timeout=SLOW_MS)
    fake.status = Status("ready", 400, "Emotion2Vec Mini", fallback=REASON)
    expect(note).to_have_text(re.compile(r"Tried again at .*:.*, without success"), timeout=SLOW_MS)
    page.locator("[data-set-lang=zh-CN]").click()
    expect(note).to_contain_text("仍然失败")


def test_a_refusal_is_told_in_the_visitors_language(
    visit: Open, fake_site: Site, fake: FakeService
) -> None:
    fake.status, fake.refusal = FALLBACK, OperatorOnlyError()
    page = visit(fake_site, "zh")
    page.locator("#fallback-banner summary").click()
    page.locator(BUTTON).click()
    expect(page.locator("#fallback-banner .note")).to_have_text("只有本服务器的管理员可以这样做")
    expect(page.locator(BUTTON)).to_be_enabled()


def test_only_operators_have_the_button(visit: Open, fake_site: Site, fake: FakeService) -> None:
    fake.status = FALLBACK
    page = visit(fake_site)

    def as_another(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "operator": False})

    page.locator("#fallback-banner summary").click()
    expect(page.locator(BUTTON)).to_be_visible()
    page.route(re.compile("/api/v1/status"), as_another)
    page.reload()
    expect(page.locator("#fallback-banner")).to_be_visible()
    page.locator("#fallback-banner summary").click()
    expect(page.locator(BUTTON)).to_be_hidden()
