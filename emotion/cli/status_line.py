"""Phases of loading a model as lines of the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emotion.recognition.opening import Status

logger = logging.getLogger(__name__)


class StatusLine:
    """Writes loading phases to stderr: a line a phase, and every tenth of a download."""

    def __init__(self) -> None:
        self._last = ("", -1)

    def show(self, status: Status) -> None:
        """Tells a change."""
        tenth = int(status.fraction * 10)
        if (status.phase, tenth) == self._last:
            return
        self._last = (status.phase, tenth)
        text = f"{status.model}: {status.phase}"
        if status.phase == "downloading" and status.total_bytes:
            text += f" {status.fraction:.0%} of {status.total_bytes / 1e6:.0f} MB"
        logger.info(text)
