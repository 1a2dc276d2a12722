"""Jobs awaited from the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect

from emotion.api.waiting import changes, finish, finish_all, while_there
from emotion.core.errors import AudioNotFoundError, CancelledError, ModelNotReadyError
from emotion.core.request_errors import RequestTimeoutError
from emotion.recognition.loaded_model import LoadedModel
from emotion.services.jobs import JobLimits
from emotion.services.recognitions import JobRequest, RecognitionService
from emotion.storage.run_store import RunStore
from tests.fakes import FakeEngine, FakeService

Wav = Callable[..., Path]


def request_that(gone: asyncio.Event) -> Request:
    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


def test_a_result_and_an_error(service: RecognitionService, wav: Wav, tmp_path: Path) -> None:
    async def ask(path: Path) -> Any:
        job = service.jobs.submit(JobRequest(path))
        return await finish(service, job, request_that(asyncio.Event()), 30)

    assert asyncio.run(ask(wav())).result.emotion == "happy"
    with pytest.raises(AudioNotFoundError):
        asyncio.run(ask(tmp_path / "none.wav"))


def test_a_time_out_and_a_caller_who_goes(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav
) -> None:
    fake_engine.gate.clear()
    jobs = []

    async def ask(timeout_s: float, leave: bool) -> Any:
        gone = asyncio.Event()
        jobs.append(service.jobs.submit(JobRequest(wav())))
        if leave:
            gone.set()
        return await finish(service, jobs[-1], request_that(gone), timeout_s)

    with pytest.raises(RequestTimeoutError, match=r"within 0\.1 s"):
        asyncio.run(ask(0.1, False))
    with pytest.raises(ClientDisconnect):
        asyncio.run(ask(30, True))
    fake_engine.gate.set()
    for job in jobs:
        with pytest.raises(CancelledError):
            job.result(20)


def test_a_server_that_stops(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav
) -> None:
    fake_engine.gate.clear()

    async def ask() -> Any:
        job = service.jobs.submit(JobRequest(wav()))
        waiting = asyncio.create_task(finish(service, job, request_that(asyncio.Event()), 30))
        await asyncio.to_thread(service.close)
        return await waiting

    with pytest.raises(ModelNotReadyError, match="the server is stopping"):
        asyncio.run(ask())
    fake_engine.gate.set()


def test_changes_end_with_the_block(service: RecognitionService, wav: Wav) -> None:
    async def follow() -> int:
        job = service.jobs.submit(JobRequest(wav()))
        seen = 0
        with changes(job) as changed:
            while job.progress.state != "done":
                await changed.wait()
                changed.clear()
                seen += 1
        assert job._listeners == []
        return seen

    assert asyncio.run(follow()) > 0


def test_a_loop_that_has_ended_is_not_told() -> None:
    listeners: list[Callable[[], None]] = []

    class Source:
        def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
            listeners.append(listener)
            return lambda: None

    async def follow() -> None:
        with changes(Source()):
            pass

    asyncio.run(follow())
    listeners[0]()


def test_several_jobs_in_their_order(service: RecognitionService, wav: Wav) -> None:
    paths = [wav(0.5, f"{number}.wav") for number in range(12)]
    works = [JobRequest(path, store=False) for path in paths]
    found = asyncio.run(finish_all(service, works))
    assert [one.result.audio.file for one in found] == [path.name for path in paths]
    assert asyncio.run(finish_all(service, [])) == []


def test_the_first_error_ends_the_others(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav, tmp_path: Path
) -> None:
    works = [JobRequest(tmp_path / "none.wav", store=False)]
    works += [JobRequest(wav(), store=False) for _ in range(6)]
    with pytest.raises(AudioNotFoundError):
        asyncio.run(finish_all(service, works))
    assert all(job.cancelled for job in service.jobs.active())


def test_no_job_is_left_where_there_was_no_place(
    fake_model: LoadedModel,
    fake_engine: FakeEngine,
    wav: Wav,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = JobLimits(workers=1, bulk=1)
    service = RecognitionService(FakeService(fake_model), RunStore(tmp_path / "runs"), limits)
    fake_engine.gate.clear()
    path = wav()
    works = [JobRequest(path, store=False)] * 3
    jobs = [service.jobs.submit(works[0], priority="bulk")]
    assert fake_engine.entered.wait(20)
    jobs.append(service.jobs.submit(works[1], priority="bulk"))  # the only place that waits
    submit = service.jobs.submit

    async def ask() -> None:
        loop, entered = asyncio.get_running_loop(), asyncio.Event()

        def tell(*args: Any, **options: Any) -> Any:
            loop.call_soon_threadsafe(entered.set)
            return submit(*args, **options)

        monkeypatch.setattr(service.jobs, "submit", tell)
        task = asyncio.create_task(finish_all(service, works))
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(ask())
    assert service.jobs.active() == jobs and not any(job.cancelled for job in jobs)
    fake_engine.gate.set()
    assert all(job.result(20).stored is None for job in jobs)
    service.close()


def test_work_that_fails_while_its_caller_waits() -> None:
    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(while_there(request_that(asyncio.Event()), 30, work()))
