"""The history behind the requests: who may see it, its index, and the end of deleted runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from emotion.core.access_errors import HistoryOffError, SharedServerError
from emotion.core.config import ServerConfig
from emotion.storage.run_store import RunStore

logger = logging.getLogger(__name__)

EVERY_S: Final = 30.0  # between two looks for what can no longer be restored
_STOP_S: Final = 5.0


def check_history(config: ServerConfig) -> None:
    """Refuses to list stored runs, or to open or delete one, where that is not wanted.

    Raises:
        SharedServerError: Several people share the server, and nothing tells them apart.
        HistoryOffError: The operator has switched the history off.
    """
    if config.shared:
        raise SharedServerError()
    if not config.history:
        raise HistoryOffError()


class History:
    """Keeps the history in order, in a thread.

    At start it builds the index of runs, so that the first visitor does not wait for it. Runs that
    were deleted with undo are deleted for good ten minutes later and when the server ends; what a
    killed server left of them, at the next start.

    Args:
        store: The runs.
        config: Whether they are listed.
    """

    def __init__(self, store: RunStore, config: ServerConfig) -> None:
        self._store = store
        self._listed = config.lists_runs
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)

    def start(self) -> None:
        """Begins; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread, and deletes for good what was deleted with undo."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)
        self._attempt(self._store.trash.empty)

    def _run(self) -> None:
        self._attempt(self._store.trash.empty)
        if self._listed:
            self._attempt(self._store.search)
        while not self._stopped.wait(EVERY_S):
            self._attempt(self._store.trash.purge)

    @staticmethod
    def _attempt(step: Callable[[], object]) -> None:
        try:
            step()
        except OSError as e:  # a folder that is read-only for now
            logger.warning("the history cannot be kept in order: %s", e)
        except Exception:  # the next time may go better
            logger.exception("the history could not be kept in order")
