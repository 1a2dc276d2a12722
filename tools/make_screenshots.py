"""Takes the pictures of the page for the README, in both languages: the examples in a row by
segment, as a batch with a broken file, compared with each other, and the history of all that.

    python tools/make_screenshots.py --model emotion2vec_mini

Needs Chromium and Playwright (requirements-dev.txt) and Pillow, which comes with Gradio. The
server runs in this process on a free port; nothing but the pictures is left.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import uvicorn

PROJECT_DIR = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT_DIR))

from emotion.core.config import Config, EngineConfig, ServerConfig  # noqa: E402
from emotion.server import create_app  # noqa: E402
from emotion.services.model_service import ModelService  # noqa: E402

logger = logging.getLogger(__name__)

EXAMPLES = PROJECT_DIR / "examples"
PAUSE_S = 1.0
LANGUAGES = {"zh": "zh-CN", "en": "en-US"}
WIDTH_PX, HEIGHT_PX = 1280, 900
PATIENCE_MS = 60_000


@contextlib.contextmanager
def serving(model: str) -> Iterator[str]:
    """Serves the page with this model until the block is left; gives its address."""
    with tempfile.TemporaryDirectory() as outputs:
        config = Config(
            engine=EngineConfig(model=model, offline=True),
            server=ServerConfig(port=0, outputs_dir=Path(outputs)),
        )
        service = ModelService(config)
        app = create_app(config, service)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not (server.started and app.state.page.ready and service.current):
                if not thread.is_alive() or service.status.error is not None:
                    raise SystemExit(f"the server did not start: {service.status.error}")
                time.sleep(0.05)
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def in_a_row(folder: Path) -> Path:
    """The examples after one another, as one recording."""
    parts = []
    for clip in sorted(EXAMPLES.glob("*.ogg")):
        samples, rate_hz = soundfile.read(clip, dtype="float32")
        parts += [samples, np.zeros(round(PAUSE_S * rate_hz), np.float32)]
    path = folder / "recording.wav"
    soundfile.write(path, np.concatenate(parts), rate_hz)
    return path


def photograph(page: Any, audio: Path) -> bytes:
    """Recognises ``audio`` by segment and returns a PNG of the whole page."""
    from playwright.sync_api import expect

    page.locator("#granularity input[value=segment]").check()
    page.locator("#audio-input input[type=file]").set_input_files(audio)
    page.wait_for_selector("#audio-input audio", state="attached")
    page.locator("#start-button").click()
    expect(page.locator("#timeline-plot svg[role=img]")).to_be_visible(timeout=PATIENCE_MS)
    return whole(page)


def whole(page: Any) -> bytes:
    """A PNG of the whole page: as tall as that, so that the status bar is at its end."""
    from playwright.sync_api import expect

    expect(page.locator("#status-bar")).to_contain_text("loaded", timeout=PATIENCE_MS)
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": WIDTH_PX, "height": height})
    page.mouse.move(0, 0)
    return bytes(page.screenshot())


def photograph_batch(page: Any, folder: Path) -> bytes:
    """Recognises the examples and a broken file as a batch."""
    from playwright.sync_api import expect

    broken = folder / "broken.wav"
    broken.write_text("not audio")
    page.wait_for_selector("#batch-panel .bat-start", timeout=PATIENCE_MS)
    page.locator("#batch-panel .bat-input").first.set_input_files(
        [*sorted(EXAMPLES.glob("*.ogg")), broken]
    )
    page.locator("#batch-panel .bat-start").click()
    panel = page.locator("#batch-panel .batch")
    expect(panel).to_have_attribute("data-state", "ended", timeout=PATIENCE_MS)
    return whole(page)


def photograph_comparison(page: Any, _: Path) -> bytes:
    """Compares the examples with each other."""
    page.wait_for_selector("#compare-panel .cmp-start", timeout=PATIENCE_MS)
    page.locator("#compare-panel .cmp-files").set_input_files(sorted(EXAMPLES.glob("*.ogg")))
    page.locator("#compare-panel .cmp-start:enabled").click()
    page.wait_for_selector("#compare-panel .cmp-results .pt", timeout=PATIENCE_MS)
    return whole(page)


def photograph_history(page: Any, _: Path) -> bytes:
    """The runs of the pictures before."""
    page.wait_for_selector("#history-panel [data-run]", timeout=PATIENCE_MS)
    return whole(page)


TABS: dict[str, Callable[[Any, Path], bytes]] = {
    "batch": photograph_batch,
    "compare": photograph_comparison,
    "history": photograph_history,
}


def save(png: bytes, target: Path) -> None:
    """Writes a picture with a palette of its own, which is a third of the size."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    method = Image.Quantize.MAXCOVERAGE
    small = picture.quantize(256, method=method, kmeans=2, dither=Image.Dither.NONE)
    small.save(target, optimize=True)
    logger.info("%s: %d x %d, %d kB", target, *picture.size, target.stat().st_size // 1000)


def main() -> None:
    """Takes all pictures."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description="Takes the pictures of the page.")
    parser.add_argument("--model", default="emotion2vec_mini")
    parser.add_argument("--out", type=Path, default=PROJECT_DIR / "docs")
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(args.model) as url,
        sync_playwright() as playwright,
    ):
        audio = in_a_row(Path(folder))
        browser = playwright.chromium.launch(
            executable_path=args.chromium, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        for lang, locale in LANGUAGES.items():
            viewport = {"width": WIDTH_PX, "height": HEIGHT_PX}
            page = browser.new_page(locale=locale, viewport=viewport)  # type: ignore[arg-type]
            page.goto(url)
            page.wait_for_selector("#start-button", timeout=PATIENCE_MS)
            save(photograph(page, audio), args.out / f"screenshot-{lang}.png")
            for tab, picture in TABS.items():
                page.set_viewport_size(viewport)  # type: ignore[arg-type]
                page.goto(f"{url}/?tab={tab}")
                save(picture(page, Path(folder)), args.out / f"screenshot-{tab}-{lang}.png")
        browser.close()


if __name__ == "__main__":
    main()
