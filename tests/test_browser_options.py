"""The options of a recognition in Chromium: granularity by length, labels, channels, 30 s."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.browser import (
    Open,
    Site,
    download,
    drop,
    expect,
    finished,
    start,
    upload,
    wait_for_player,
)
from tests.conftest import tone

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A call of 34 s with two channels."""
    path = tmp_path_factory.mktemp("call") / "call.wav"
    soundfile.write(path, np.stack([tone(34.0, 1), tone(34.0, 2)], 1), 16_000)
    return path


def chosen(page: Any) -> Any:
    return page.locator("#granularity input:checked")


def result(page: Any, folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(download(page, "result.json", folder).read_text("utf-8"))
    return found


def test_above_thirty_seconds_the_page_chooses_segments(
    visit: Open, fake_site: Site, clip: Path, long_clip: Path
) -> None:
    page = visit(fake_site)
    expect(chosen(page)).to_have_value("utterance")
    upload(page, long_clip)
    expect(chosen(page)).to_have_value("segment")
    drop(page, clip)
    expect(chosen(page)).to_have_value("utterance")
    page.locator("#granularity input[value=frame]").check()  # the visitor's own choice stays
    drop(page, long_clip)
    wait_for_player(page, long_clip.name)
    start(page)
    finished(page)
    expect(chosen(page)).to_have_value("frame")


def test_labels_confidence_channels_and_the_first_seconds(
    visit: Open, fake_site: Site, long_clip: Path, tmp_path: Path
) -> None:
    page = visit(fake_site, "zh")
    upload(page, long_clip)
    own, names = page.locator("#own-labels"), page.locator("#channel-names")
    expect(own).to_be_hidden()
    page.get_by_role("button", name="更多选项").click()
    page.locator("#labels input[value=own]").check()
    expect(own).to_be_visible()
    for emotion in ("happy", "neutral"):
        own.get_by_label(emotion.title()).uncheck()
    page.locator("#channels input[value=split]").check()
    names.locator("input, textarea").fill("坐席，客户")
    page.locator("#first-only input").check()
    page.locator("#min-confidence input[type=number]").fill("0.9")
    page.keyboard.press("Tab")
    start(page)
    finished(page)
    found = result(page, tmp_path)
    assert "happy" not in found["labels"] and len(found["labels"]) == 7
    assert [part["name"] for part in found["channels"]] == ["坐席", "客户"]
    assert found["audio"]["duration_s"] == 30 and found["min_confidence"] == 0.9
    assert found["granularity"] == "segment" and found["uncertain"]


def test_one_label_is_refused_in_the_visitors_language(
    visit: Open, fake_site: Site, clip: Path
) -> None:
    page = visit(fake_site, "zh", 390)
    upload(page, clip)
    page.get_by_role("button", name="更多选项").click()
    page.locator("#labels input[value=own]").check()
    expect(page.locator("#own-labels")).to_be_visible()
    for box in page.locator("#own-labels input").all():
        box.uncheck()
    start(page)
    expect(page.locator("#result-card")).to_contain_text("labels 的值是")
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_a_long_recording_gets_the_player_that_reads_only_what_is_heard(
    visit: Open, fake_site: Site, clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "long.flac"
    sound = np.zeros(11 * 60 * 16_000, np.float32)
    sound[:32_000] = tone(2.0)
    soundfile.write(path, sound, 16_000)
    page = visit(fake_site)
    zone = page.locator("#audio-input")
    zone.locator("input[type=file]").set_input_files(path)
    expect(zone.locator("audio.standard-player")).to_be_visible()
    expect(zone.locator("#waveform")).to_have_count(0)
    drop(page, clip)
    expect(zone.locator("#waveform")).to_be_visible()
    wait_for_player(page, clip.name)
