"""Bounds of the job queue."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from emotion.core.errors import ConfigError


@dataclass(frozen=True)
class JobLimits:
    """Bounds of a `JobManager`.

    Attributes:
        workers: Jobs that decode or infer at once; inference itself shares batches. One for each
            core, 4 to 16: more of them gain a batch little, and make a click wait for the cores.
        interactive: Interactive jobs that work or wait; one more is refused.
        programs: How many of those may come from callers without a visitor, so that visitors
            find a place too.
        bulk: Bulk jobs that wait; the submitter of one more waits for a place.
        per_visitor: Interactive jobs of one visitor that work or wait.
        kept: Ended jobs that are remembered. Each holds its outcome: the curve of a recording of
            4 h takes about 40 MB.
        kept_s: How long they are remembered, in seconds.
    """

    workers: int = field(default_factory=lambda: max(4, min(16, os.cpu_count() or 1)))
    interactive: int = 24
    programs: int = 12
    bulk: int = 64
    per_visitor: int = 1
    kept: int = 64
    kept_s: float = 900.0

    def __post_init__(self) -> None:
        for name in ("workers", "interactive", "programs", "bulk", "per_visitor"):
            if getattr(self, name) < 1:
                value = getattr(self, name)
                raise ConfigError(option=name, value=value, expected="at least 1")
