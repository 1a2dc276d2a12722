"""The batch tab in Chromium: files, folders, rows as they come, opening, errors, keyboard, look."""

from __future__ import annotations

import csv
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.browser import SLOW_MS, Open, Site, expect
from tests.fakes import FakeService
from tests.test_browser_look import serious

pytestmark = pytest.mark.browser
Wav = Callable[..., Path]
GOOD, BAD = 114, 6


@pytest.fixture
def many(wav: Wav, tmp_path: Path) -> list[Path]:
    """Recordings, some of them broken."""
    folder = tmp_path / "many"
    folder.mkdir()
    sound = wav(0.2)
    paths = [folder / f"{number:03}.wav" for number in range(GOOD + BAD)]
    for number, path in enumerate(paths):
        if number % 20 == 7:
            path.write_bytes(b"hello" * 99)
        else:
            shutil.copy(sound, path)
    return paths


def open_tab(page: Any) -> Any:
    page.locator("#tab-batch-button").click()
    card = page.locator("#batch-panel .batch")
    expect(card).to_be_visible()
    return card


def choose(page: Any, paths: list[Path] | Path, place: int = 0) -> None:
    page.locator(".bat-input").nth(place).set_input_files(paths)


def ended(page: Any) -> None:
    expect(page.locator(".batch")).to_have_attribute("data-state", "ended", timeout=SLOW_MS)


def rows(page: Any) -> Any:
    return page.locator(".bat-body [role=row]")


def save(page: Any, name: str, folder: Path) -> Path:
    with page.expect_download() as started:
        page.locator(f"[data-get='{name}']").click()
    started.value.save_as(folder / name)
    return folder / name


def test_many_files_and_broken_ones(
    visit: Open, fake_site: Site, many: list[Path], tmp_path: Path
) -> None:
    page = visit(fake_site)
    open_tab(page)
    choose(page, many)
    expect(page.locator(".bat-count .en")).to_contain_text(f"{GOOD + BAD} files")
    page.locator(".bat-start").click()
    ended(page)
    expect(page.locator(".bat-line .en")).to_contain_text(f"Done: {GOOD} results, {BAD} failed")
    expect(page.locator(".bat-rows .en")).to_have_text(f"{GOOD + BAD} of {GOOD + BAD} rows")
    assert rows(page).count() < 60  # only those in view
    expect(rows(page).first).to_contain_text("000.wav")
    page.locator("[name=show]").select_option("failed")
    expect(rows(page)).to_have_count(BAD)
    expect(rows(page).first.locator(".of-warning")).to_contain_text("cannot be read as audio")
    rows(page).first.click()
    expect(page.locator(".bat-error")).to_contain_text("cannot be read as audio")
    expect(page.locator(".bat-shares [data-kind=failed] .value")).to_have_text(str(BAD))
    with save(page, "table.csv", tmp_path).open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["file"] for row in table] == [path.name for path in many]
    with zipfile.ZipFile(save(page, "outputs.zip", tmp_path)) as archive:
        assert sum(name.endswith("/result.json") for name in archive.namelist()) == GOOD


def test_a_folder_with_the_keyboard(visit: Open, fake_site: Site, wav: Wav, tmp_path: Path) -> None:
    folder = tmp_path / "calls"
    (folder / "sub").mkdir(parents=True)
    shutil.copy(wav(1.0), folder / "<b>a.wav")
    shutil.copy(wav(2.0, "w.wav"), folder / "sub" / "b.wav")
    (folder / "notes.txt").write_text("x")
    (folder / "who.csv").write_text("path,who\nsub/b.wav,Ann\ngone.wav,Zed\n")
    page = visit(fake_site)
    open_tab(page)
    choose(page, folder, 1)
    expect(page.locator(".bat-count .en")).to_contain_text("1 other file left out")
    page.locator(".bat-start").focus()
    page.keyboard.press("Enter")
    ended(page)
    expect(page.locator(".bat-note .en")).to_contain_text("1 row names no recording: gone.wav")
    page.locator("[name=sort]").select_option("duration")
    expect(rows(page).first).to_contain_text("calls/<b>a.wav")
    grid = page.locator(".bat-grid")
    grid.focus()
    page.keyboard.press("ArrowDown")
    expect(rows(page).nth(1)).to_contain_text("calls/sub/b.wav")
    second = rows(page).nth(1).get_attribute("id")
    expect(grid).to_have_attribute("aria-activedescendant", second)
    page.keyboard.press("Enter")
    expect(page.locator("#batch-result-card .confidence")).to_be_visible(timeout=SLOW_MS)
    expect(page.locator(".bat-opened")).to_have_text("calls/sub/b.wav")
    audio = page.locator("#batch-timeline-plot audio")
    expect(audio).to_have_count(1)


