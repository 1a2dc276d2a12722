"""What is compared: recordings, stored runs and embeddings, gathered from wherever they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from fastapi import Request
from pydantic import Field, FiniteFloat
from starlette.concurrency import run_in_threadpool

from emotion.analysis.files import WIDEST
from emotion.analysis.items import Compared
from emotion.api.asking import caller_of
from emotion.api.context import Context
from emotion.api.runs import owner_of_runs
from emotion.api.sources import Named
from emotion.api.waiting import finish_all
from emotion.core.errors import ConfigError, RunNotFoundError
from emotion.core.options import RecognitionOptions
from emotion.core.request_errors import RequestTooLargeError
from emotion.core.results import Result
from emotion.services.recognitions import JobRequest
from emotion.storage.run_store import RunStore, load_embedding

SOURCES: Final = ("audio_base64", "audio_path", "audio_url", "run_id", "embedding")
_OPTIONS: Final = RecognitionOptions(embedding=True)


class Item(Named):
    """What is compared: exactly one of the three `audio_…`, `run_id` and `embedding`."""

    run_id: str | None = Field(None, description="A run that was stored with its embedding")
    embedding: list[FiniteFloat] | None = Field(
        None, min_length=1, max_length=WIDEST, description="An embedding"
    )
    name: str | None = Field(
        None, max_length=200, description="Name in the answer; by default the file's or the run's"
    )


async def gather(
    context: Context, request: Request, items: Sequence[Item | Path | Compared], folder: Path
) -> list[Compared]:
    """Finds what items name and recognises what is not recognised yet, without run folders.

    Args:
        context: What the routes share.
        request: The request.
        items: Recordings, what names something, or what has been found already.
        folder: Where files go that must be written.

    Raises:
        EmotionError: Something is not there, or cannot be recognised.
    """
    found: dict[int, Compared] = {}
    caller = caller_of(request)
    paths: dict[int, Path] = {}
    for number, item in enumerate(items):
        if isinstance(item, Compared):
            found[number] = item
        elif isinstance(item, Path):
            paths[number] = item
        elif item.embedding is not None:
            found[number] = Compared(item.name or f"items.{number}", item.embedding)
        elif item.run_id is not None:
            owner = owner_of_runs(context, request)
            stored = await run_in_threadpool(stored_run, context.service.store, item.run_id, owner)
            found[number] = replace(stored, name=item.name or item.run_id)
        else:
            own = folder / f"item-{number:04}"
            own.mkdir()
            paths[number] = await context.sources.find(item, own)
            _check_size(context, folder, paths.values())
    works = [JobRequest(path, _OPTIONS, store=False, owner=caller) for path in paths.values()]
    for number, finished in zip(paths, await finish_all(context.service, works), strict=True):
        item, result = items[number], finished.result
        assert finished.embedding is not None
        name = (item.name if isinstance(item, Item) else None) or result.audio.file
        found[number] = Compared.of(name, finished.embedding, result)
    return [found[number] for number in range(len(items))]


def stored_run(store: RunStore, run_id: str, owner: str | None) -> Compared:
    """A stored run, called by its id.

    Args:
        store: Where it is.
        run_id: Its id.
        owner: Whose it must be; None for anyone's.

    Raises:
        RunNotFoundError: It is not there, or its result is damaged.
        EmbeddingMissingError: It was stored without its embedding.
    """
    embedding = load_embedding(store.find(run_id, owner))
    try:
        result = Result.from_dict(store.result(run_id, owner))
    except (KeyError, TypeError, ValueError) as e:
        raise RunNotFoundError(run_id=run_id) from e
    return replace(Compared.of(run_id, embedding, result), run_id=run_id)


def check_one(number: int, item: Item, sources: Sequence[str] = SOURCES) -> None:
    """Refuses an item that names nothing, or several things.

    Args:
        number: Its place.
        item: The item.
        sources: The fields of which one must be given.

    Raises:
        ConfigError: It does.
    """
    given = [name for name in sources if getattr(item, name) is not None]
    if len(given) != 1:
        expected = f"exactly one of {', '.join(sources[:-1])} and {sources[-1]}"
        value = ", ".join(given) or None
        raise ConfigError(option=f"items.{number}", value=value, expected=expected)


def _check_size(context: Context, folder: Path, paths: Iterable[Path]) -> None:
    # Each file is limited by itself; a hundred of them could fill the disk.
    maximum_bytes = context.config.audio.max_upload_bytes
    if sum(path.stat().st_size for path in paths if path.is_relative_to(folder)) > maximum_bytes:
        raise RequestTooLargeError(maximum_mb=round(maximum_bytes / 1e6, 1))
