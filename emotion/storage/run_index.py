"""A small SQLite index of the runs in a folder, so that listing reads no run twice.

The folders are the truth. The index is brought up to date by their names at each search: runs that
it lacks are read once, runs that are gone are forgotten, and a damaged index is made anew. Where
the folder cannot be written, or another process keeps the index locked, it lives in memory.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

logger = logging.getLogger(__name__)

INDEX_FILE = ".runs.sqlite3"
_VERSION = 3
_LOCK_TIMEOUT_S = 10.0
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class RunSummary:
    """What a list shows of a run.

    Attributes:
        run_id: Name of its folder.
        timestamp: Local time, ``YYYY-MM-DD HH:MM:SS``.
        file: Name of the recording.
        duration_s: Its length.
        emotion: The label with the highest score.
        confidence: That score.
        model: Name of the model.
        granularity: ``utterance``, ``frame`` or ``segment``.
        owner: Who asked for it, where that is known.
        uncertain: Whether the confidence is below the minimum that was asked for.
        no_speech: Whether no speech was found, so that the emotion means nothing.
    """

    run_id: str
    timestamp: str
    file: str
    duration_s: float
    emotion: str
    confidence: float
    model: str
    granularity: str
    owner: str | None = None
    uncertain: bool = False
    no_speech: bool = False


@dataclass(frozen=True)
class RunFilter:
    """Which runs; None and empty texts mean any.

    Attributes:
        emotion: The label.
        model: Name of the model.
        name: A part of the recording's name, in any case.
        since: The first local day, ``YYYY-MM-DD``.
        until: The last local day, ``YYYY-MM-DD``.
        owner: Who asked for them.
    """

    emotion: str | None = None
    model: str | None = None
    name: str | None = None
    since: str | None = None
    until: str | None = None
    owner: str | None = None

    def clause(self) -> tuple[str, list[str]]:
        """The condition in SQL, and its values."""
        name = None
        if self.name:
            escaped = self.name.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
            name = f"%{escaped}%"
        conditions = (
            ("emotion = ?", self.emotion),
            ("model = ?", self.model),
            (r"file LIKE ? ESCAPE '\'", name),
            ("timestamp >= ?", self.since),
            ("owner = ?", self.owner),
            ("timestamp <= ?", f"{self.until} 23:59:59" if self.until else None),
        )
        given = [(text, value) for text, value in conditions if value]
        where = " AND ".join(text for text, _ in given)
        return f" WHERE {where}" if where else "", [value for _, value in given]


class RunIndex:
    """The index of one folder; safe to use from several threads.

    Args:
        folder: Where the runs are.
        result_file: Name of a run's result.
        owner_of: Tells who asked for the run in a folder.
    """

    def __init__(
        self, folder: Path, result_file: str, owner_of: Callable[[Path], str | None]
    ) -> None:
        self._folder = folder
        self._result_file = result_file
        self._owner_of = owner_of
        self._lock = threading.Lock()
        self._memory: sqlite3.Connection | None = None

    def search(
        self, run_ids: Iterable[str], limit: int, offset: int, where: RunFilter
    ) -> tuple[list[RunSummary], int]:
        """Runs, newest first.

        Args:
            run_ids: Those that are on the disk now.
            limit: The most to give.
            offset: How many to leave out.
            where: Which runs.

        Returns:
            The runs, and how many fit the filter.
        """
        there = set(run_ids)
        if not there:
            return [], 0
        return self._asked(lambda: self._search(there, limit, offset, where))

    def models(self, owner: str | None) -> list[str]:
        """The names of the models that gave the runs of the last search, in order.

        Args:
            owner: Of whose runs; None for everyone's.
        """
        if not self._folder.is_dir():
            return []
        return self._asked(lambda: self._models(RunFilter(owner=owner)))

    def _asked(self, question: Callable[[], Answer]) -> Answer:
        with self._lock:
            try:
                return question()
            except sqlite3.OperationalError as e:  # locked by another process, say: not damaged
                self._keep_in_memory(e)
                return question()
            except sqlite3.DatabaseError as e:
                logger.warning("the index of runs is damaged (%s) and is made again", e)
                self._discard()
                return question()

    def _models(self, where: RunFilter) -> list[str]:
        clause, values = where.clause()
        with self._connection() as db:
            rows = db.execute(f"SELECT DISTINCT model FROM runs{clause} ORDER BY model", values)
            return [model for (model,) in rows]

    def _search(
        self, there: set[str], limit: int, offset: int, where: RunFilter
    ) -> tuple[list[RunSummary], int]:
        clause, values = where.clause()
        with self._connection() as db:
            self._refresh(db, there)
            (count,) = db.execute(f"SELECT count(*) FROM runs{clause}", values).fetchone()
            order = " ORDER BY run_id DESC LIMIT ? OFFSET ?"
            rows = db.execute(f"SELECT * FROM runs{clause}{order}", [*values, limit, offset])
            return [_summary(row) for row in rows], count

    def _refresh(self, db: sqlite3.Connection, there: set[str]) -> None:
        known = {run_id for (run_id,) in db.execute("SELECT run_id FROM runs")}
        db.executemany("DELETE FROM runs WHERE run_id = ?", [(gone,) for gone in known - there])
        new = (self._read(run_id) for run_id in there - known)
        marks = ", ".join("?" for _ in fields(RunSummary))
        rows = [astuple(summary) for summary in new if summary is not None]
        db.executemany(f"INSERT OR REPLACE INTO runs VALUES ({marks})", rows)

    def _read(self, run_id: str) -> RunSummary | None:
        try:
            text = (self._folder / run_id / self._result_file).read_text(encoding="utf-8")
            data = json.loads(text)
            return RunSummary(
                run_id=run_id,
                timestamp=str(data["timestamp"]),
                file=str(data["audio"]["file"]),
                duration_s=float(data["audio"]["duration_s"]),
                emotion=str(data["emotion"]),
                confidence=float(data["confidence"]),
                model=str(data["model"]["name"]),
                granularity=str(data["granularity"]),
                owner=self._owner_of(self._folder / run_id),
                uncertain=bool(data.get("uncertain", False)),
                no_speech=any(one["code"] == "no_speech" for one in data.get("warnings", ())),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None  # of another program, or being deleted

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        db = self._open()
        try:
            with db:
                yield db
        finally:
            if db is not self._memory:
                db.close()

    def _open(self) -> sqlite3.Connection:
        if self._memory is not None:
            return self._memory
        try:
            return _prepared(sqlite3.connect(self._folder / INDEX_FILE, timeout=_LOCK_TIMEOUT_S))
        except sqlite3.OperationalError as e:  # a read-only folder
            return self._keep_in_memory(e)

    def _keep_in_memory(self, why: sqlite3.Error) -> sqlite3.Connection:
        logger.info("the index of runs is kept in memory: %s", why)
        self._memory = _prepared(sqlite3.connect(":memory:", check_same_thread=False))
        return self._memory

    def _discard(self) -> None:
        with contextlib.suppress(OSError):
            (self._folder / INDEX_FILE).unlink(missing_ok=True)


def _summary(row: Sequence[Any]) -> RunSummary:
    summary = RunSummary(*row)  # SQLite has no booleans
    return replace(summary, uncertain=bool(summary.uncertain), no_speech=bool(summary.no_speech))


def _prepared(db: sqlite3.Connection) -> sqlite3.Connection:
    try:
        db.execute("BEGIN IMMEDIATE")  # fails at once where it cannot be written
        db.rollback()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        with db:
            if version != _VERSION:
                db.execute("DROP TABLE IF EXISTS runs")
            columns = ", ".join(field.name for field in fields(RunSummary))
            db.execute(f"CREATE TABLE IF NOT EXISTS runs ({columns}, PRIMARY KEY (run_id))")
            db.execute(f"PRAGMA user_version = {_VERSION}")
    except sqlite3.Error:
        db.close()
        raise
    return db
