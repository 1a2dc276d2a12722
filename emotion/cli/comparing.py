"""What ``emotion compare`` compares: runs, embeddings, and recordings that are recognised first."""

from __future__ import annotations

import glob
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.analysis.files import is_embedding, read_embedding
from emotion.analysis.items import Compared
from emotion.cli.status_line import StatusLine
from emotion.core.config import Config
from emotion.corpus.inputs import Input, find_inputs, natural
from emotion.services.run_exports import read_result
from emotion.storage.run_store import RESULT_FILE, load_embedding

if TYPE_CHECKING:
    from emotion.services.recognitions import FinishedRun


@dataclass(frozen=True)
class Gathered:
    """What was found.

    Attributes:
        items: What can be compared, in order.
        failed: How many recordings could not be recognised; they were told on stderr.
    """

    items: list[Compared]
    failed: int


def gather(arguments: Sequence[str], config: Config) -> Gathered:
    """Finds what arguments name, and recognises recordings.

    Args:
        arguments: Run folders, folders of them, ``.npy`` files, and what `find_inputs` takes.
        config: Options.

    Raises:
        EmotionError: Something that was named is not there, or cannot be compared.
    """
    found: list[Compared | Input] = []
    for argument in arguments:
        matches = [argument]
        if not Path(argument).exists() and glob.has_magic(argument):
            matches = sorted(glob.glob(argument, recursive=True), key=natural) or matches
        for match in matches:
            found += _named(match)
    return _recognised(found, config)


def _named(argument: str) -> list[Compared | Input]:
    path = Path(argument)
    runs = _runs(path)
    if runs:
        return [_run(run) for run in runs]
    if path.is_file() and is_embedding(path):
        return [Compared(path.name, read_embedding(path))]
    return list(find_inputs([argument]).items)


def _runs(path: Path) -> list[Path]:
    """The run folders that a path stands for; none where it is something else."""
    if not path.is_dir():
        return []
    if (path / RESULT_FILE).is_file():
        return [path]
    return sorted(folder.parent for folder in path.glob(f"*/{RESULT_FILE}"))


def _run(folder: Path) -> Compared:
    result = read_result(folder / RESULT_FILE)
    return Compared.of(result.audio.file, load_embedding(folder), result)


def _recognised(found: Sequence[Compared | Input], config: Config) -> Gathered:
    inputs = [one for one in found if isinstance(one, Input)]
    if not inputs:
        return Gathered([one for one in found if isinstance(one, Compared)], 0)
    from emotion.core.options import RecognitionOptions
    from emotion.corpus.executor import Executor, Work
    from emotion.recognition.opening import open_model
    from emotion.storage.run_store import RunStore

    model = open_model(config, StatusLine().show)
    work = Work(model, RecognitionOptions(embedding=True), RunStore(config.server.outputs_dir))
    places = {id(item): place for place, item in enumerate(inputs)}
    done: dict[int, Compared] = {}

    def finished(item: Input, run: FinishedRun) -> None:
        assert run.embedding is not None
        done[places[id(item)]] = Compared.of(item.name, run.embedding, run.result)

    failed = 0
    with Executor(work, finished=finished) as executor:
        for _, record in executor.run(enumerate(inputs)):
            if record.error is not None:
                failed += 1
                print(f"error: {record.error['message']}", file=sys.stderr)
    numbers = iter(range(len(inputs)))
    items = [one if isinstance(one, Compared) else done.get(next(numbers)) for one in found]
    return Gathered([item for item in items if item is not None], failed)
