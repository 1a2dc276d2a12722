"""The page in Chromium: every way to give it a recording, and recordings that fail."""

from __future__ import annotations

import re
import threading
import wave
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from emotion.ui.files import HandOver
from tests.browser import (
    SLOW_MS,
    Open,
    Site,
    bad_input,
    drop,
    expect,
    finished,
    paste,
    record,
    start,
    upload,
    wait_for_player,
)
from tests.conftest import tone
from tests.fakes import FakeService

pytestmark = pytest.mark.browser
UPLOAD = re.compile(r"/gradio_api/upload(\?|$)")


# Tells which recordings previews were made of, once the page has dealt with them.
_REMEMBER_PREVIEW = """() => {
  const { usePreview } = window.emotionPage;
  window.emotionPage.usePreview = (audio, preview, previewed) => {
    const used = usePreview(audio, preview, previewed);
    (window.previewed ??= []).push(previewed);
    return used;
  };
}"""


@contextmanager
def held_upload(page: Any) -> Iterator[None]:
    """An upload that begins in this block is held until its end."""
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)

    page.route(UPLOAD, hold)
    yield
    held.pop().continue_()
    page.unroute(UPLOAD)


def expect_note(page: Any, text: str) -> None:
    """The note below the player says this."""
    note = page.locator("#audio-note")
    expect(note).to_be_visible()  # else its inner text would be that of all notes
    expect(note).to_contain_text(text, use_inner_text=True)


@pytest.mark.parametrize("prefix", ["17_page_refuses", "18_page_refuses"])
def test_what_browsers_and_phones_record_is_accepted(
    visit: Open, fake_site: Site, prefix: str
) -> None:
    path = bad_input(prefix)
    page = visit(fake_site, "zh")
    drop(page, path)
    wait_for_player(page, path.name)
    expect(page.locator("[data-testid=toast-body]")).to_have_count(0)
    start(page)
    expect(finished(page)).to_contain_text(path.name)


def test_a_wechat_voice_message_is_accepted_and_heard(visit: Open, fake_site: Site) -> None:
    path = bad_input("19_wechat_voice.silk")
    page = visit(fake_site)
    drop(page, path)
    wait_for_player(page, "19_wechat_voice.mp3")
    start(page)
    expect(finished(page)).to_contain_text(path.name)


def test_a_name_without_suffix(visit: Open, fake_site: Site, wav: Callable[..., Path]) -> None:
    page = visit(fake_site)
    drop(page, wav(2.0), "recording")
    start(page)
    expect(finished(page).locator(".file")).to_have_text("recording")


def test_what_the_browser_cannot_play_gets_a_preview_and_is_recognised_itself(
    visit: Open, fake_site: Site, wav: Callable[..., Path], convert: Callable[..., Path]
) -> None:
    page = visit(fake_site, "zh")
    avi = convert(wav(2.0), "clip.avi")
    page.locator("#audio-input input[type=file]").set_input_files(avi)
    wait_for_player(page, "clip.mp3")
    expect_note(page, "识别用的仍是原文件")
    # The shape of the sound is drawn, so the browser has decoded it.
    expect(page.locator("#audio-input #duration, #audio-input time").last).to_have_text("0:02")
    start(page)
    expect(finished(page).locator(".file")).to_have_text("clip.avi")
    page.locator("#audio-input .icon-button-wrapper button").last.click()
    expect(page.locator("#audio-note")).to_be_hidden()


