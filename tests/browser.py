"""What the browser tests share: running servers, Chromium, and a visitor's steps.

The fixtures are registered in ``tests/conftest.py``. Chromium is not a package, so where it is
missing the tests are skipped, and say so in the summary; in CI they fail instead.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import uvicorn

from emotion.core.config import AudioConfig, Config, EngineConfig, ServerConfig
from emotion.core.paths import PROJECT_DIR
from emotion.recognition.loaded_model import LoadedModel
from emotion.server import create_app
from emotion.services.model_service import ModelService
from tests.fakes import FakeEngine, FakeService

try:
    from playwright.sync_api import expect, sync_playwright
except ImportError:  # the fixture `chromium` says so
    expect = sync_playwright = None

MINI = PROJECT_DIR / "models" / "emotion2vec_mini"
BAD_INPUTS = PROJECT_DIR.parent / "shared" / "bad_inputs"
CHROMIUM = Path("/usr/bin/chromium")
SLOW_MS = 20_000
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
    # Behind every tab, Chromium loads two hidden pages for the address bar; they cost more CPU than
    # a blank tab. It honours only the last --disable-features, so Playwright's list is repeated.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,"
    "AimEnabled,AvoidCorsURLLoaderRestartOnRedirect,AvoidUnnecessaryBeforeUnloadCheckSync,"
    "DestroyProfileOnBrowserClose,HttpsFirstBalancedModeAutoEnable,HttpsUpgrades,LensOverlay,"
    "MediaRouter,NetworkTimeServiceQuerying,OptimizationHints,PaintHolding,PreconnectToSearch,"
    "ThirdPartyStoragePartitioning",
]
Open = Callable[..., Any]

# Playwright cannot drop or paste a file: the page gets the events that a browser would send.
_GIVE = """([selector, types, name, data]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name));
  const target = document.querySelector(selector);
  const options = { bubbles: true, cancelable: true, dataTransfer: files, clipboardData: files };
  for (const type of types) {
    const Kind = type === 'paste' ? ClipboardEvent : DragEvent;
    target.dispatchEvent(new Kind(type, options));
  }
}"""


def answer_with(page: Any, route: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Has the server's JSON answers on a route changed on their way."""

    def handle(request: Any) -> None:
        answer = request.fetch()
        body = answer.json()
        change(body)
        request.fulfill(response=answer, body=json.dumps(body))

    page.route(route, handle)


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
    """The model behind `fake_site`: a test can hold it, or change its state."""
    model = LoadedModel(FakeEngine(), name="fake", title="Fake")
    return FakeService(model)


@pytest.fixture(scope="module")
def fake_site(tmp_path_factory: pytest.TempPathFactory, fake: FakeService) -> Iterator[Site]:
    """A server with the fake model and a small limit for uploads."""
    config = Config(
        audio=AudioConfig(max_upload_bytes=3_000_000),
        server=ServerConfig(port=0, outputs_dir=tmp_path_factory.mktemp("fake") / "outputs"),
    )
    with serve(config, fake) as running:
        yield running


@pytest.fixture(scope="module")  # while it is open, no other test can run an event loop
def chromium() -> Iterator[Any]:
    """A browser; skips loudly where there is none."""
    if sync_playwright is None:
        unavailable("Playwright is not installed (requirements-dev.txt)")
    if not CHROMIUM.exists():
        unavailable(f"there is no {CHROMIUM} (install the package chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        yield browser
        browser.close()


def unavailable(reason: str) -> NoReturn:
    """Skips with a reason that stands out in pytest's summary; fails in CI."""
    message = f"THE PAGE IS NOT TESTED: {reason}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


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

    def go(site: Site, lang: str = "en", width: int = 1280, height: int = 900) -> Any:
        locale = {"en": "en-US", "zh": "zh-CN"}[lang]
        context = contexts(locale=locale, viewport={"width": width, "height": height})
        allowed.add(site.url)
        page = context.new_page()
        pages.append(page)
        page.on("request", lambda request: origins.add(origin(request.url)))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(f"dialog {dialog.message}"))
        page.goto(site.url)
        page.wait_for_selector("#start-button")
        page.wait_for_selector("#audio-input input[type=file]", state="attached")  # may come later
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


@pytest.fixture(scope="session")
def clip() -> Path:
    """A real recording."""
    return PROJECT_DIR / "examples" / "angry_ravdess_03-01-05-02-02-02-21.ogg"


def bad_input(prefix: str) -> Path:
    """One of the recordings that people really bring; skips where they are absent."""
    found = sorted(BAD_INPUTS.glob(f"{prefix}*"))
    if not found:
        pytest.skip(f"NOT TESTED: there is no {BAD_INPUTS}/{prefix}*")
    return found[0]


def upload(page: Any, path: Path) -> None:
    """Chooses a file and waits until the player has it."""
    page.locator("#audio-input input[type=file]").set_input_files(path)
    wait_for_player(page, path.name)


def drop(page: Any, path: Path, name: str | None = None, onto: str = "#audio-input") -> None:
    """Drops a file onto the page, under another name if one is given."""
    _give(page, path, name or path.name, onto, ["dragenter", "dragover", "drop"])


def paste(page: Any, path: Path) -> None:
    """Pastes a file into the page."""
    _give(page, path, path.name, "body", ["paste"])


def _give(page: Any, path: Path, name: str, onto: str, types: list[str]) -> None:
    data = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(_GIVE, [onto, types, name, data])


def wait_for_player(page: Any, name: str) -> None:
    """Waits until the player has a file of this name."""
    page.wait_for_function(
        "name => decodeURIComponent("
        "document.querySelector('#audio-input a[download]')?.href ?? '').endsWith('/' + name)",
        arg=name,
    )


def start(page: Any) -> None:
    """Presses the start button."""
    page.locator("#start-button").click()


def finished(page: Any) -> Any:
    """Waits for the result and returns the card."""
    card = page.locator("#result-card")
    expect(card.locator(".confidence")).to_be_visible(timeout=SLOW_MS)
    return card


def record(page: Any) -> None:
    """Begins a recording and waits until there is a second of it."""
    page.locator("#audio-input [data-testid=source-select] button").nth(1).click()
    page.locator("#audio-input button.record-button").click()
    page.locator("#audio-input time", has_text=re.compile(r"0:0[1-9]")).first.wait_for()


def download(page: Any, name: str, folder: Path) -> Path:
    """Downloads a file of the run."""
    with page.expect_download() as started:
        page.locator(f"#downloads a[download='{name}']").click()
    target = folder / name
    started.value.save_as(target)
    return target
