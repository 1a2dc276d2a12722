"""Finished runs as answers: ``result.json``, the run's id and files, the embedding."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from fastapi.responses import Response
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from emotion.api.options import EmbeddingFormat
from emotion.core.results import Result
from emotion.services.recognitions import FinishedRun
from emotion.storage.run_store import run_files

PREFIX = "/api/v1"


@dataclass(frozen=True)
class Recognition(Result):
    """The result of a recording, as in ``result.json``, and which run it is.

    Attributes:
        run_id: Id of the run, the name of its folder; null where it was not stored.
        files: Addresses of the run's files by their names; absent where it was not stored, and
            on a server that does not list runs.
        embedding: The embedding, where it was asked for: a list of numbers, or base64 of
            little-endian float32.
    """

    run_id: str | None = None
    files: dict[str, str] | None = None
    embedding: list[float] | str | None = None


def recognition(
    finished: FinishedRun, embedding_format: EmbeddingFormat, linked: bool
) -> dict[str, Any]:
    """A finished run as plain dicts and lists: a `Recognition`.

    Args:
        finished: The run.
        embedding_format: How the embedding is given.
        linked: Whether to give the addresses of its files.
    """
    folder = finished.stored
    answer = {**finished.result.to_dict(), "run_id": folder.name if folder else None}
    if folder is not None and linked:
        answer["files"] = links(folder.name, run_files(folder))
    if finished.embedding is not None and embedding_format != "none":
        answer["embedding"] = inline(finished.embedding, embedding_format)
    return answer


def links(run_id: str, files: Iterable[Path]) -> dict[str, str]:
    """The addresses of a run's files by their names."""
    return {file.name: f"{PREFIX}/runs/{run_id}/{quote(file.name)}" for file in files}


def inline(embedding: NDArray[np.float32], form: EmbeddingFormat) -> list[float] | str:
    """An embedding for JSON."""
    if form == "base64":
        return base64.b64encode(np.ascontiguousarray(embedding, "<f4").tobytes()).decode()
    return [float(str(value)) for value in embedding]  # the shortest that gives the float32 again


def dumps(answer: Any) -> bytes:
    """An answer as JSON, Chinese as it is."""
    text = json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


async def json_response(answer: Any) -> Response:
    """A JSON answer; made in another thread, because a long recording has a million scores."""
    return Response(await run_in_threadpool(dumps, answer), media_type="application/json")
