"""The page in Chromium, as a visitor sees it: real server, real files, both languages."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn

from emotion.config import PROJECT_DIR, AudioConfig, Config, EngineConfig, ServerConfig
from emotion.errors import DownloadError
from emotion.labels import EMOTIONS
from emotion.lifecycle import ModelService, Status
from emotion.recognizer import Recognizer
from emotion.server import create_app
from tests.conftest import MINI, SPEECH, tone
from tests.fakes import FakeEngine, FakeService

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
CHROMIUM = Path("/usr/bin/chromium")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists() and not os.environ.get("CI"), reason="no Chromium"),
]

ARGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--mute-audio",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
SLOW_MS = 20_000
Open = Callable[..., Any]


class Site:
    """A running server.

    Attributes:
        url: Its address, without a slash at the end.
        outputs: Where it puts run folders.
    """

    def __init__(self, url: str, outputs: Path) -> None:
        self.url = url
        self.outputs = outputs

    def runs(self) -> list[str]:
        """Names in the folder of runs, hidden ones too."""
        return sorted(os.listdir(self.outputs)) if self.outputs.exists() else []


@contextlib.contextmanager
def serve(config: Config, service: Any) -> Iterator[Site]:
    """Runs the app on a free port until the block is left."""
    app = create_app(config, service)
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 60
    try:
        while not server.started or not app.state.page.ready or not service.current:
            assert thread.is_alive() and time.monotonic() < deadline
            time.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Site(f"http://127.0.0.1:{port}", config.server.outputs_dir)
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, tiny_checkpoint: Path) -> Iterator[Site]:
    """The product with the model that ships with it, or a tiny one where that is absent."""
    folder = MINI if (MINI / "config.yaml").is_file() else tiny_checkpoint
    config = Config(
        engine=EngineConfig(model=str(folder), offline=True),
        server=ServerConfig(port=0, outputs_dir=tmp_path_factory.mktemp("site") / "outputs"),
    )
    with serve(config, ModelService(config)) as running:
        yield running


@pytest.fixture(scope="module")
def fake() -> FakeService:
    recognizer = Recognizer(FakeEngine(), name="fake", title="Fake")  # type: ignore[arg-type]
    return FakeService(recognizer)


@pytest.fixture(scope="module")
def fake_site(tmp_path_factory: pytest.TempPathFactory, fake: FakeService) -> Iterator[Site]:
    """A server whose model a test can hold, or change the state of."""
    config = Config(
        audio=AudioConfig(max_upload_bytes=3_000_000),
        server=ServerConfig(port=0, outputs_dir=tmp_path_factory.mktemp("fake") / "outputs"),
    )
    with serve(config, fake) as running:
        yield running


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def contexts(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Gives a browser profile for such options; one profile loads the page's scripts only once."""
    made: dict[str, Any] = {}

    def context(**options: Any) -> Any:
        key = repr(sorted(options.items()))
        if key not in made:
            made[key] = chromium.new_context(permissions=["microphone"], **options)
            made[key].set_default_timeout(SLOW_MS)
        return made[key]

    yield context
    for one in made.values():
        one.close()


@pytest.fixture
def visit(contexts: Callable[..., Any]) -> Iterator[Open]:
    """Opens a page; in the end it must have asked nobody else and thrown nothing."""
    pages: list[Any] = []
    origins: set[str] = set()
    allowed: set[str] = set()
    errors: list[str] = []

    def go(site: Site, lang: str = "en", width: int = 1280) -> Any:
        locale = {"en": "en-US", "zh": "zh-CN"}[lang]
        context = contexts(locale=locale, viewport={"width": width, "height": 900})
        allowed.add(site.url)
        page = context.new_page()
        pages.append(page)
        page.on("request", lambda request: origins.add(origin(request.url)))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(f"dialog {dialog.message}"))
        page.goto(site.url)
        page.wait_for_selector("#start-button")
        return page

    yield go
    for page in pages:
        page.evaluate("localStorage.clear()")
        page.close()
    assert origins - allowed == set(), "a request left the origin"
    assert errors == []


