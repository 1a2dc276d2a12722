"""What is compared: recordings, stored runs and embeddings, gathered from wherever they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from fastapi import Request
from numpy.typing import NDArray
from pydantic import Field, FiniteFloat
from starlette.concurrency import run_in_threadpool

from emotion.api.asking import caller_of
from emotion.api.context import Context
from emotion.api.runs import owner_of_runs
from emotion.api.sources import Named
from emotion.api.waiting import finish_all
from emotion.core.errors import RunNotFoundError
from emotion.core.options import RecognitionOptions
from emotion.core.request_errors import RequestTooLargeError
from emotion.core.results import Result
from emotion.core.similarity_errors import EmbeddingModelError
from emotion.services.recognitions import JobRequest
from emotion.storage.run_store import load_embedding

SOURCES: Final = ("audio_base64", "audio_path", "audio_url", "run_id", "embedding")
_WIDEST: Final = 16_384  # values of an embedding
_OPTIONS: Final = RecognitionOptions(embedding=True)


class Item(Named):
    """What is compared: exactly one of the three `audio_…`, `run_id` and `embedding`."""

    run_id: str | None = Field(None, description="A run that was stored with its embedding")
    embedding: list[FiniteFloat] | None = Field(
        None, min_length=1, max_length=_WIDEST, description="An embedding"
    )
    name: str | None = Field(
        None, max_length=200, description="Name in the answer; by default the file's or the run's"
    )


@dataclass(frozen=True)
class Compared:
    """One item, ready to be compared.

    Attributes:
        name: Its name in the answer.
        embedding: (D,).
        scores: By label; None where only the embedding is known, as is ``model``.
        model: Name of the model.
    """

    name: str
    embedding: NDArray[np.float32] | Sequence[float]
    scores: Mapping[str, float] | None = None
    model: str | None = None


async def gather(
    context: Context, request: Request, items: Sequence[Item | Path], folder: Path
) -> list[Compared]:
    """Finds what items name and recognises what is not recognised yet, without run folders.

    Args:
        context: What the routes share.
        request: The request.
        items: Recordings, or what names something.
        folder: Where files go that must be written.

    Raises:
        EmotionError: Something is not there, or cannot be recognised.
    """
    found: dict[int, Compared] = {}
    caller = caller_of(request)
    paths: dict[int, Path] = {}
    for number, item in enumerate(items):
        if isinstance(item, Path):
            paths[number] = item
        elif item.embedding is not None:
            found[number] = Compared(item.name or f"items.{number}", item.embedding)
        elif item.run_id is not None:
            owner = owner_of_runs(context, request)
            stored = await run_in_threadpool(_run, context, item.run_id, owner)
            found[number] = replace(stored, name=item.name or item.run_id)
        else:
            own = folder / f"{number:04}"
            own.mkdir()
            paths[number] = await context.sources.find(item, own)
            _check_size(context, folder, paths.values())
    works = [JobRequest(path, _OPTIONS, store=False, owner=caller) for path in paths.values()]
    for number, finished in zip(paths, await finish_all(context.service, works), strict=True):
        item, result = items[number], finished.result
        assert finished.embedding is not None
        name = (item.name if isinstance(item, Item) else None) or result.audio.file
        found[number] = Compared(name, finished.embedding, result.scores, result.model.name)
    return [found[number] for number in range(len(items))]


def _run(context: Context, run_id: str, owner: str | None) -> Compared:
    store = context.service.store
    embedding = load_embedding(store.find(run_id, owner))
    try:
        result = Result.from_dict(store.result(run_id, owner))
    except (KeyError, TypeError, ValueError) as e:
        raise RunNotFoundError(run_id=run_id) from e
    return Compared(run_id, embedding, result.scores, result.model.name)


def _check_size(context: Context, folder: Path, paths: Iterable[Path]) -> None:
    # Each file is limited by itself; a hundred of them could fill the disk.
    maximum_bytes = context.config.audio.max_upload_bytes
    if sum(path.stat().st_size for path in paths if path.is_relative_to(folder)) > maximum_bytes:
        raise RequestTooLargeError(maximum_mb=round(maximum_bytes / 1e6, 1))


def model_of(compared: Sequence[Compared]) -> str | None:
    """The model that embeddings are from; None where that is known of none.

    Args:
        compared: The embeddings.

    Raises:
        EmbeddingModelError: They are from several models.
    """
    known = [(one.name, one.model) for one in compared if one.model is not None]
    if not known:
        return None
    first, first_model = known[0]
    for second, second_model in known[1:]:
        if second_model != first_model:
            raise EmbeddingModelError(
                first=first, first_model=first_model, second=second, second_model=second_model
            )
    return first_model