def test_a_job_that_the_server_no_longer_knows(visit: Open, fake_site: Site, wav: Wav) -> None:
    page = visit(fake_site)
    open_tab(page)
    choose(page, wav(0.2))
    expect(page.locator(".bat-count .en")).to_contain_text("1 file,")
    page.route("**/api/v1/jobs/*/results*", lambda route: route.fulfill(status=404, body="{}"))
    page.locator(".bat-start").click()
    ended(page)
    expect(page.locator(".bat-problem .en")).to_contain_text("the job is gone")
    expect(page.locator("[data-get='table.csv']")).to_be_hidden()
    page.unroute("**/api/v1/jobs/*/results*")
    page.locator(".bat-start").click()
    expect(page.locator(".bat-line .en")).to_contain_text("Done: 1 result, 0 failed")
    expect(page.locator("[data-get='table.csv']")).to_be_visible()


def test_a_dropped_folder_and_removing(visit: Open, fake_site: Site, wav: Wav) -> None:
    page = visit(fake_site)
    open_tab(page)
    page.evaluate(
        """() => {
          const file = (name) => ({
            isFile: true, name, file: (give) => give(new File(['x'], name)),
          });
          const dir = (name, all) => ({ isDirectory: true, name, createReader: () => {
            let left = [all, []];
            return { readEntries: (give) => give(left.shift()) };
          } });
          const top = dir('top', [file('a.wav'), dir('sub', [file('b.wav'), file('c.txt')])]);
          const event = new Event('drop', { bubbles: true, cancelable: true });
          event.dataTransfer = { types: ['Files'], files: [], items: [
            { kind: 'file', webkitGetAsEntry: () => top }] };
          document.querySelector('.bat-drop').dispatchEvent(event);
        }"""
    )
    names = page.locator(".bat-list li .name")
    expect(names).to_have_text(["top/a.wav", "top/sub/b.wav"])
    page.get_by_role("button", name="Remove top/a.wav").click()
    expect(names).to_have_text(["top/sub/b.wav"])
    page.locator(".bat-clear").click()
    expect(page.locator(".bat-list")).to_be_hidden()
    expect(page.locator(".bat-start")).to_be_disabled()


def test_cancel_and_a_page_that_is_loaded_again(
    visit: Open, fake_site: Site, fake: FakeService, many: list[Path]
) -> None:
    engine: Any = fake.current.engine  # type: ignore[union-attr]
    page = visit(fake_site)
    open_tab(page)
    choose(page, many)
    engine.gate.clear()
    try:
        page.locator(".bat-start").click()
        expect(page.locator(".batch")).to_have_attribute("data-state", "running")
        page.goto(f"{fake_site.url}?tab=batch")
        expect(page.locator(".batch")).to_have_attribute("data-state", "running", timeout=SLOW_MS)
        page.locator(".bat-cancel").click()
        ended(page)
    finally:
        engine.gate.set()
    expect(page.locator(".bat-line .en")).to_contain_text("not recognised")


def test_refusals_keep_the_list(visit: Open, fake_site: Site, many: list[Path]) -> None:
    page = visit(fake_site)
    open_tab(page)
    choose(page, many[:3])
    problem = page.locator(".bat-problem")
    address = "**/api/v1/jobs"
    body = {"detail": "there are too many jobs", "hint": "Try again soon"}
    answers: list[tuple[Callable[[Any], None], str]] = [
        (lambda route: route.fulfill(status=429, json=body), "too many jobs. Try again soon"),
        (lambda route: route.fulfill(status=401, json=body), "You are signed out"),
        (lambda route: route.abort(), "The server does not answer"),
    ]
    for answer, told in answers:
        page.route(address, answer)
        page.locator(".bat-start").click()
        expect(problem).to_contain_text(told)
        expect(page.locator(".bat-list li")).to_have_count(3)
        page.unroute(address)
    page.locator(".bat-start").click()
    ended(page)
    expect(problem).to_be_hidden()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_nothing_is_cut_off_on_a_telephone(
    visit: Open, fake_site: Site, many: list[Path], lang: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(fake_site, lang, 390)
    open_tab(page)
    choose(page, many[:9])
    page.locator(".bat-start").click()
    ended(page)
    expect(rows(page)).to_have_count(9)
    rows(page).first.click()
    expect(page.locator("#batch-result-card .confidence")).to_be_visible(timeout=SLOW_MS)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert serious(axe, page) == []
