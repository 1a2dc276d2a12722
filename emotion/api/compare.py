"""``POST /api/v1/compare``: recordings beside each other, with a map, groups and neighbours."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from emotion.analysis.comparison import MOST, compare
from emotion.analysis.files import is_embedding, read_embedding
from emotion.analysis.items import Compared
from emotion.analysis.trends import moment_of
from emotion.api import sources
from emotion.api.answers import PREFIX, json_response
from emotion.api.asking import caller_of, set_language
from emotion.api.compare_models import (
    COMPARED,
    CompareAnswer,
    CompareBody,
    CompareForm,
    CompareItem,
    CompareQuery,
)
from emotion.api.compared import Item, check_one, gather, stored_run
from emotion.api.context import Context
from emotion.api.openapi import problems, request_body
from emotion.api.problems import invalid_of
from emotion.api.recognize import PROBLEMS
from emotion.api.waiting import while_there
from emotion.core.errors import ConfigError, JobNotFoundError
from emotion.core.similarity_errors import EmbeddingMissingError, JobItemError
from emotion.corpus import kinds
from emotion.corpus.own_columns import with_tables
from emotion.services.batch import Batch

_REQUEST_BYTES: Final = 4_000_000  # of 2,000 items with their columns
Asked = Item | Path | Compared


def router(context: Context) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["recognition"])
    one_at_a_time = anyio.CapacityLimiter(1)

    @routes.post(
        f"{PREFIX}/compare",
        summary="Compare many recordings",
        response_model=CompareAnswer,
        responses=problems(*PROBLEMS),
        openapi_extra=request_body(CompareBody, CompareForm, many=True),
    )
    async def compare_items(request: Request, query: Annotated[CompareQuery, Query()]) -> Response:
        """Similarities, a map, groups, nearest neighbours and mood over time of 2 to 2,000
        recordings: in JSON `items`, or several multipart `file` (recordings, or embeddings as
        `.npy`) with that JSON in the field `request`; files come after the items. A `.csv` or
        `.tsv` file is a table of your own: its columns are joined by a column `path` or `file`,
        and `date` and `speaker` among them give mood over time. Nothing is stored. All must be
        from one model."""

        async def answer(folder: Path) -> dict[str, Any]:
            tables = [path for path in files if kinds.is_table(path.name)]
            recordings = [path for path in files if path not in tables]
            asked, own = await _items(context, request, body, recordings)
            found = await gather(context, request, asked, folder)
            said = [_said(*both) for both in zip(found, own, strict=True)]
            said = await run_in_threadpool(with_tables, said, tables)
            work = partial(_compare, said, body)
            return await run_sync(work, abandon_on_cancel=True, limiter=one_at_a_time)

        async with context.uploads.folder() as folder:
            set_language(request, query.language)
            body, files = await _received(context, request, folder)
            set_language(request, body.language)
            timeout_s = context.config.server.request_timeout_s
            answered = await while_there(request, timeout_s, answer(folder))
        return await json_response(answered)

    return routes


def _compare(items: Sequence[Compared], body: CompareBody) -> dict[str, Any]:
    return compare(items, body.wanted).to_dict()


async def _received(
    context: Context, request: Request, folder: Path
) -> tuple[CompareBody, list[Path]]:
    """What a request asks for, and the files that it brings."""
    received = await context.uploads.receive(request, folder, MOST, _REQUEST_BYTES)
    if received.kind == "json":
        return await sources.parse(received.files[0], CompareBody), []
    try:
        fields = {name: values[-1] for name, values in received.fields.items()}
        form = CompareForm.model_validate(fields)
        set_language(request, form.language)
        given = form.request or "{}"
        return await run_in_threadpool(CompareBody.model_validate_json, given), received.files
    except ValidationError as e:
        raise invalid_of(e) from e


async def _items(
    context: Context, request: Request, body: CompareBody, files: Sequence[Path]
) -> tuple[list[Asked], list[CompareItem | None]]:
    """What is to be compared, and what the request says of each."""
    asked: list[Asked] = []
    own: list[CompareItem | None] = []
    for number, item in enumerate(body.items):
        _check(number, item)
        found: Sequence[Asked] = [item]
        if item.job_id is not None:
            batch = context.batches.find(item.job_id, caller_of(request))
            found = await run_in_threadpool(_of_job, context, batch, item)
        asked += found
        own += [item] * len(found)
        _check_count(len(asked), least=0)
    for path in files:
        asked.append(await run_in_threadpool(_of_file, path))
        own.append(None)
    _check_count(len(asked))
    return asked, own


def _check(number: int, item: CompareItem) -> None:
    check_one(number, item, COMPARED)
    if item.index is not None and item.job_id is None:
        raise ConfigError(option=f"items.{number}.index", value=item.index, expected="with job_id")
    if item.date:
        moment_of(item.date, f"items.{number}.date")


def _check_count(count: int, least: int = 2) -> None:
    if not least <= count <= MOST:
        raise ConfigError(option="items", value=count, expected=f"2 to {MOST}")


def _of_file(path: Path) -> Path | Compared:
    return Compared(path.name, read_embedding(path)) if is_embedding(path) else path


def _of_job(context: Context, batch: Batch, item: CompareItem) -> list[Compared]:
    """The recordings of a job that are done, or the one that is asked for.

    Raises:
        JobItemError: One was not stored with its embedding, or the one is not done.
    """
    lines = {line["index"]: line for line in _lines(batch, item.index)}
    unusable = partial(JobItemError, job_id=batch.id)
    if item.index is not None:
        if not item.index < batch.progress.total:
            raise unusable(index=item.index, reason=f"it has {batch.progress.total} recordings")
        if item.index not in lines:
            raise unusable(index=item.index, reason="it has not ended")
        if lines[item.index]["status"] != "done":
            raise unusable(index=item.index, reason="it failed")
        lines = {item.index: lines[item.index]}
    found = []
    for index, line in sorted(lines.items()):
        if line["status"] != "done":
            continue
        run_id = line["result"]["run_id"]
        if run_id is None:
            raise unusable(index=index, reason="it was not stored")
        try:
            stored = stored_run(context.service.store, run_id, batch.owner)
        except EmbeddingMissingError as e:
            raise unusable(index=index, reason="it was recognised without its embedding") from e
        found.append(replace(stored, name=line["file"], job_id=batch.id, index=index))
    return found


def _lines(batch: Batch, index: int | None) -> Iterator[Any]:
    """The lines of a job, or the one of a recording: of two thousand, each is asked for alone."""
    for place, one in enumerate(tuple(batch.ended)):
        if index in (None, one.index):
            try:
                yield json.loads(batch.lines.line(place))
            except OSError as e:  # it is being forgotten
                raise JobNotFoundError(job_id=batch.id) from e


def _said(found: Compared, item: CompareItem | None) -> Compared:
    """An item with what the request says of it."""
    if item is None:
        return found
    name = found.name if item.name is None or _many(item) else item.name
    return replace(
        found, name=name, date=item.date or None, speaker=item.speaker or None, columns=item.columns
    )


def _many(item: CompareItem) -> bool:
    return item.job_id is not None and item.index is None
