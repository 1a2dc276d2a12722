"""What the queue counts of its jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion.core.errors import AudioEmptyError, CancelledError, EmotionError
from emotion.services.job_stats import JobStats, ending
from emotion.services.jobs import Job, JobLimits, JobManager
from emotion.services.recognitions import JobRequest, RecognitionService


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, "done"),
        (CancelledError(), "cancelled"),
        (AudioEmptyError(file="a.wav"), "failed"),
        (ValueError("x"), "failed"),
    ],
)
def test_how_a_job_ends(error: Exception | None, state: str) -> None:
    assert ending(error) == state


def test_every_ending_is_there_before_it_happened() -> None:
    counts = JobStats().counts()
    assert counts.ended == {"done": 0, "failed": 0, "cancelled": 0}
    assert counts.audio_s == 0


def test_recordings_are_counted_by_their_length_and_pace() -> None:
    stats = JobStats()
    stats.recognised(60.0, 3.0)
    stats.recognised(10.0, 20.0)
    stats.recognised(0.0, 1.0)  # has no pace
    counts = stats.counts()
    assert counts.audio_s == 70
    assert counts.ratios.count == 2
    assert counts.ratios.total == pytest.approx(2.05)


def test_a_manager_counts_waits_and_endings() -> None:
    gate, entered = threading.Event(), threading.Event()

    def work(job: Job[str, str]) -> str:
        entered.set()
        gate.wait(30)
        if job.request == "bad":
            raise ValueError(job.request)
        return job.request

    manager: JobManager[str, str] = JobManager(work, JobLimits(workers=1))
    first = manager.submit("good")
    assert entered.wait(30)
    second, third = manager.submit("bad"), manager.submit("waits")
    manager.cancel(third)
    gate.set()
    assert first.result(30) == "good"
    with pytest.raises(ValueError, match="bad"):
        second.result(30)
    # Counted before anyone sees the end.
    assert manager.stats.counts().ended == {"done": 1, "failed": 1, "cancelled": 1}
    waits_s = manager.stats.counts().waits_s
    assert waits_s.count == 2  # the third was never taken
    assert waits_s.total <= first.elapsed_s + second.elapsed_s
    manager.close()


def test_a_service_counts_audio_and_pace(
    service: RecognitionService, wav: Callable[..., Path]
) -> None:
    done = service.jobs.submit(JobRequest(wav(2.0), store=False)).result(30)
    with pytest.raises(EmotionError):
        service.jobs.submit(JobRequest(Path("absent.wav"), store=False)).result(30)
    counts = service.jobs.stats.counts()
    assert counts.audio_s == pytest.approx(2.0, abs=0.01)
    timing = done.result.timing
    assert counts.ratios.count == 1
    assert counts.ratios.total == pytest.approx((timing.total_s - timing.queue_s) / 2.0, rel=0.01)
    assert counts.ended["done"] == counts.ended["failed"] == 1
