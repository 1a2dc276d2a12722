"""The batch tab without a browser: its markup, and what an opened row gives."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emotion.core.labels import LABELS
from emotion.services.batch import Batch
from emotion.services.batches import MOST_RECORDINGS, Batches
from emotion.services.recognitions import JobRequest, RecognitionService
from emotion.ui.batch_handlers import BatchHandlers
from emotion.ui.batch_tab import panel
from emotion.ui.batch_texts import BATCH_TEXTS
from emotion.ui.files import HandOver
from emotion.ui.handlers import Outputs
from tests.test_batches import ended, line

Wav = Callable[..., Path]
STATIC = Path(__file__).parent.parent / "emotion" / "ui" / "static"


@pytest.fixture
def out() -> Outputs:
    """Names in place of components."""
    return Outputs(*(field.name for field in fields(Outputs)))  # type: ignore[arg-type]


def request_of(caller: str | None = None) -> Any:
    return SimpleNamespace(state=SimpleNamespace(caller=caller), cookies={}, session_hash="s")


def test_what_the_script_needs_is_in_the_markup() -> None:
    found = re.search(r'data-known="([^"]*)"', panel(5_000_000))
    assert found
    known = json.loads(html.unescape(found[1]))
    assert [emotion["id"] for emotion in known["emotions"]] == list(LABELS)
    assert (known["most"], known["most_bytes"]) == (MOST_RECORDINGS, 5_000_000)
    assert {"wav", "ogg", "mp4", "csv", "zip"} <= set(known["suffixes"])
    assert "txt" not in known["suffixes"] and "no_speech" in known["warnings"]


def test_every_class_that_the_scripts_look_for_is_there() -> None:
    scripts = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("batch*.js"))
    wanted = set(re.findall(r"\.(bat-[a-z]+)", scripts)) - {"bat-remove", "bat-chip"}
    assert wanted and all(name in panel(1) for name in wanted)


def test_every_text_is_used() -> None:
    used = "".join(path.read_text(encoding="utf-8") for path in STATIC.glob("batch*.js"))
    used += panel(1) + (Path(STATIC).parent / "batch_tab.py").read_text(encoding="utf-8")
    for key, (zh, en) in BATCH_TEXTS.items():
        name = key.removeprefix("batch_")
        assert key == "tab_batch" or f"'{name}'" in used or name in used, key
        assert zh and en


def opened(
    service: RecognitionService, path: Path, out: Outputs, choice: Callable[[Batch], str],
    owner: str | None = None, caller: str | None = None,
) -> dict[Any, Any]:  # fmt: skip
    from emotion.services.batch import BatchItem, BatchPlan

    async def main() -> dict[Any, Any]:
        batches = Batches(service.jobs)
        folder = path.parent / "batch"
        folder.mkdir()
        items = [BatchItem("sub/a.wav", path)]
        plan = BatchPlan(items, lambda p: JobRequest(p, owner=owner), line, folder, owner)
        batch = batches.start(plan)
        try:
            await ended(batch)
            handler = BatchHandlers(batches, service.store, HandOver(path.parent / "cache"))
            return await handler.open(out)(choice(batch), request_of(caller))
        finally:
            await batches.close()

    return asyncio.run(main())


def test_an_opened_row_is_shown_as_if_just_done(
    service: RecognitionService, wav: Wav, out: Outputs
) -> None:
    shown = opened(service, wav(), out, lambda batch: f"{batch.id}/0")
    assert "Happy" in shown[out.card] and "<audio" in shown[out.timeline]
    names = [Path(file).name for file in shown[out.downloads]]
    assert names == ["result.json", "processed_audio.wav"]
    assert out.start not in shown and out.cancel not in shown


@pytest.mark.parametrize("choice", ["", "none/0", "{id}/", "{id}/1", "{id}/../0", "{id}/0/0"])
def test_what_is_not_there_is_an_error_on_the_card(
    service: RecognitionService, wav: Wav, out: Outputs, choice: str
) -> None:
    shown = opened(service, wav(), out, lambda batch: choice.format(id=batch.id))
    assert "is-error" in shown[out.card] and shown[out.downloads] is None


def test_another_one_finds_no_job(service: RecognitionService, wav: Wav, out: Outputs) -> None:
    shown = opened(service, wav(), out, lambda batch: f"{batch.id}/0", owner="ann", caller="bob")
    assert "is-error" in shown[out.card]
