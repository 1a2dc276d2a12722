"""``emotion batch --workers`` and ``--ray``: a table in parts, made by several workers."""

from __future__ import annotations

import argparse
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emotion.cli.batch_progress import BatchProgress
from emotion.cli.status_line import StatusLine
from emotion.cli.stopping import stoppable
from emotion.cli.workers import PartExecutor, Workers, executor_of
from emotion.core.config import Config
from emotion.core.corpus_errors import NoOutputError
from emotion.core.errors import ConfigError
from emotion.core.options import RecognitionOptions

if TYPE_CHECKING:
    from emotion.corpus.inputs import Inputs
    from emotion.corpus.part_worker import WorkerSetup
    from emotion.corpus.shards import Shards

BUNDLE: Final = ".zip"


def folder_of(args: argparse.Namespace, wanted: RecognitionOptions) -> Path:
    """The folder to write.

    Raises:
        NoOutputError: None is given.
        ConfigError: Several are given, or options that need run folders.
    """
    from emotion.corpus.tables import WRITERS

    outs: list[Path] = list(args.out or ())
    if args.dry_run and not outs:
        return Path()
    if not outs:
        raise NoOutputError(example="results")
    if len(outs) != 1 or outs[0].suffix.lower() in (*WRITERS, BUNDLE):
        expected = "one folder with --workers and --ray; --format chooses what is in it"
        raise ConfigError(option="out", value=", ".join(map(str, outs)), expected=expected)
    if args.keep_runs or wanted.embedding or wanted.exports:
        expected = "left out with --workers and --ray, which keep no run folders"
        raise ConfigError(option="keep-runs, embedding or export", value=True, expected=expected)
    return outs[0]


def run(
    args: argparse.Namespace,
    config: Config,
    wanted: RecognitionOptions,
    folder: Path,
    inputs: Inputs,
    workers: Workers,
) -> int:
    """Recognises all recordings; a broken one is a row with its error."""
    from emotion.corpus.executor import AT_ONCE
    from emotion.corpus.part_worker import WorkerSetup
    from emotion.corpus.shards import PART_SIZE, Shards
    from emotion.recognition.opening import find_model

    with stoppable():
        found = find_model(config, StatusLine().show)
        setup = WorkerSetup(found, config, wanted, args.at_once or AT_ONCE)
        with executor_of(workers, setup) as executor, Shards(
            folder, inputs, about(setup), f".{args.format or 'parquet'}",
            workers.part_size or PART_SIZE,
            resume=args.resume, overwrite=args.overwrite, retry_failed=args.retry_failed,
        ) as shards:  # fmt: skip
            progress = recognise(shards, executor, len(inputs.items))
            shards.finish()
            counts = shards.outcomes()
    progress.summary(counts)
    print(folder)
    return 1 if counts["failed"] else 0


def recognise(shards: Shards, executor: PartExecutor, total: int) -> BatchProgress:
    """Has workers do the parts that are left.

    Args:
        shards: The table.
        executor: Gives them out.
        total: Recordings in it.

    Raises:
        EmotionError: Something fails that is no fault of a recording.
    """
    with BatchProgress(total, shards.done) as progress:
        try:
            with closing(executor.run(shards.left())) as ended:
                for part, records in ended:
                    shards.add(part, records)
                    progress.add(*records)
        except BaseException:
            progress.note(f"{shards.done} of {total} done; continue with --resume")
            raise
    return progress


def about(setup: WorkerSetup) -> dict[str, Any]:
    """What must stay the same when a table is continued."""
    engine = setup.config.engine
    model = {"model": setup.model.name, "engine": engine.engine, "precision": engine.precision}
    return {**asdict(setup.options), **model}
