"""A job as it goes on: lines of JSON and server-sent events, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from emotion.api import job_streams
from emotion.api.job_answers import Job
from emotion.api.job_streams import cancelling, event, events, lines
from emotion.services.batch import Batch, BatchItem, BatchPlan
from emotion.services.batches import Batches
from emotion.services.recognitions import JobRequest, RecognitionService
from tests.fakes import FakeEngine

Wav = Callable[..., Path]


def follow(
    service: RecognitionService,
    path: Path,
    folder: Path,
    test: Callable[[Batch], Coroutine[Any, Any, None]],
    count: int = 1,
) -> None:
    """Begins a batch of one recording, several times, and runs a test beside it."""
    folder.mkdir()

    async def main() -> None:
        batches = Batches(service.jobs)
        plan = BatchPlan(
            [BatchItem(f"{number}.wav", path) for number in range(count)],
            lambda path: JobRequest(path, store=False),
            lambda index, file, _: f"{index} {file}".encode(),
            folder,
        )
        try:
            await test(batches.start(plan))
        finally:
            await batches.close()

    asyncio.run(main())


def now_of(batch: Batch) -> Callable[[], Job]:
    return lambda: Job.of(batch, "", "en", "")


def test_lines_until_all_are_there(service: RecognitionService, wav: Wav, tmp_path: Path) -> None:
    async def test(batch: Batch) -> None:
        first, second = await asyncio.gather(whole(lines(batch)), whole(lines(batch)))
        assert first == second and len(first.splitlines()) == 5
        assert await whole(lines(batch, 4)) == first.splitlines(keepends=True)[4]
        assert len(batch.grown) == len(batch.changed) == 0

    follow(service, wav(), tmp_path / "batch", test, 5)


async def whole(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([data async for data in stream])


def test_lines_of_a_job_that_was_forgotten(
    service: RecognitionService, wav: Wav, tmp_path: Path
) -> None:
    async def test(batch: Batch) -> None:
        assert await whole(lines(batch)) == b"0 0.wav\n"
        (tmp_path / "batch" / "lines").unlink()
        assert await whole(lines(batch)) == b""

    follow(service, wav(), tmp_path / "batch", test)


def test_a_stream_that_ends_early_ends_its_job(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav, tmp_path: Path
) -> None:
    fake_engine.gate.clear()

    async def test(batch: Batch) -> None:
        reading = asyncio.create_task(whole(cancelling(batch, lines(batch))))
        while not fake_engine.entered.is_set():
            await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert batch.state == "cancelled"
        fake_engine.gate.set()

    follow(service, wav(), tmp_path / "batch", test)


def test_changes_are_told_together(
    service: RecognitionService, wav: Wav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(batch: Batch) -> None:
        async def all_at_once(_: float) -> None:
            while batch.ended_at is None:
                await real_sleep(0)

        real_sleep = asyncio.sleep
        monkeypatch.setattr(job_streams.asyncio, "sleep", all_at_once)
        text = (await whole(events(batch, 0, now_of(batch)))).decode()
        kinds = [line for line in text.splitlines() if line.startswith("event")]
        assert kinds == ["event: progress", *["event: result"] * 20, "event: end"]

    follow(service, wav(0.5), tmp_path / "batch", test, 20)


def test_a_silent_stream_is_kept_open(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav, tmp_path: Path
) -> None:
    fake_engine.gate.clear()

    async def test(batch: Batch) -> None:
        seen = []
        async for data in events(batch, 0, now_of(batch), quiet_s=0.01):
            seen.append(data)
            if data.startswith(b":"):
                fake_engine.gate.set()
        assert seen[0] == b"retry: 2000\n\n"
        assert b": still here\n\n" in seen
        assert seen[-1].startswith(b"event: end\nid: end\ndata: {")
        assert len(batch.grown) == len(batch.changed) == 0

    follow(service, wav(), tmp_path / "batch", test)


def test_the_form_of_an_event() -> None:
    assert event("result", "3", b"{}") == b"event: result\nid: 3\ndata: {}\n\n"
