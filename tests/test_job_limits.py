"""Bounds of the job queue."""

from __future__ import annotations

import pytest

from emotion.core.errors import ConfigError
from emotion.services.job_limits import JobLimits


def test_limits_are_checked() -> None:
    with pytest.raises(ConfigError, match="workers"):
        JobLimits(workers=0)


def test_workers_follow_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, workers in ((None, 4), (2, 4), (8, 8), (64, 16)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert JobLimits().workers == workers
