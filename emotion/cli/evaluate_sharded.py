"""``emotion evaluate --workers`` and ``--ray``: the answers of one model, from several workers."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emotion.cli import batch_sharded
from emotion.cli.counting import several
from emotion.cli.status_line import StatusLine
from emotion.cli.workers import Workers, executor_of
from emotion.core.config import Config
from emotion.core.errors import ConfigError
from emotion.core.options import RecognitionOptions

if TYPE_CHECKING:
    from emotion.evaluation.answers import Answer
    from emotion.evaluation.samples import Labelled

_FOLDER: Final = "answers"


def check(args: argparse.Namespace, workers: Workers | None) -> None:
    """Refuses options that do not go together.

    Raises:
        ConfigError: There are such.
    """
    if workers is not None and (args.models is not None or args.predictions is not None):
        other = "--models" if args.models is not None else "--predictions"
        raise ConfigError(option="workers", value=workers.count, expected=f"left out with {other}")
    if args.resume and (workers is None or args.out is None):
        expected = "given together with --out and --workers or --ray"
        raise ConfigError(option="resume", value=True, expected=expected)


def recognise(
    args: argparse.Namespace,
    config: Config,
    wanted: RecognitionOptions,
    labelled: Labelled,
    workers: Workers,
) -> tuple[dict[str, str], list[Answer]]:
    """What the model is, and its answers, in the order of the recordings.

    With ``--out`` they are kept in a folder ``answers``, which ``--resume`` continues.
    """
    from emotion.corpus.inputs import Inputs
    from emotion.corpus.part_worker import WorkerSetup
    from emotion.corpus.shards import PART_SIZE, Shards
    from emotion.evaluation.answers import answer_of, input_of
    from emotion.recognition.opening import find_model

    inputs = Inputs(tuple(map(input_of, labelled.samples)))
    found = find_model(config, StatusLine().show)
    setup = WorkerSetup(found, config, wanted)
    with executor_of(workers, setup) as executor, _folder(args) as folder, Shards(
        folder, inputs, batch_sharded.about(setup), ".jsonl", workers.part_size or PART_SIZE,
        resume=args.resume, overwrite=not args.resume,
    ) as shards:  # fmt: skip
        batch_sharded.recognise(shards, executor, len(inputs.items))
        shards.finish()
        answers = [answer_of(record) for record in shards.records()]
    where = "Ray" if workers.ray else several(workers.count or 1, "process")
    about = {
        "name": found.name, "device": where, "precision": config.engine.precision,
        "engine": config.engine.engine,
    }  # fmt: skip
    return about, answers


@contextlib.contextmanager
def _folder(args: argparse.Namespace) -> Iterator[Path]:
    if args.out is not None:
        yield args.out / _FOLDER
        return
    with tempfile.TemporaryDirectory(prefix="emotion-answers-") as made:
        yield Path(made)
