"""``POST /api/v1/compare``: many recordings together, on a map, in groups, over time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from emotion.analysis.comparison import MOST, Compared, CompareOptions, compare
from emotion.analysis.embedding_files import SUFFIX, read_embedding
from emotion.api import sources
from emotion.api.answers import PREFIX, json_response
from emotion.api.asking import caller_of, set_language
from emotion.api.compare_answers import (
    ITEM_SOURCES,
    CompareBody,
    CompareItem,
    ComparisonAnswer,
)
from emotion.api.compared import Item, gather, recognised
from emotion.api.context import Context
from emotion.api.openapi import problems, request_body
from emotion.api.problems import invalid_of
from emotion.api.recognize import PROBLEMS
from emotion.api.similarity import SimilarityQuery, check_one
from emotion.api.waiting import while_there
from emotion.core.errors import ConfigError
from emotion.core.request_errors import RequestInvalidError
from emotion.core.results import Result
from emotion.core.similarity_errors import EmbeddingMissingError
from emotion.corpus.joining import join
from emotion.corpus.manifests import read_table
from emotion.services.batch import Batch
from emotion.storage.run_store import RunStore, load_embedding

_TABLES = (".csv", ".tsv")


def router(context: Context) -> APIRouter:
    """The route."""
    routes = APIRouter(tags=["recognition"])

    @routes.post(
        f"{PREFIX}/compare",
        summary="Compare many recordings",
        response_model=ComparisonAnswer,
        responses=problems(*PROBLEMS),
        openapi_extra=request_body(CompareBody, None, many=True),
    )
    async def compare_many(
        request: Request, query: Annotated[SimilarityQuery, Query()]
    ) -> Response:
        """Two to two thousand recordings: in JSON `items`, or multipart `file` (recordings, `.npy`
        embeddings, one `.csv` or `.tsv` table with a column `path` or `file`) with that JSON in
        the field `request`. The table's columns are joined by name; its `date` and `speaker` give
        the course over time. Nothing is stored. All must be from one model."""
        async with context.uploads.folder() as folder:
            body, files = await _read(context, request, query, folder)
            comparing = _compare(context, request, body, files, folder)
            answer = await while_there(request, context.config.server.request_timeout_s, comparing)
        return await json_response(answer)

    return routes


async def _read(
    context: Context, request: Request, query: SimilarityQuery, folder: Path
) -> tuple[CompareBody, list[Path]]:
    set_language(request, query.language)
    received = await context.uploads.receive(request, folder, MOST + 1)
    if received.kind == "json":
        body, files = await sources.parse(received.files[0], CompareBody), []
    else:
        body, files = _from_fields(received.fields), received.files
    set_language(request, body.language or query.language)
    for number, item in enumerate(body.items):
        check_one(number, item, ITEM_SOURCES)
        if item.index is not None and item.job_id is None:
            option, expected = f"items.{number}.index", "absent without job_id"
            raise ConfigError(option=option, value=item.index, expected=expected)
    return body, files


def _from_fields(fields: dict[str, list[str]]) -> CompareBody:
    unknown = sorted(fields.keys() - {"request"})
    if unknown:
        expected = "absent: there is no such option"
        raise ConfigError(option=unknown[0], value=fields[unknown[0]][-1], expected=expected)
    if "request" not in fields:
        return CompareBody.model_validate({})
    try:
        return CompareBody.model_validate_json(fields["request"][-1])
    except ValidationError as e:
        if any(error["type"] == "json_invalid" for error in e.errors()):
            raise RequestInvalidError(reason="it is not JSON") from e
        raise invalid_of(e) from e


async def _compare(
    context: Context, request: Request, body: CompareBody, files: Sequence[Path], folder: Path
) -> dict[str, Any]:
    tables = [file for file in files if file.suffix.lower() in _TABLES]
    if len(tables) > 1:
        raise ConfigError(option="file", value=tables[1].name, expected="one table, not several")
    parts: list[CompareItem | Path] = [*body.items, *(f for f in files if f not in tables)]
    found = await _gather(context, request, parts, folder)
    if tables:
        table = await run_in_threadpool(read_table, tables[0])
        columns = join([one.name for one in found], [(tables[0].name, table)]).of_files
        found = [_with_columns(one, columns.get(k, {})) for k, one in enumerate(found)]
    return await run_in_threadpool(_answer, found, body.options())


def _answer(found: Sequence[Compared], options: CompareOptions) -> dict[str, Any]:
    return compare(found, options).to_dict()


async def _gather(
    context: Context, request: Request, parts: Sequence[CompareItem | Path], folder: Path
) -> list[Compared]:
    """Everything that is compared, in order: a job may stand for many recordings."""
    found: dict[int, list[Compared]] = {}
    rest: list[tuple[int, Item | Path]] = []
    for number, part in enumerate(parts):
        if isinstance(part, Path) and part.suffix.lower() == SUFFIX:
            embedding = await run_in_threadpool(read_embedding, part)
            found[number] = [Compared(part.name, embedding)]
        elif isinstance(part, CompareItem) and part.job_id is not None:
            batch = context.batches.find(part.job_id, caller_of(request))
            store, listed = context.service.store, not context.config.server.shared
            found[number] = await run_in_threadpool(_of_job, batch, part, store, listed)
        else:
            rest.append((number, part))
    total = sum(map(len, found.values())) + len(rest)
    if not 2 <= total <= MOST:
        raise ConfigError(option="items", value=total, expected=f"2 to {MOST}")
    others = await gather(context, request, [part for _, part in rest], folder)
    found.update({number: [one] for (number, _), one in zip(rest, others, strict=True)})
    return [_described(one, parts[number]) for number in sorted(found) for one in found[number]]


def _of_job(batch: Batch, item: CompareItem, store: RunStore, listed: bool) -> list[Compared]:
    """The finished recordings of a job, or one of them, in the order of its request.

    Raises:
        ConfigError: None of those has a result.
        EmbeddingMissingError: One was not stored with its embedding.
    """
    found: dict[int, Compared] = {}
    place = 0
    while place < len(batch.lines):
        block, place = batch.lines.read(place)
        for line in block.splitlines():
            entry = json.loads(line)
            if entry["status"] == "done" and item.index in (None, entry["index"]):
                found[entry["index"]] = _of_line(batch.id, entry, store, listed)
    if not found:
        value = item.job_id if item.index is None else f"{item.job_id}, index {item.index}"
        raise ConfigError(option="job_id", value=value, expected="a job with results")
    return [found[index] for index in sorted(found)]


def _of_line(job_id: str, entry: dict[str, Any], store: RunStore, listed: bool) -> Compared:
    result, name = entry["result"], entry["file"]
    run_id = result.get("run_id")
    if run_id is None:
        raise EmbeddingMissingError(run_id=name)
    embedding = load_embedding(store.find(run_id))
    origin = {"job_id": job_id, "index": entry["index"], **({"run_id": run_id} if listed else {})}
    return recognised(name, embedding, Result.from_dict(result), origin)


def _described(one: Compared, part: CompareItem | Path) -> Compared:
    if isinstance(part, Path):
        return one
    one = replace(one, date=part.date, speaker=part.speaker, columns=dict(part.columns))
    alone = part.job_id is None or part.index is not None
    return replace(one, name=part.name) if part.name and alone else one


def _with_columns(one: Compared, columns: Mapping[str, str]) -> Compared:
    lower = {name.lower(): value for name, value in columns.items()}
    return replace(
        one,
        date=one.date or lower.get("date") or lower.get("日期"),
        speaker=one.speaker or lower.get("speaker") or lower.get("说话人"),
        columns={**columns, **one.columns},
    )
