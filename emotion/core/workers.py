"""Restarts of worker threads: counted, logged, and reported to the callers concerned."""

from __future__ import annotations

import logging
import threading
from typing import Final

from emotion.core.engine_errors import WorkerEndedError

logger = logging.getLogger(__name__)

PAUSE_S: Final = 0.1  # between a restart and the next try, so that a lasting cause fills no log


class Restarts:
    """Counts the restarts of a worker, and says each time why.

    Args:
        worker: What the worker is, for the log and for whoever waited for it.

    Attributes:
        count: Restarts so far.
    """

    def __init__(self, worker: str) -> None:
        self.count = 0
        self._worker = worker
        self._lock = threading.Lock()

    def error_of(self, cause: BaseException) -> Exception:
        """The error for a caller: an ordinary error as it is, else that the worker was ended.

        Args:
            cause: What was raised in the worker. ``SystemExit`` and its like are counted.
        """
        return cause if isinstance(cause, Exception) else self.ended(cause)

    def ended(self, cause: BaseException) -> WorkerEndedError:
        """Counts a restart and logs its cause.

        Returns:
            The error for callers whose work was under way.
        """
        with self._lock:
            self.count += 1
        reason = f"{type(cause).__name__}: {cause}".removesuffix(": ")
        logger.critical("the %s was ended (%s); restarted", self._worker, reason, exc_info=cause)
        return WorkerEndedError(worker=self._worker, reason=reason)
