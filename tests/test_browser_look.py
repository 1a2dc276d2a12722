"""The page in Chromium: its first screen, its size, its status, and its accessibility."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from emotion.core.errors import (
    CheckpointError,
    DownloadError,
    EngineFallbackError,
    TorchWithoutCudaError,
)
from emotion.recognition.opening import Status
from tests.browser import SLOW_MS, Open, Site, expect, finished, start, upload, wait_for_player
from tests.fakes import FakeService

pytestmark = pytest.mark.browser
FALLBACK = Status(
    "ready", 30, "Emotion2Vec Mini", fallback=DownloadError(name="large", reason="no route")
)


def bottom(page: Any, selector: str) -> float:
    """Where an element ends, in pixels from the top of the window."""
    box = page.locator(selector).bounding_box()
    return float(box["y"] + box["height"])


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_first_screen_has_the_start_button_even_with_the_banner(
    visit: Open, fake_site: Site, fake: FakeService, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    monkeypatch.setattr(fake, "status", FALLBACK)
    page = visit(fake_site, lang, 1280, 720)
    banner = page.locator("#fallback-banner")
    expect(banner).to_be_visible()
    assert banner.bounding_box()["height"] < 50, "one line"
    top_of_bar = page.locator("#status-bar").bounding_box()["y"]
    for name in ("audio-input", "start-button", "cancel-button", "example-button"):
        assert bottom(page, f"#{name}") < top_of_bar, name
    assert bottom(page, "#status-bar") == 720


# Names what overlaps the status bar once the page is scrolled to its end.
_COVERED = """() => {
  scrollTo(0, document.documentElement.scrollHeight);
  const bar = document.getElementById('status-bar').getBoundingClientRect();
  return [...document.querySelectorAll('gradio-app, gradio-app *')].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width && box.height && box.bottom > bar.top + 0.5 && box.top < bar.bottom;
  }).map((element) => `${element.tagName}#${element.id}.${element.className}`);
}"""


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844)])
def test_the_status_bar_covers_nothing(
    visit: Open, fake_site: Site, fake: FakeService, clip: Path,
    monkeypatch: pytest.MonkeyPatch, width: int, height: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(fake, "status", FALLBACK)
    page = visit(fake_site, "zh", width, height)
    expect(page.locator("#status-bar")).to_have_attribute("data-kind", "fallback")
    assert page.evaluate(_COVERED) == []
    upload(page, clip)
    page.locator("#granularity input[value=frame]").check()
    start(page)
    finished(page)
    expect(page.locator("#timeline-plot svg[role=img]")).to_be_visible()
    assert page.evaluate(_COVERED) == []
    assert bottom(page, "#status-bar") == pytest.approx(height, abs=0.5)  # parts of a pixel


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_nothing_is_cut_off_on_a_telephone(
    visit: Open, fake_site: Site, clip: Path, lang: str
) -> None:
    page = visit(fake_site, lang, width=390)
    widths = "[document.documentElement.scrollWidth, innerWidth]"
    assert page.evaluate(widths) == [390, 390]
    upload(page, clip)
    page.locator("#granularity input[value=frame]").check()
    start(page)
    finished(page)
    expect(page.locator("#timeline-plot svg[role=img]")).to_be_visible()
    assert page.evaluate(widths) == [390, 390]
    for name in ("result-card", "scores-plot", "timeline-plot", "log", "downloads", "status-bar"):
        box = page.locator(f"#{name}").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, name


def test_an_old_toast_goes_when_a_new_run_starts(visit: Open, fake_site: Site, clip: Path) -> None:
    page = visit(fake_site)
    toast = page.locator("[data-testid=toast-body]")
    start(page)
    expect(toast).to_contain_text("There is no audio yet")
    upload(page, clip)
    expect(toast).to_have_count(1)
    start(page)
    expect(toast).to_have_count(0, timeout=3000)  # by itself it would stay for 10 s
    finished(page)


def test_status_of_the_model(
    visit: Open, fake_site: Site, fake: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    loading = Status("downloading", 2, "Emotion2Vec+ Large", 500, 2000)
    monkeypatch.setattr(fake, "status", loading)
    page = visit(fake_site)
    bar, banner = page.locator("#status-bar"), page.locator("#fallback-banner")
    expect(bar).to_have_text("Loading... (downloading 25%)")
    expect(banner).to_be_hidden()
    error = DownloadError(name="large", reason="no <b>route</b>")
    monkeypatch.setattr(fake, "status", Status("ready", 3, "Mini", fallback=error))
    expect(bar).to_have_attribute("data-kind", "fallback", timeout=SLOW_MS)
    reason = banner.locator(".why")
    expect(reason).to_be_hidden()
    banner.locator("summary").click()
    expect(reason).to_be_visible()
    expect(reason).to_contain_text("no <b>route</b>")
    expect(banner).to_contain_text("python -m emotion download emotion2vec_plus_large")
    expect(banner).to_contain_text("bash run.sh download emotion2vec_plus_large")
    page.locator("[data-set-lang=zh-CN]").click()
    expect(banner).to_contain_text("备用小模型")
    expect(banner).to_contain_text("large 下载失败（no <b>route</b>）")
    error = DownloadError(name="large", reason="no route")
    monkeypatch.setattr(fake, "status", Status("failed", 4, "Large", error=error))
    page.reload()
    expect(bar).to_have_attribute("data-kind", "failed", timeout=SLOW_MS)
    expect(bar).to_contain_text("模型加载失败")
    expect(bar).to_contain_text("large 下载失败（no route）")


def test_a_card_that_is_not_used_is_in_the_status_bar(
    visit: Open, fake_site: Site, fake: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = TorchWithoutCudaError(
        card="NVIDIA T4", driver="535.104.05", torch="2.13.0+cpu", command="do <b>this</b>"
    )
    monkeypatch.setattr(fake, "status", Status("ready", 7, "Fake", gpu=gpu))
    page = visit(fake_site)
    bar = page.locator("#status-bar")
    expect(bar).to_have_attribute("data-kind", "gpu", timeout=SLOW_MS)
    expect(bar).to_contain_text("✅ Fake loaded (CPU, RAM: ")
    expect(bar).to_contain_text("NVIDIA T4 (driver 535.104.05) is not used: torch 2.13.0+cpu")
    expect(bar).to_contain_text("do <b>this</b>")
    page.locator("[data-set-lang=zh-CN]").click()
    expect(bar).to_contain_text("请安装含 CUDA 的版本：do <b>this</b>")


def test_an_answer_by_funasr_is_in_the_status_bar(
    visit: Open, fake_site: Site, fake: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = EngineFallbackError(reason="conv_pos_pre_ln is True")
    monkeypatch.setattr(fake, "status", Status("ready", 7, "Fake", engine_fallback=refusal))
    page = visit(fake_site)
    bar = page.locator("#status-bar")
    expect(bar).to_have_attribute("data-kind", "fallback", timeout=SLOW_MS)
    expect(bar).to_contain_text("FunASR answers")
    expect(bar).to_contain_text("the native engine refuses this checkpoint (conv_pos_pre_ln")
    expect(page.locator("#fallback-banner")).to_be_hidden()
    page.locator("[data-set-lang=zh-CN]").click()
    expect(bar).to_contain_text("由 FunASR 作答")


def test_visitors_learn_no_folders(
    visit: Open, fake_site: Site, fake: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = CheckpointError(folder=Path("/srv/secret/large"), reason="no /srv/secret/x.pt")
    monkeypatch.setattr(fake, "status", Status("ready", 40, "Mini", fallback=error))
    page = visit(fake_site, "zh")
    expect(page.locator("#fallback-banner .why")).to_contain_text("large：no x.pt")
    assert "secret" not in page.content()
    assert "secret" not in httpx.get(f"{fake_site.url}/api/v1/status").text


def test_the_examples_follow_the_model(
    visit: Open, fake_site: Site, fake: FakeService, clip: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(fake, "status", Status("downloading", 50, "Large", 1, 2))
    page = visit(fake_site)
    choice = page.locator("#example-choice input")
    expect(choice).to_have_value("愤怒 Angry")
    (tmp_path / "own clip.ogg").write_bytes(clip.read_bytes())
    monkeypatch.setattr(fake.current, "example", tmp_path)
    monkeypatch.setattr(fake, "status", Status("ready", 51, "Large"))
    expect(choice).to_have_value("own clip")
    choice.click()
    expect(page.locator("[role=option]")).to_have_count(8)
    page.keyboard.press("Escape")
    page.locator("#example-button").click()
    wait_for_player(page, "own clip.ogg")
    start(page)
    expect(finished(page).locator(".file")).to_have_text("own clip.ogg")


# Gradio's own markup, not ours to change: (rule, what its element's selector has).
GRADIOS_OWN = (
    ("aria-prohibited-attr", ".empty"),  # the label on the empty list of files
    ("nested-interactive", ".toast-header"),  # the close button in a toast that folds
)

# Waits until what fades in or out is there or gone. An animation that is cancelled, because its
# element goes or another takes its place, has ended as well; its promise rejects with AbortError.
SETTLED = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  let running;
  do {
    await frame();
    await frame();
    running = document.getAnimations().filter((one) =>
      one.playState !== 'finished' && one.effect.getComputedTiming().endTime < 3000);
    await Promise.allSettled(running.map((one) => one.finished));
  } while (running.length);
}"""


