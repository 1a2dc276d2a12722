"""The exported report in Chromium, opened from the disk without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from emotion.core.options import ExportLanguage
from emotion.exports import write
from tests.browser import expect
from tests.export_results import ODD_CLEAN, result, with_frames

pytestmark = pytest.mark.browser
Wav = Callable[..., Path]
Show = Callable[..., Any]


@pytest.fixture
def show(contexts: Callable[..., Any], wav: Wav, tmp_path: Path) -> Iterator[Show]:
    """Opens a report; in the end it must have asked for nothing and thrown nothing."""
    asked: list[str] = []
    errors: list[str] = []
    pages: list[Any] = []

    def go(
        language: ExportLanguage = "en",
        width: int = 1280,
        scheme: str = "light",
        audio: bool = True,
    ) -> Any:
        sound = wav(5.678) if audio else None
        made = with_frames(result(channel=1))
        (path,) = write(made, tmp_path, ["html"], language=language, audio_path=sound)
        size = {"width": width, "height": 900}
        page = contexts(viewport=size, color_scheme=scheme, offline=True).new_page()
        pages.append(page)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text))
        page.goto(path.as_uri())
        return page

    yield go
    for page in pages:
        page.close()
    assert {url.split(":", 1)[0] for url in asked} <= {"file", "data"} and len(pages) > 0
    assert errors == []


def test_a_segment_is_played_and_shown(show: Show) -> None:
    page = show()
    page.wait_for_function("document.getElementById('audio').readyState >= 1")
    assert page.evaluate("audio.duration") == pytest.approx(5.678, abs=0.1)
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(3)
    rows.nth(2).locator("button").click()
    page.wait_for_function("audio.currentTime >= 2.503 && !audio.paused")
    page.evaluate("audio.pause()")
    expect(page.locator("tr.now")).to_have_count(1)
    assert "0:02.503" in page.locator("tr.now").inner_text()


def test_a_click_on_the_timeline_moves_the_player(show: Show) -> None:
    page = show()
    page.wait_for_function("document.getElementById('audio').readyState >= 1")
    box = page.locator("#timeline").bounding_box()
    page.locator("#timeline").click(position={"x": box["width"] / 4, "y": 10})
    page.wait_for_function("audio.currentTime >= 1.4")
    page.evaluate("audio.pause()")
    expect(page.locator("#playhead")).to_be_visible()
    assert "0:01.234" in page.locator("tr.now").inner_text()


def test_without_audio_the_timeline_still_answers(show: Show) -> None:
    page = show(audio=False)
    expect(page.locator("audio")).to_have_count(0)
    page.locator("tbody button").first.click()
    expect(page.locator("tr.now")).to_have_count(1)
    assert page.evaluate("parseFloat(playhead.style.left)") == 0


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_it_fits_and_follows_the_theme(
    show: Show, language: ExportLanguage, width: int, scheme: str
) -> None:
    page = show(language, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(244, 246, 248)" if scheme == "light" else "rgb(14, 17, 22)")
    expect(page).to_have_title(
        f"{ODD_CLEAN} – " + ("语音情感识别报告" if language == "zh" else "Speech emotion report")
    )
    for drawing in page.locator("#timeline svg").all():
        assert drawing.bounding_box()["width"] > 0.6 * width
