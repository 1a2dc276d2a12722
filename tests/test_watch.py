"""The watch: samples by the clock, what lies so long ago, jobs under way, versions."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from emotion import __version__
from emotion.api import watch as watch_module
from emotion.api.watch import HOUR_S, STEP_S, Queue, ffmpeg_version
from emotion.services.recognitions import JobRequest, RecognitionService
from tests.api import until
from tests.fakes import FakeEngine, FakeService
from tests.watching import Watched


@pytest.fixture
def watched(service: RecognitionService, tmp_path: Path) -> Watched:
    return Watched(service, tmp_path)


def test_the_first_sample_is_that_of_the_start(watched: Watched) -> None:
    (only,) = watched.watch.last(10)
    assert only.at_s == watched.watch.started_s == 1000.0
    watched.now_s += 30
    now = watched.watch.now()
    assert watched.watch.ago(now, 60) is only
    assert watched.watch.last(10) == [only]  # looking keeps nothing


def test_so_long_ago_is_the_youngest_sample_that_is_old_enough(watched: Watched) -> None:
    watched.pass_(100)
    watched.now_s += 2
    now = watched.watch.now()
    assert watched.watch.ago(now, 60).at_s == 1040.0
    assert watched.watch.ago(now, 62).at_s == 1040.0
    assert watched.watch.ago(now, 63).at_s == 1035.0
    assert watched.watch.ago(now, HOUR_S).at_s == 1000.0


def test_no_more_than_an_hour_is_kept(watched: Watched) -> None:
    watched.pass_(2 * HOUR_S)
    kept = watched.watch.last(100_000)
    assert kept[-1].at_s - kept[0].at_s == HOUR_S
    assert len(kept) == HOUR_S / STEP_S + 1
    assert [sample.at_s for sample in watched.watch.last(2)] == [8195.0, 8200.0]


def test_a_sample_holds_what_was_counted(watched: Watched) -> None:
    watched.call(0.2)
    watched.call(0.4, 503)
    sample = watched.watch.now()
    assert sample.calls.took_s.count == 2 and sample.calls.failed == 1
    assert sample.jobs.ended["done"] == 0
    assert sample.passes is not None and sample.passes.clips.count == 0
    assert sample.cpu_s > 0 and sample.resident_bytes > 0


def test_without_a_model_there_are_no_passes(watched: Watched) -> None:
    models = watched.watch.service.models
    assert isinstance(models, FakeService)
    models.current = None
    assert watched.watch.now().passes is None


def test_jobs_that_wait_and_jobs_that_run(
    watched: Watched, fake_engine: FakeEngine, wav: Callable[..., Path]
) -> None:
    service = watched.watch.service
    assert watched.watch.queue() == Queue(0, 0, 0)
    fake_engine.gate.clear()
    workers = service.jobs.limits.workers
    path = wav(1.0)
    jobs = [service.jobs.submit(JobRequest(path, store=False)) for _ in range(workers + 2)]
    jobs.append(service.jobs.submit(JobRequest(path, store=False), priority="bulk"))
    until(lambda: watched.watch.queue() == Queue(2, 1, workers))
    fake_engine.gate.set()
    for job in jobs:
        job.result(30)
    assert watched.watch.queue() == Queue(0, 0, 0)


def test_a_running_watch_keeps_samples_until_it_is_cancelled(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "STEP_S", 0.0)

    async def watch_three() -> None:
        task = asyncio.create_task(watched.watch.run())
        while len(watched.watch.last(10)) < 4:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(watch_three())


def test_versions_are_asked_for_once(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []

    def version(chosen: str | None) -> str:
        asked.append(chosen)
        return "7.1"

    monkeypatch.setattr(watch_module, "ffmpeg_version", version)
    first = watched.watch.versions()
    assert watched.watch.versions() == first
    assert asked == [None]
    assert first == {
        "emotion": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "torch": metadata.version("torch"),
        "gradio": metadata.version("gradio"),
        "ffmpeg": "7.1",
    }


def test_a_package_that_is_not_there_has_no_version(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", version)
    assert watched.watch.versions()["gradio"] == ""


def program(folder: Path, script: str) -> str:
    """A program that does what a shell script says."""
    path = folder / "ffmpeg"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "version"),
    [
        ("echo 'ffmpeg version 7.1.1-1ubuntu Copyright (c) 2000'", "7.1.1-1ubuntu"),
        ("echo 'ffmpeg version N-1-gabc'", "N-1-gabc"),
        ("echo something else entirely", ""),
        ("echo", ""),
        ("exit 3", ""),
    ],
)
def test_ffmpegs_version(tmp_path: Path, script: str, version: str) -> None:
    assert ffmpeg_version(program(tmp_path, script)) == version


def test_the_version_of_no_program(tmp_path: Path) -> None:
    assert ffmpeg_version(str(tmp_path / "absent")) == ""


def test_this_machines_ffmpeg_tells_its_version() -> None:
    assert ffmpeg_version(None)[0] in "0123456789Nn"