def origin(url: str) -> str:
    """Scheme, host and port; a blob's is its page's."""
    found = re.match(r"(?:blob:)?(https?://[^/]+)", url)
    return found[1] if found else url.split(":", 1)[0].replace("data", "")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real recording of a usual level where there are any, else an example."""
    clips = sorted((SPEECH / "emodb").rglob("*.ogg")) if SPEECH.is_dir() else []
    return clips[0] if clips else sorted((PROJECT_DIR / "examples").glob("*.flac"))[0]


def upload(page: Any, path: Path) -> None:
    page.locator("#audio-input input[type=file]").set_input_files(path)
    page.wait_for_selector("#audio-input button[aria-label*='ownload'], #audio-input a[download]")


def start(page: Any) -> None:
    page.locator("#start-button").click()


def finished(page: Any) -> Any:
    """Waits for the result and returns the card."""
    card = page.locator("#result-card")
    expect(card.locator(".confidence")).to_be_visible(timeout=SLOW_MS)
    return card


def download(page: Any, name: str, folder: Path) -> Path:
    with page.expect_download() as started:
        page.locator(f"#downloads a[download='{name}']").click()
    target = folder / name
    started.value.save_as(target)
    return target


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
    with wave.open(str(download(page, "processed_audio.wav", tmp_path))) as audio:
        assert (audio.getframerate(), audio.getnchannels()) == (16_000, 1)


def test_frame_mode_draws_the_curve_where_its_place_was(
    visit: Open, site: Site, clip: Path
) -> None:
    page = visit(site)
    upload(page, clip)
    timeline = page.locator("#timeline-plot")
    expect(timeline).to_be_hidden()
    page.locator("#granularity input[value=frame]").check()
    expect(timeline).to_be_visible()
    before = page.locator("#log").bounding_box()["y"]
    start(page)
    finished(page)
    svg = timeline.locator("svg[role=img]")
    expect(svg).to_be_visible()
    expect(svg.locator("polyline")).to_have_count(9)
    expect(timeline).to_contain_text("exact contribution")
    assert abs(page.locator("#log").bounding_box()["y"] - before) < 60, "the page jumped"
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
    assert options.count() >= 3
    expect(options.nth(1)).to_contain_text("合成语音")
    options.nth(2).click()
    page.locator("#example-button").click()
    page.wait_for_selector("#audio-input audio", state="attached")
    start(page)
    finished(page)


def test_microphone(visit: Open, site: Site) -> None:
    page = visit(site)
    page.locator("#audio-input button[aria-label='Record audio']").click()
    page.locator("#audio-input button.record-button").click()
    expect(page.locator("#audio-input")).to_contain_text(re.compile(r"0:0[1-9]"), timeout=SLOW_MS)
    page.locator("#audio-input button.stop-button").click()
    page.wait_for_selector("#audio-input audio", state="attached")
    start(page)
    expect(finished(page)).to_contain_text("audio.wav")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_nothing_is_cut_off_on_a_telephone(visit: Open, site: Site, clip: Path, lang: str) -> None:
    page = visit(site, lang, width=390)
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


# Gradio's own markup, not ours to change: (rule, what its element's selector has).
GRADIOS_OWN = (
    ("aria-prohibited-attr", ".empty"),  # the label on the empty list of files
    ("nested-interactive", ".toast-header"),  # the close button in a toast that folds
)


# Waits until what fades in or out is there or gone.
SETTLED = """() => Promise.all(document.getAnimations()
  .filter((one) => one.effect.getComputedTiming().endTime < 3000).map((one) => one.finished))"""


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


_FADED_IN = """async toast => {
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    await frame();
    await Promise.all(toast.getAnimations().map(animation => animation.finished));
}"""


def test_accessibility(visit: Open, site: Site, clip: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(site)
    expect(page.locator("#status-bar")).to_have_attribute("data-kind", "ready", timeout=SLOW_MS)
    assert serious(axe, page) == []
    upload(page, clip)
    page.locator("#granularity input[value=frame]").check()
    start(page)
    finished(page)
    expect(page.locator("#timeline-plot svg[role=img]")).to_be_visible()
    assert serious(axe, page) == []
    page.emulate_media(color_scheme="dark")
    page.reload()
    expect(page.locator("body")).to_have_class(re.compile("dark"))
    assert serious(axe, page) == []
    start(page)
    expect(page.locator("#result-card [role=alert]")).to_be_visible()
    toast = page.locator("[data-testid=toast-body]")
    toast.evaluate(_FADED_IN)  # its opacity is 1 before it begins, too
    expect(toast).to_have_css("opacity", "1")
    assert serious(axe, page) == []


def test_file_named_like_markup_is_only_text(visit: Open, site: Site, clip: Path) -> None:
    page = visit(site)
    with tempfile.TemporaryDirectory() as folder:
        evil = Path(folder) / "<img src=x onerror=alert(1)>${1+1}.ogg"
        evil.write_bytes(clip.read_bytes())
        upload(page, evil)
        start(page)
        card = finished(page)
    assert card.locator("img").count() == 0


# From here on with the other server: Gradio's upload folder is one for the whole process.


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
    cancel, card = page.locator("#cancel-button"), page.locator("#result-card")
    expect(cancel).to_be_disabled()
    upload(page, clip)
    engine.gate.clear()
    page.locator("#start-button").dblclick()
    expect(card).to_contain_text("window 1 of 3")
    expect(page.locator("#start-button")).to_be_disabled()
    expect(page.locator("[data-testid=toast-body]")).to_have_count(0)
    cancel.click()
    expect(card).to_contain_text("Cancelling")
    engine.gate.set()
    expect(card).to_contain_text("Nothing was saved")
    expect(cancel).to_be_disabled()
    assert fake_site.runs() == []
    start(page)
    expect(finished(page)).to_contain_text("in 3 windows")
    page.locator("#audio-input button[aria-label='Clear']").click()
    expect(card).to_contain_text("No result yet")
    expect(page.locator("#log textarea")).to_have_value("")


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
    expect(banner).to_contain_text("no <b>route</b>")
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


def test_keyboard(visit: Open, fake_site: Site, clip: Path) -> None:
    page = visit(fake_site)
    upload(page, clip)
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.closest('[id]:not(body)')?.id ?? ''"))
        if "start-button" in reached:
            break
    assert {"lang-switch", "audio-input", "example-button", "granularity"} <= reached
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