def test_start_does_not_wait_for_the_preview(
    visit: Open, fake_site: Site, wav: Callable[..., Path], convert: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from emotion.ui import previews

    gate, write = threading.Event(), previews._write_mp3

    def held(*arguments: Any) -> None:
        assert gate.wait(30)
        write(*arguments)

    monkeypatch.setattr(previews, "_write_mp3", held)
    page = visit(fake_site)
    drop(page, convert(wav(2.0), "clip.avi"))
    expect_note(page, "Preparing")
    start(page)
    expect(finished(page).locator(".file")).to_have_text("clip.avi")
    gate.set()
    wait_for_player(page, "clip.mp3")
    expect(page.locator("#result-card .file")).to_have_text("clip.avi")


def test_a_late_preview_does_not_replace_another_recording(
    visit: Open, fake_site: Site, wav: Callable[..., Path], convert: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from emotion.ui import previews

    gate, begun, write = threading.Event(), threading.Event(), previews._write_mp3

    def held(*arguments: Any) -> None:
        begun.set()
        assert gate.wait(30)
        write(*arguments)

    monkeypatch.setattr(previews, "_write_mp3", held)
    page = visit(fake_site)
    drop(page, convert(wav(2.0), "clip.avi"))
    expect_note(page, "Preparing")
    assert begun.wait(30)  # FFmpeg may take its time to decode
    drop(page, wav(1.0, "other.wav"))
    wait_for_player(page, "other.wav")
    page.evaluate(_REMEMBER_PREVIEW)
    gate.set()
    page.wait_for_function("window.previewed?.some((name) => name.endsWith('clip.avi'))")
    start(page)
    expect(finished(page).locator(".file")).to_have_text("other.wav")
    wait_for_player(page, "other.wav")


def test_drop_on_the_player_elsewhere_and_on_the_recorder_and_paste(
    visit: Open, fake_site: Site, wav: Callable[..., Path]
) -> None:
    page = visit(fake_site, "zh")
    upload(page, wav(1.0, "first.wav"))
    drop(page, wav(1.0, "player.wav"), onto="#audio-input button")
    wait_for_player(page, "player.wav")
    drop(page, wav(1.0, "elsewhere.wav"), onto="#result-card")
    wait_for_player(page, "elsewhere.wav")
    page.locator("#audio-input .icon-button-wrapper button").last.click()
    page.locator("#audio-input [data-testid=source-select] button").nth(1).click()
    expect(page.locator("#audio-input button.record-button")).to_be_visible()
    drop(page, wav(1.0, "recorder.wav"), onto="#audio-input button.record-button")
    wait_for_player(page, "recorder.wav")
    paste(page, wav(1.0, "pasted.wav"))
    wait_for_player(page, "pasted.wav")
    start(page)
    expect(finished(page).locator(".file")).to_have_text("pasted.wav")


def test_microphone(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site)
    record(page)
    page.locator("#audio-input button.stop-button").click()
    wait_for_player(page, "audio.wav")
    start(page)
    expect(finished(page)).to_contain_text("audio.wav")


def test_start_right_after_stop_waits_for_the_upload_and_three_clicks_are_one_run(
    visit: Open, fake_site: Site
) -> None:
    page = visit(fake_site, "zh")
    before = len(fake_site.runs())
    record(page)
    with held_upload(page):
        with page.expect_request(UPLOAD):
            page.locator("#audio-input button.stop-button").click()
            # Three clicks of the page itself: Playwright would wait for the button to be enabled.
            page.evaluate("for (const _ of '123') document.getElementById('start-button').click()")
        expect_note(page, "正在上传，传完后")
        expect(page.locator("#start-button")).to_be_disabled()
    finished(page)
    expect(page.locator("[data-testid=toast-body]")).to_have_count(0)
    expect(page.locator("#start-button")).to_be_enabled()
    assert len(fake_site.runs()) == before + 1


def test_start_while_recording_stops_and_goes(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site)
    record(page)
    start(page)
    expect(finished(page)).to_contain_text("audio.wav")


def test_an_upload_that_fails_or_never_ends_is_told(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site, "zh")
    card, toast = page.locator("#result-card"), page.locator("[data-testid=toast-body]")
    record(page)
    page.route(UPLOAD, lambda route: route.abort())
    start(page)
    expect(card).to_contain_text("录音没有上传成功")
    expect(toast).to_contain_text("请检查网络")
    page.unroute(UPLOAD)
    page.locator("#audio-input [data-testid=source-select] button").first.click()
    record(page)
    page.route(UPLOAD, lambda route: None)  # never answered
    page.evaluate("window.emotionPage.patienceMs = 500")
    with page.expect_request(UPLOAD):
        start(page)
    expect(page.locator("#start-button")).to_be_disabled()
    expect(toast).to_have_count(0)
    expect(toast).to_contain_text("录音没有上传成功", timeout=SLOW_MS)
    expect(page.locator("#start-button")).to_be_enabled()


def test_after_a_failed_upload_a_new_recording_works(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site)
    record(page)
    page.route(UPLOAD, lambda route: route.abort())
    page.locator("#audio-input button.stop-button").click()
    page.wait_for_function(
        "!document.querySelector('#audio-input button.stop-button')?.offsetParent"
    )
    start(page)
    expect(page.locator("#result-card")).to_contain_text("could not be uploaded")
    page.unroute(UPLOAD)
    page.locator("#audio-input [data-testid=source-select] button").first.click()
    record(page)
    start(page)
    expect(finished(page)).to_contain_text("audio.wav")


def test_start_waits_for_a_file_that_is_being_uploaded(
    visit: Open, fake_site: Site, wav: Callable[..., Path]
) -> None:
    page = visit(fake_site)
    with held_upload(page):
        drop(page, wav(2.0, "slow.wav"))
        start(page)
        expect(page.locator("#audio-input .uploading")).to_be_visible()
        expect_note(page, "Uploading")
        expect(page.locator("#result-card")).to_contain_text("No result yet")
    expect(finished(page).locator(".file")).to_have_text("slow.wav")
    expect(page.locator("#audio-note")).to_be_hidden()
    expect(page.locator("[data-testid=toast-body]")).to_have_count(0)


def test_a_cleared_recording_ends_no_wait_for_the_next(
    visit: Open, fake_site: Site, wav: Callable[..., Path]
) -> None:
    page = visit(fake_site)
    with held_upload(page):
        drop(page, wav(2.0, "slow.wav"))
        # A busy page tells only now that the one before was cleared.
        page.evaluate("""() => {
          window.emotionPage.beforePreview(null);
          window.begun = window.emotionPage.beforeStart(null, '', 'utterance');
        }""")
        expect_note(page, "Uploading")
    audio, missing, _ = page.evaluate("() => window.begun")
    assert (audio["orig_name"], missing) == ("slow.wav", "")


def test_start_waits_for_the_example(
    visit: Open, fake_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, hand_over = threading.Event(), HandOver.__call__

    def held(self: HandOver, files: Iterable[Path]) -> list[str]:
        assert gate.wait(30)
        return hand_over(self, files)

    page = visit(fake_site)
    with monkeypatch.context() as patch:
        patch.setattr(HandOver, "__call__", held)
        page.locator("#example-button").click()
        start(page)
        expect(page.locator("#start-button")).to_be_disabled()
        expect(page.locator("#result-card")).to_contain_text("No result yet")
        gate.set()
        expect(finished(page).locator(".file")).to_contain_text("ravdess")
    expect(page.locator("[data-testid=toast-body]")).to_have_count(0)


def test_on_a_phone_the_start_button_brings_the_result_into_view(
    visit: Open, fake_site: Site, clip: Path
) -> None:
    page = visit(fake_site, width=390, height=844)
    upload(page, clip)
    expect(page.locator("#result-card")).not_to_be_in_viewport()
    start(page)
    finished(page)
    expect(page.locator("#result-card .emotion")).to_be_in_viewport()


def test_a_recording_that_was_abandoned_is_not_waited_for(visit: Open, fake_site: Site) -> None:
    page = visit(fake_site)
    record(page)
    page.locator("#audio-input [data-testid=source-select] button").first.click()
    start(page)
    expect(page.locator("#result-card")).to_contain_text("There is no audio yet")


def test_cancel_and_double_click(
    visit: Open, fake_site: Site, fake: FakeService, tmp_path: Path
) -> None:
    engine: Any = fake.current.engine  # type: ignore[union-attr]
    clip = tmp_path / "long.wav"
    with wave.open(str(clip), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((tone(70.0) * 32767).astype("<i2").tobytes())
    page = visit(fake_site)
    before = fake_site.runs()
    cancel, card = page.locator("#cancel-button"), page.locator("#result-card")
    expect(cancel).to_be_disabled()
    upload(page, clip)
    engine.gate.clear()
    page.locator("#start-button").dblclick()
    expect(card).to_contain_text("window 1 of 3")
    expect(page.locator("#start-button")).to_be_disabled()
    expect(page.locator("[data-testid=toast-body]")).to_have_count(0)
    cancel.click()
    expect(card).to_contain_text("Nothing was saved")  # before the network is done with its pass
    engine.gate.set()
    expect(cancel).to_be_disabled()
    assert fake_site.runs() == before
    start(page)
    expect(finished(page)).to_contain_text("in 3 windows")
    page.locator("#audio-input button[aria-label='Clear']").click()
    expect(card).to_contain_text("No result yet")
    expect(page.locator("#log textarea")).to_have_value("")


def test_keyboard(visit: Open, fake_site: Site, clip: Path) -> None:
    page = visit(fake_site)
    upload(page, clip)
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('[id]:not(body)')?.id ?? ''"))
        if "granularity" in reached:
            break
    assert {"lang-switch", "audio-input", "start-button", "example-button"} <= reached
    while page.evaluate("document.activeElement.id") != "start-button":
        page.keyboard.press("Shift+Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"
    page.keyboard.press("Enter")
    finished(page)


def test_failures_that_gradio_tells_nobody_or_in_english(
    visit: Open, fake_site: Site, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit(fake_site, "zh")
    large = tmp_path / "large.wav"
    large.write_bytes(bytes(3_100_000))
    page.locator("#audio-input input[type=file]").set_input_files(large)
    toast = page.locator("[data-testid=toast-body]")
    expect(toast).to_contain_text("文件超过了上限")
    expect(toast).to_contain_text("large.wav")
    upload(page, clip)
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))  # as if another server had it
    start(page)
    expect(page.locator("#page-notice")).to_contain_text("请重新选择音频")
    monkeypatch.undo()
    start(page)
    finished(page)
    expect(page.locator("#page-notice")).to_have_count(0)
