"""Batches on the job queue: order, bounds, progress, failures, cancellation, what is left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from emotion.core.errors import (
    AudioNotFoundError,
    BusyError,
    EmotionError,
    JobNotFoundError,
    ModelNotReadyError,
    OutputError,
)
from emotion.services.batch import Batch, BatchItem, BatchPlan, Outcome
from emotion.services.batches import Batches, BatchLimits
from emotion.services.job_limits import JobLimits
from emotion.services.recognitions import JobRequest, RecognitionService
from emotion.storage.run_store import RunStore
from tests.api import WAIT_S
from tests.conftest import run_folders
from tests.fakes import FakeEngine

Wav = Callable[..., Path]
Test = Callable[[Batches], Coroutine[Any, Any, None]]


async def failing(error: Exception) -> Path:
    raise error


def line(index: int, file: str, outcome: Outcome) -> bytes:
    code = outcome.code if isinstance(outcome, EmotionError) else outcome.result.emotion
    return json.dumps([index, file, code]).encode()


def plan_of(folder: Path, *items: BatchItem | Path, owner: str | None = None) -> BatchPlan:
    folder.mkdir(exist_ok=True)
    made = [item if isinstance(item, BatchItem) else BatchItem(item.name, item) for item in items]
    return BatchPlan(made, lambda path: JobRequest(path, store=False), line, folder, owner, "r1")


def lines_of(batch: Batch) -> list[Any]:
    return [json.loads(text) for text in batch.lines.read(0)[0].splitlines()]


async def when(batch: Batch, condition: Callable[[], bool]) -> None:
    """Waits until something is so, looking at each change of a batch."""
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    end = batch.changed.subscribe(lambda: loop.call_soon_threadsafe(changed.set) and None)
    try:
        while not condition():
            await asyncio.wait_for(changed.wait(), WAIT_S)
            changed.clear()
    finally:
        end()


async def ended(batch: Batch) -> None:
    await when(batch, lambda: batch.ended_at is not None)


def run(service: RecognitionService, test: Test, limits: BatchLimits | None = None) -> None:
    async def main() -> None:
        batches = Batches(service.jobs, limits or BatchLimits())
        try:
            await test(batches)
        finally:
            await batches.close()

    asyncio.run(main())


def test_results_failures_and_what_is_left(
    service: RecognitionService, wav: Wav, tmp_path: Path
) -> None:
    folder = tmp_path / "batch"
    own = folder / "0000"
    own.mkdir(parents=True)
    upload = wav().rename(own / "up.wav")
    there = wav(name="there.wav")

    async def test(batches: Batches) -> None:
        batch = batches.start(
            plan_of(
                folder,
                BatchItem("up.wav", upload, own),
                there,
                tmp_path / "none.wav",
                BatchItem("a", partial(failing, AudioNotFoundError(file="a", reason="x"))),
                BatchItem("b", partial(failing, RuntimeError("unforeseen"))),
            )
        )
        assert batch.state == "queued" and batch.progress.total == 5
        await ended(batch)
        assert sorted(lines_of(batch)) == [
            [0, "up.wav", "happy"],
            [1, "there.wav", "happy"],
            [2, "none.wav", "audio_not_found"],
            [3, "a", "audio_not_found"],
            [4, "b", "internal_error"],
        ]
        assert [[e.index, e.file] for e in batch.ended] == [row[:2] for row in lines_of(batch)]
        now = batch.progress
        assert (now.state, now.done, now.failed, now.stage) == ("done", 5, 3, None)
        assert now.done_s == now.total_s == pytest.approx(4.0)
        assert batch.started_at is not None and batch.ended_at is not None
        assert batch.created_at <= batch.started_at <= batch.ended_at
        assert not own.exists() and there.exists()
        assert service.jobs._ended == service.jobs._ended.__class__()  # holds no result

    run(service, test)
    assert not folder.exists()


def test_a_single_recording_tells_its_stage(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav, tmp_path: Path
) -> None:
    fake_engine.gate.clear()

    async def test(batches: Batches) -> None:
        batch = batches.start(plan_of(tmp_path / "batch", wav(40.0)))
        await when(batch, lambda: batch.progress.total_s is not None)
        now = batch.progress
        assert (now.state, now.stage, now.done, now.total_s) == ("running", "analysing", 0, 40.0)
        fake_engine.gate.set()
        await ended(batch)
        assert batch.progress.done_s == 40.0 and batch.progress.stage is None

    run(service, test)


def test_only_some_are_in_the_queue_at_once(
    fake_model: Any, fake_engine: FakeEngine, wav: Wav, tmp_path: Path
) -> None:
    from tests.fakes import FakeService

    limits = JobLimits(workers=2, bulk=6)
    service = RecognitionService(FakeService(fake_model), RunStore(tmp_path / "o"), limits)
    fake_engine.gate.clear()
    path = wav()

    async def test(batches: Batches) -> None:
        first = batches.start(plan_of(tmp_path / "one", *[path] * 20))
        second = batches.start(plan_of(tmp_path / "two", *[wav(1.0)] * 2))
        await when(first, lambda: first.state == "running")
        assert len(service.jobs.active()) == 3  # half of the queue's places
        fake_engine.gate.set()
        await ended(second)
        await ended(first)
        # A small batch does not wait for a large one.
        assert fake_engine.calls == [32000] * 4 + [16000] * 2 + [32000] * 16
        assert len(first.lines) == 20 and all(not e.failed for e in first.ended)

    run(service, test, BatchLimits(ahead=4))
    service.close()


def test_a_queue_that_others_fill_is_waited_for(
    fake_model: Any, fake_engine: FakeEngine, wav: Wav, tmp_path: Path
) -> None:
    from tests.fakes import FakeService

    limits = JobLimits(workers=2, bulk=1)
    service = RecognitionService(FakeService(fake_model), RunStore(tmp_path / "o"), limits)
    fake_engine.gate.clear()
    path = wav()
    others = [service.jobs.submit(JobRequest(path), priority="bulk")]
    assert fake_engine.entered.wait(WAIT_S)
    others.append(service.jobs.submit(JobRequest(path), priority="bulk"))

    async def test(batches: Batches) -> None:
        full = batches.start(plan_of(tmp_path / "one", path))
        doomed = batches.start(plan_of(tmp_path / "two", path))
        await asyncio.sleep(0)
        doomed.cancel()
        fake_engine.gate.set()
        await ended(full)
        assert lines_of(full) == [[0, "clip.wav", "happy"]]
        assert (doomed.state, lines_of(doomed)) == ("cancelled", [])

    run(service, test)
    service.close()


def test_cancelling_ends_at_once_and_leaves_nothing(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav, tmp_path: Path
) -> None:
    folder = tmp_path / "batch"
    items = []
    for number in range(40):
        own = folder / f"{number:04}"
        own.mkdir(parents=True)
        path = wav(0.5).rename(own / "a.wav")
        items.append(BatchItem(path.name, path, own))
    fake_engine.gate.clear()

    async def test(batches: Batches) -> None:
        plan = plan_of(folder, *items)
        batch = batches.start(plan)
        assert await asyncio.to_thread(fake_engine.entered.wait, WAIT_S)
        await batches.remove(batch)
        assert batch.state == "cancelled" and batch.error is None
        fake_engine.gate.set()
        await asyncio.gather(*batches._live)
        assert service.jobs.active() == [] and len(batch.ended) == 0
        assert list(folder.iterdir()) == []
        assert batches.find(batch.id, None) is batch
        await batches.remove(batch)
        with pytest.raises(JobNotFoundError):
            batches.find(batch.id, None)
        assert not folder.exists()

    run(service, test)
    assert run_folders(service) == []


def test_cancelling_stops_a_fetch(service: RecognitionService, tmp_path: Path) -> None:
    async def test(batches: Batches) -> None:
        fetching, stopped = asyncio.Event(), asyncio.Event()

        async def fetch() -> Path:
            fetching.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()
            raise AssertionError

        batch = batches.start(plan_of(tmp_path / "batch", BatchItem("far.wav", fetch)))
        await fetching.wait()
        batch.cancel()
        await asyncio.wait_for(stopped.wait(), WAIT_S)
        await asyncio.gather(*batches._live)
        assert batch.state == "cancelled" and lines_of(batch) == []

    run(service, test)


def test_a_server_that_stops_says_so(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav, tmp_path: Path
) -> None:
    fake_engine.gate.clear()

    async def test(batches: Batches) -> None:
        batch = batches.start(plan_of(tmp_path / "batch", *[wav()] * 30))
        assert await asyncio.to_thread(fake_engine.entered.wait, WAIT_S)
        stopping = asyncio.create_task(asyncio.to_thread(service.close))
        await ended(batch)
        fake_engine.gate.set()
        await stopping
        assert batch.state == "cancelled" and isinstance(batch.error, ModelNotReadyError)
        late = batches.start(plan_of(tmp_path / "late", wav()))
        await ended(late)
        assert late.state == "cancelled" and isinstance(late.error, ModelNotReadyError)

    run(service, test)


def test_results_that_cannot_be_written(
    service: RecognitionService, wav: Wav, tmp_path: Path
) -> None:
    async def test(batches: Batches) -> None:
        plan = plan_of(tmp_path / "batch", wav())
        (tmp_path / "batch" / "lines").mkdir()
        batch = batches.start(plan)
        await ended(batch)
        assert batch.state == "cancelled" and isinstance(batch.error, OutputError)

    run(service, test)


def test_bounds_and_owners(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav, tmp_path: Path
) -> None:
    fake_engine.gate.clear()

    async def test(batches: Batches) -> None:
        ann = batches.start(plan_of(tmp_path / "one", wav(), owner="ann"))
        bob = batches.start(plan_of(tmp_path / "two", wav(), owner="bob"))
        with pytest.raises(BusyError, match="2 requests are waiting"):
            batches.check()
        with pytest.raises(BusyError):
            batches.start(plan_of(tmp_path / "three", wav()))
        assert batches.owned("ann") == [ann] and batches.owned(None) == []
        assert batches.find(bob.id, "bob") is bob
        for owner in ("ann", None):
            with pytest.raises(JobNotFoundError):
                batches.find(bob.id, owner)
        fake_engine.gate.set()
        await ended(ann)
        await ended(bob)

    run(service, test, BatchLimits(live=2))


def test_old_batches_are_forgotten(service: RecognitionService, wav: Wav, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]

    async def many(batches: Batches) -> None:
        made = []
        for folder in folders:
            made.append(batches.start(plan_of(folder, wav())))
            await asyncio.gather(*batches._live)
        assert batches.owned(None) == [made[2], made[1]]
        assert [folder.exists() for folder in folders] == [False, True, True]

    run(service, many, BatchLimits(kept=2))
    assert not any(folder.exists() for folder in folders)

    async def old(batches: Batches) -> None:
        batches.start(plan_of(folders[0], wav()))
        await asyncio.gather(*batches._live)
        while batches.owned(None):
            await asyncio.sleep(0)
        await asyncio.gather(*batches._cleaning)
        assert not folders[0].exists()

    run(service, old, BatchLimits(kept_s=0.0))
