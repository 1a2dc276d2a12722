"""The server watched: every few seconds a sample of what is counted, kept for an hour."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from typing import Final, NoReturn

import psutil

from emotion import __version__
from emotion.api.request_stats import CallCounts, RequestStats
from emotion.api.vitals import cpu_s
from emotion.audio import ffmpeg_path
from emotion.core.config import Config
from emotion.core.errors import ConfigError, DecoderError
from emotion.inference.pass_stats import PassCounts
from emotion.services.job_stats import JobCounts
from emotion.services.live import LiveSessions
from emotion.services.recognitions import RecognitionService

STEP_S: Final = 5.0
HOUR_S: Final = 3600.0
_FFMPEG_S: Final = 10.0  # to tell its version


@dataclass(frozen=True)
class Queue:
    """Jobs that are under way.

    Attributes:
        interactive: Interactive jobs that wait.
        bulk: Bulk jobs that wait.
        running: Jobs that a worker has taken.
    """

    interactive: int
    bulk: int
    running: int


@dataclass(frozen=True)
class Sample:
    """What had been counted at one moment.

    Attributes:
        at_s: When, in monotonic seconds.
        calls: Calls of the API.
        jobs: Recognitions.
        passes: Passes of the network; None while there is no model.
        queue: Jobs under way.
        cpu_s: CPU time that the process had used, in seconds.
        resident_bytes: Its memory.
    """

    at_s: float
    calls: CallCounts
    jobs: JobCounts
    passes: PassCounts | None
    queue: Queue
    cpu_s: float
    resident_bytes: int


class Watch:
    """What is counted in a server, now and in the last hour; safe to use from several threads.

    Args:
        config: Options.
        service: Runs the recognitions.
        sessions: The live recordings, if there are any.
        requests: Counts the requests.
        clock: Monotonic seconds.

    Attributes:
        started_s: When the watching began, in monotonic seconds.
    """

    def __init__(
        self,
        config: Config,
        service: RecognitionService,
        sessions: LiveSessions | None,
        requests: RequestStats,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config
        self.service = service
        self.sessions = sessions
        self.requests = requests
        self._clock = clock
        self._process = psutil.Process()
        self._samples: deque[Sample] = deque(maxlen=round(HOUR_S / STEP_S) + 1)
        self._lock = threading.Lock()
        self._versions: dict[str, str] = {}
        self.keep()
        self.started_s = self._samples[0].at_s

    async def run(self) -> NoReturn:
        """Keeps a sample every few seconds, until it is cancelled."""
        while True:
            await asyncio.sleep(STEP_S)
            self.keep()

    def keep(self) -> None:
        """Keeps a sample of now."""
        sample = self.now()
        with self._lock:
            self._samples.append(sample)

    def now(self) -> Sample:
        """A sample of now."""
        model = self.service.models.current
        return Sample(
            at_s=self._clock(),
            calls=self.requests.calls(),
            jobs=self.service.jobs.stats.counts(),
            passes=model.engine.stats.counts() if model else None,
            queue=self.queue(),
            cpu_s=cpu_s(self._process),
            resident_bytes=int(self._process.memory_info().rss),
        )

    def ago(self, now: Sample, seconds: float) -> Sample:
        """The youngest sample that is so much older than ``now``, else the oldest one."""
        kept = self.last(len(self._samples))
        old = [sample for sample in kept if now.at_s - sample.at_s >= seconds]
        return old[-1] if old else kept[0]

    def last(self, count: int) -> list[Sample]:
        """The youngest samples, oldest first."""
        with self._lock:
            return list(self._samples)[-count:]

    def queue(self) -> Queue:
        """Jobs under way."""
        waiting = {"interactive": 0, "bulk": 0}
        running = 0
        for job in self.service.jobs.active():
            if job.progress.state == "queued":
                waiting[job.priority] += 1
            else:
                running += 1
        return Queue(waiting["interactive"], waiting["bulk"], running)

    def versions(self) -> dict[str, str]:
        """Versions of this package and of what it rests on; empty where one is absent."""
        if self._versions:
            return self._versions
        found = {"emotion": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
        for name in ("torch", "gradio"):
            try:
                found[name] = metadata.version(name)
            except metadata.PackageNotFoundError:
                found[name] = ""
        self._versions = {**found, "ffmpeg": ffmpeg_version(self.config.audio.ffmpeg)}
        return self._versions


def ffmpeg_version(chosen: str | None) -> str:
    """The version of the FFmpeg program, such as ``7.1.1``; empty where it cannot be run.

    Args:
        chosen: A program's path or name; None for the usual one.
    """
    try:
        command = [ffmpeg_path(chosen), "-version"]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=_FFMPEG_S
        )
    except (ConfigError, DecoderError, OSError, subprocess.SubprocessError):
        return ""
    words = done.stdout.decode("utf-8", "replace").split(maxsplit=3)
    return words[2] if words[:2] == ["ffmpeg", "version"] else ""