def serious(axe: Any, page: Any) -> list[str]:
    """What axe finds serious or critical on the page, but for Gradio's own."""
    page.evaluate(SETTLED)
    return [
        f"{rule['id']}: {node['target']}: {node['failureSummary']}"
        for rule in axe.run(page).response["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if (rule["id"], " ".join(map(str, node["target"]))) not in GRADIOS_OWN
    ]


def test_accessibility(visit: Open, fake_site: Site, clip: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(fake_site)
    expect(page.locator("#status-bar")).to_have_attribute("data-kind", "ready", timeout=SLOW_MS)
    assert serious(axe, page) == []
    upload(page, clip)
    page.locator("#granularity input[value=frame]").check()
    start(page)
    finished(page)
    expect(page.locator("#timeline-plot svg[role=img]")).to_be_visible()
    assert serious(axe, page) == []
    page.locator("#more-options button").first.click()
    expect(page.locator("#labels")).to_be_visible()
    assert serious(axe, page) == []
    page.locator("#tabs [role=tab]").nth(1).click()
    expect(page.locator(".live-button")).to_be_visible()
    assert serious(axe, page) == []
    page.locator("#tabs [role=tab]").nth(0).click()
    page.emulate_media(color_scheme="dark")
    page.reload()
    expect(page.locator("body")).to_have_class(re.compile("dark"))
    assert serious(axe, page) == []
    start(page)
    expect(page.locator("#result-card [role=alert]")).to_be_visible()
    expect(page.locator("[data-testid=toast-body]")).to_be_visible()
    assert serious(axe, page) == []
