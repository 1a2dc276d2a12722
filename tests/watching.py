"""A watch whose clock a test moves, for the tests of /metrics and of the monitor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from emotion.api.request_stats import RequestStats
from emotion.api.watch import Watch
from emotion.core.config import Config
from emotion.inference.device import GpuUsage
from emotion.services.live import LiveSessions
from emotion.services.recognitions import RecognitionService

CARD = GpuUsage(
    device="cuda:0",
    used_bytes=9_000_000_000,
    reserved_bytes=4_000_000_000,
    allocated_bytes=3_000_000_000,
    total_bytes=24_000_000_000,
    utilization=0.75,
)


class Watched:
    """A watch and what it looks at.

    Attributes:
        now_s: What its clock shows.
        requests: Counts the requests.
        watch: The watch.
    """

    def __init__(
        self, service: RecognitionService, outputs_dir: Path, sessions: LiveSessions | None = None
    ) -> None:
        self.now_s = 1000.0
        self.requests = RequestStats()
        config = Config()
        config = replace(config, server=replace(config.server, outputs_dir=outputs_dir))
        self.watch = Watch(config, service, sessions, self.requests, clock=lambda: self.now_s)

    def call(self, took_s: float, status: int = 200) -> None:
        """Has a call of the API answered."""
        path = "/api/v1/recognize"
        scope: dict[str, Any] = {"type": "http", "path": path, "method": "POST"}
        self.requests.began()
        self.requests.ended(scope, status, took_s, call=True)

    def pass_(self, seconds: float, step_s: float = 5.0) -> None:
        """Lets time pass, with a sample at each step."""
        for _ in range(round(seconds / step_s)):
            self.now_s += step_s
            self.watch.keep()


class Guarded:
    """An app behind a guard that knows who asks."""

    def __init__(self, app: Any, state: dict[str, Any]) -> None:
        self.app, self.state = app, state

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        scope.setdefault("state", {}).update(self.state)
        await self.app(scope, receive, send)
