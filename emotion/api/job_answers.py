"""What the calls of ``/api/v1/jobs`` take and answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from emotion.api.answers import PREFIX, dumps, recognition
from emotion.api.openapi import TONE
from emotion.api.options import EmbeddingFormat, RecognizeBody
from emotion.api.problems import Problem
from emotion.api.sources import Named
from emotion.core.errors import EmotionError
from emotion.core.i18n import Lang
from emotion.services.batch import Batch, BatchState, Beside, Outcome
from emotion.services.batches import MOST_RECORDINGS

JOBS: Final = f"{PREFIX}/jobs"
MOST_FILES: Final = MOST_RECORDINGS
_MOST_NAMES: Final = 20  # that are told of a table's rows
NDJSON: Final = "application/x-ndjson"


class JobsBody(RecognizeBody):
    """Recordings in JSON: exactly one of the three `audio_…`, or `items`; and options."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {"audio_base64": TONE, "filename": "one.wav"},
                        {"audio_base64": TONE, "filename": "two.wav"},
                    ],
                    "store": False,
                },
                {"audio_path": "calls/0001.wav", "granularity": "segment"},
            ]
        },
    )

    items: list[Named] | None = Field(None, description=f"1 to {MOST_FILES} recordings")


class JobLinks(BaseModel):
    """Addresses of a job."""

    self: str = Field(description="This object")
    events: str = Field(description="Progress as server-sent events")
    results: str = Field(description="A line of JSON for each recording that has ended")
    csv: str = Field(description="Those recordings as a table: CSV")
    jsonl: str = Field(description="JSON lines")
    parquet: str = Field(description="Parquet")
    outputs: str = Field(description="A ZIP file with the tables and the files of all runs")


class JobTable(BaseModel):
    """The caller's own table, that came with the recordings."""

    columns: list[str] = Field(description="Columns that pass through to the tables of results")
    rows: int = Field(description="Its rows")
    rows_alone: int = Field(description="Rows that name none of the recordings")
    rows_alone_names: list[str] = Field(description="The first of their names")
    files_alone: int = Field(description="Recordings that no row names")
    files_alone_names: list[str] = Field(description="The first of their names")

    @classmethod
    def of(cls, beside: Beside) -> JobTable | None:
        """What is told of a table; None where there was none."""
        if not beside.rows:
            return None
        return cls(
            columns=list(beside.columns),
            rows=beside.rows,
            rows_alone=len(beside.rows_alone),
            rows_alone_names=list(beside.rows_alone[:_MOST_NAMES]),
            files_alone=len(beside.files_alone),
            files_alone_names=list(beside.files_alone[:_MOST_NAMES]),
        )


class Job(BaseModel):
    """How far a job is."""

    id: str
    state: BatchState
    total: int = Field(description="Recordings in it")
    done: int = Field(description="Those that have ended, failed ones included")
    failed: int = Field(description="Those that failed")
    stage: str | None = Field(
        description="What a single recording's job does: queued, loading (the model), decoding, "
        "analysing or saving; null for several"
    )
    done_s: float = Field(description="Seconds of audio that the network has heard")
    total_s: float | None = Field(description="Seconds in all, where known")
    left_s: float | None = Field(
        description="Seconds of time that the rest takes, by the pace so far, where known"
    )
    elapsed_s: float = Field(
        description="Seconds since its first recording left the queue, until its end"
    )
    left_out: int = Field(description="Files in folders and archives that are no recordings")
    table: JobTable | None = Field(description="The table that came with the recordings")
    created_at: datetime = Field(description="UTC")
    started_at: datetime | None = Field(description="When its first recording left the queue, UTC")
    ended_at: datetime | None = Field(description="UTC")
    problem: Problem | None = Field(
        description="Why the server cancelled it; null where it did not"
    )
    links: JobLinks

    @classmethod
    def of(cls, batch: Batch, root: str, language: Lang, request_id: str) -> Job:
        """What a batch is at the moment.

        Args:
            batch: The batch.
            root: What a proxy puts before the addresses of this server.
            language: Of the problem.
            request_id: Of the problem.
        """
        now = batch.progress
        own = f"{root}{JOBS}/{batch.id}"
        error = batch.error
        return cls(
            id=batch.id,
            state=now.state,
            total=now.total,
            done=now.done,
            failed=now.failed,
            stage=now.stage,
            done_s=round(now.done_s, 2),
            total_s=_rounded(now.total_s),
            left_s=_rounded(now.left_s),
            elapsed_s=round(batch.elapsed_s, 2),
            left_out=batch.plan.beside.left_out,
            table=JobTable.of(batch.plan.beside),
            created_at=_whole(batch.created_at),
            started_at=_whole(batch.started_at) if batch.started_at else None,
            ended_at=_whole(batch.ended_at) if batch.ended_at else None,
            problem=Problem.of(error, language, request_id) if error else None,
            links=_links(own),
        )


class JobList(BaseModel):
    """Jobs, newest first."""

    jobs: list[Job]


class JobLine(BaseModel):
    """A line of the results of a job."""

    index: int = Field(description="The recording's place in the request, from 0")
    file: str = Field(description="Its name")
    status: Literal["done", "failed"]
    result: dict[str, Any] | None = Field(
        None, description="What `/recognize` would answer; only where it is done"
    )
    problem: Problem | None = Field(None, description="What went wrong; only where it failed")


def line_maker(
    form: EmbeddingFormat, linked: bool, language: Lang, request_id: str
) -> Callable[[int, str, Outcome], bytes]:
    """What makes a `JobLine` of a recording that has ended.

    Args:
        form: How embeddings are given.
        linked: Whether to give the addresses of a run's files.
        language: Of problems.
        request_id: Of the request that began the job.
    """

    def line(index: int, file: str, outcome: Outcome) -> bytes:
        if isinstance(outcome, EmotionError):
            problem = Problem.of(outcome, language, request_id).model_dump()
            return dumps({"index": index, "file": file, "status": "failed", "problem": problem})
        result = recognition(outcome, form, linked)
        return dumps({"index": index, "file": file, "status": "done", "result": result})

    return line


def _links(own: str) -> JobLinks:
    tables = {kind: f"{own}/table.{kind}" for kind in ("csv", "jsonl", "parquet")}
    return JobLinks(
        self=own,
        events=f"{own}/events",
        results=f"{own}/results",
        outputs=f"{own}/outputs.zip",
        **tables,
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
