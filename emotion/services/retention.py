"""Deletes old runs: those older than some days, and the oldest where all take too much room."""

from __future__ import annotations

import logging
import math
import threading
from typing import Final

from emotion.core.config import ServerConfig
from emotion.core.errors import OutputError
from emotion.storage.run_store import RunStore

logger = logging.getLogger(__name__)

EVERY_S: Final = 3600.0
YOUNG_S: Final = 600.0  # a run is never deleted so soon after its end, whatever it takes
_AGAIN_S: Final = 60.0  # where all runs are young, the next look comes after this
_STOP_S: Final = 5.0


class Retention:
    """Keeps the outputs folder within its limits, in a thread; does nothing without a limit.

    It looks at start, every hour, and when a run that was completed made the folder too large.
    Sizes are summed up at each look from the names and sizes of files; between two looks a new
    run is added to the sum. Nothing but runs is counted or deleted.

    Args:
        store: The runs; its ``on_commit`` is taken over.
        config: The limits.
    """

    def __init__(self, store: RunStore, config: ServerConfig) -> None:
        self._store = store
        self._days = config.keep_days
        gigabytes = config.max_outputs_gb
        self._most_bytes = None if gigabytes is None else int(gigabytes * 1e9)
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}
        self._new: dict[str, int] = {}  # completed while the others are summed up
        self._total_bytes = 0
        self._due = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)
        if self._most_bytes is not None:
            store.on_commit = self._completed

    def start(self) -> None:
        """Begins to look; returns at once."""
        if self._days is not None or self._most_bytes is not None:
            self._thread.start()

    def stop(self) -> None:
        """Ends the thread after the look that is under way."""
        self._stopped.set()
        self._due.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)  # the next run removes what it has not finished

    def look(self) -> None:
        """Deletes what is too old, then the oldest of what is too much."""
        if self._days is not None:
            self._report(f"older than {self._days:g} days", self._delete_old(self._days))
        if self._most_bytes is not None:
            self._sum_up()
            self._make_room(self._most_bytes)

    def _run(self) -> None:
        wait_s = 0.0
        while not self._stopped.is_set():
            asked = self._due.wait(wait_s)
            if self._stopped.is_set():
                return
            self._due.clear()
            try:
                if asked and self._most_bytes is not None:
                    self._make_room(self._most_bytes)
                else:
                    self.look()
            except OutputError as e:  # a folder that is read-only for now
                logger.warning("old runs cannot be deleted: %s", e)
            except Exception:  # the next look may go better
                logger.exception("old runs could not be deleted")
            wait_s = _AGAIN_S if self._is_full() else EVERY_S

    def _completed(self, run_id: str) -> None:
        size = self._store.size_bytes(run_id)
        with self._lock:
            self._sizes[run_id] = self._new[run_id] = size
            self._total_bytes += size
        if self._is_full():
            self._due.set()

    def _is_full(self) -> bool:
        return self._most_bytes is not None and self._total_bytes > self._most_bytes

    def _delete_old(self, days: float) -> list[str]:
        return self._store.delete_older_than(days, spare_s=YOUNG_S)

    def _sum_up(self) -> None:
        with self._lock:
            self._new = {}
        sizes = {run_id: self._store.size_bytes(run_id) for run_id in self._store.ids()}
        with self._lock:
            sizes.update(self._new)
            self._sizes, self._total_bytes = sizes, sum(sizes.values())

    def _make_room(self, most_bytes: int) -> None:
        if self._is_full():
            self._forget_deleted()
        # The oldest first, up to the first that is young: those after it began later still.
        with self._lock:
            too_much = self._total_bytes - most_bytes
            oldest = sorted(self._sizes) if too_much > 0 else []
            doomed: list[str] = []
            for run_id in oldest:
                if too_much <= 0 or self._store.age_s(run_id) < YOUNG_S:
                    break
                doomed.append(run_id)
                too_much -= self._sizes[run_id]
        deleted = self._store.delete_all(doomed)
        with self._lock:
            for run_id in doomed:
                self._total_bytes -= self._sizes.pop(run_id, 0)
        self._report(f"because all took more than {most_bytes / 1e9:g} GB", deleted)

    def _forget_deleted(self) -> None:
        """Takes runs that people have deleted since the last look out of the sum."""
        there = set(self._store.ids())
        with self._lock:
            for run_id in self._sizes.keys() - there:
                if self._store.age_s(run_id) == math.inf:  # else it was completed just now
                    self._total_bytes -= self._sizes.pop(run_id)

    @staticmethod
    def _report(why: str, deleted: list[str]) -> None:
        if deleted:
            logger.info("%d runs deleted, %s: %s", len(deleted), why, _named(sorted(deleted)))


def _named(run_ids: list[str]) -> str:
    return run_ids[0] if len(run_ids) == 1 else f"{run_ids[0]} to {run_ids[-1]}"
