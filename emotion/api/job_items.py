"""From what a request for a job names to the recordings of a batch."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from emotion.api.job_answers import MOST_FILES, JobsBody
from emotion.api.sources import Named, Sources
from emotion.api.uploads import safe_name
from emotion.core.errors import ConfigError, EmotionError
from emotion.services.batch import BatchItem


async def named(sources: Sources, body: JobsBody, folder: Path) -> list[BatchItem]:
    """The recordings that a body names.

    A single one must be there. One of several may fail alone; addresses are fetched when their
    turn comes.

    Args:
        sources: Finds recordings.
        body: The body.
        folder: Where recordings go; it holds the body.

    Raises:
        ConfigError: It names none, too many, or one in several ways.
        EmotionError: Its only recording cannot be used.
    """
    if body.items is None:
        path = await sources.find(body, folder)
        return [BatchItem(path.name, path, folder)]
    both = [name for name in body.model_fields_set if name.startswith("audio_")]
    if both:
        expected = "absent where there are items"
        raise ConfigError(option=sorted(both)[0], value="given", expected=expected)
    count = len(body.items)
    if not 1 <= count <= MOST_FILES:
        raise ConfigError(option="items", value=count, expected=f"1 to {MOST_FILES} recordings")
    return [await _item(sources, *numbered, folder) for numbered in enumerate(body.items)]


async def _item(sources: Sources, number: int, item: Named, folder: Path) -> BatchItem:
    own = folder / f"{number:04}"
    own.mkdir()
    if item.audio_url is not None and item.audio_base64 is None and item.audio_path is None:
        name = safe_name(item.audio_url.partition("?")[0].partition("#")[0])
        return BatchItem(name, partial(sources.find, item, own), own)
    try:
        path = await sources.find(item, own)
    except ConfigError as e:
        option = f"items.{number}.{e.params['option']}"
        raise ConfigError(**{**e.params, "option": option}) from e
    except EmotionError as e:
        return BatchItem(safe_name(item.audio_path), partial(_missing, e), own)
    return BatchItem(path.name, path, own)


async def _missing(error: EmotionError) -> Path:
    raise error
