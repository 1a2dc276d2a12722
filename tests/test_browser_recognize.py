"""The page in Chromium: from a recording to its result, in both languages."""

from __future__ import annotations

import re
import tempfile
import wave
from pathlib import Path

import numpy as np
import pytest

from emotion.core.labels import EMOTIONS
from tests.browser import (
    Open,
    Site,
    download,
    expect,
    finished,
    start,
    unavailable,
    upload,
    wait_for_player,
)

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_upload_recognise_read_and_download(
    visit: Open, site: Site, clip: Path, lang: str, tmp_path: Path
) -> None:
    page = visit(site, lang)
    zh = lang == "zh"
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN" if zh else "en")
    expect(page).to_have_title(re.compile("语音情感识别" if zh else "Speech Emotion"))
    button = page.locator("#start-button")
    expect(button).to_have_text("🎯 开始识别" if zh else "🎯 Start Recognition")
    expect(page.locator("#granularity")).to_contain_text("粒度选择" if zh else "Granularity")
    expect(page.locator("#status-bar")).to_contain_text(re.compile(r"✅ .+ loaded \(CPU, RAM: "))
    upload(page, clip)
    page.locator("#extract-embedding input").check()
    page.locator("#exports input").click()
    page.get_by_role("option", name="report.html").click()
    start(page)
    card = finished(page)
    shown = card.inner_text()
    assert re.search(r"置信度 / Confidence: \d+\.\d%", shown)
    assert any(f"{e.zh} {e.en}" in shown and e.emoji in shown for e in EMOTIONS)
    assert clip.name in shown and ("作答模型" in shown) == zh
    bars = page.locator("#scores-plot li")
    expect(bars).to_have_count(9)
    values = [float(value[:-1]) for value in page.locator("#scores-plot .value").all_inner_texts()]
    assert sum(values) == pytest.approx(100, abs=0.5)
    log = page.locator("#log textarea").input_value()
    for line in (
        r"\[INFO\] Audio validated: \d+\.\ds, 16kHz, mono",
        r"\[INFO\] Preprocessing done → processed_audio.wav saved",
        r"\[INFO\] Warmup completed. Ready for inference.",
        r"\[INFO\] Inference time: \d+\.\d\ds \(utterance-level\)",
    ):
        assert re.search(line, log)
    embedding = np.load(download(page, "embedding.npy", tmp_path))
    assert embedding.ndim == 1 and embedding.dtype == np.float32
    report = download(page, "report.html", tmp_path).read_text("utf-8")
    assert f'lang="{"zh-CN" if zh else "en"}"' in report and clip.name in report
    with wave.open(str(download(page, "processed_audio.wav", tmp_path))) as audio:
        assert (audio.getframerate(), audio.getnchannels()) == (16_000, 1)


def test_frame_mode_draws_both_curves(visit: Open, site: Site, clip: Path) -> None:
    page = visit(site)
    upload(page, clip)
    timeline = page.locator("#timeline-plot")
    page.locator("#granularity input[value=frame]").check()
    start(page)
    finished(page)
    svg = timeline.locator("svg[role=img]")
    expect(svg).to_be_visible()
    expect(timeline).to_contain_text("sliding windows of 1 s")
    contribution = timeline.locator("[data-choice=contribution]")
    expect(contribution).to_have_attribute("aria-pressed", "false")
    before = svg.inner_html()
    contribution.click()
    expect(contribution).to_have_attribute("aria-pressed", "true")
    expect(timeline.locator("[data-curve=contribution]").last).to_be_visible()
    expect(svg).not_to_have_js_property("innerHTML", before)
    names = page.locator("#downloads a[download]").all()
    assert len(names) == 2


def test_switching_the_language_keeps_the_result(visit: Open, site: Site, clip: Path) -> None:
    page = visit(site, "zh")
    upload(page, clip)
    start(page)
    verdict = finished(page).locator(".emotion").inner_text()
    page.locator("[data-set-lang=en]").click()
    expect(page.locator("#start-button")).to_have_text("🎯 Start Recognition")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.locator("#result-card .emotion")).to_have_text(verdict)
    expect(page.locator("#result-card .card-title")).to_have_text("Result", use_inner_text=True)
    start_over = page.reload()
    assert start_over is not None
    expect(page.locator("#start-button")).to_have_text("🎯 Start Recognition")


def test_example_button(visit: Open, site: Site) -> None:
    page = visit(site, "zh")
    expect(page.locator("#example-button")).to_have_text("📝 加载示例音频")
    page.locator("#example-choice input").click()
    options = page.locator("[role=option]")
    expect(options).to_have_count(7)
    expect(options.nth(2)).to_contain_text("恐惧 Fearful")
    options.nth(2).click()
    page.locator("#example-button").click()
    wait_for_player(page, "fearful_ravdess_03-01-06-02-02-02-22.ogg")
    start(page)
    expect(finished(page).locator(".emotion")).to_have_text("恐惧 Fearful")


def test_errors_say_what_to_do(visit: Open, site: Site, tmp_path: Path) -> None:
    page = visit(site, "zh")
    toast, card = page.locator("[data-testid=toast-body]"), page.locator("#result-card")
    start(page)
    expect(toast).to_contain_text("请先上传、拖入或录制一段音频")
    expect(toast).to_contain_text("出错了")
    expect(card).to_contain_text("还没有音频")
    page.locator("[data-testid=toast-close]").click()
    expect(toast).to_have_count(0)
    broken = tmp_path / "坏文件.mp3"
    broken.write_bytes(np.random.default_rng(0).bytes(4000))
    before = site.runs()
    upload(page, broken)
    start(page)
    expect(toast).to_contain_text("坏文件.mp3：无法作为音频读取")
    expect(card.locator("[role=alert]")).to_contain_text("无法作为音频读取")
    expect(page.locator("#start-button")).to_be_enabled()
    assert site.runs() == before


def test_file_named_like_markup_is_only_text(visit: Open, site: Site, clip: Path) -> None:
    page = visit(site)
    with tempfile.TemporaryDirectory() as folder:
        evil = Path(folder) / "<img src=x onerror=alert(1)>${1+1}.ogg"
        evil.write_bytes(clip.read_bytes())
        page.locator("#audio-input input[type=file]").set_input_files(evil)
        expect(page.locator("#audio-input a[download]")).to_be_visible()  # Gradio cuts the name
        start(page)
        card = finished(page)
    assert card.locator("img").count() == 0


def test_a_missing_browser_is_a_loud_skip_and_a_failure_in_ci(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="THE PAGE IS NOT TESTED: no browser"):
        unavailable("no browser")
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="THE PAGE IS NOT TESTED: no browser"):
        unavailable("no browser")
