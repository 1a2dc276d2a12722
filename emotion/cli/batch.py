"""``emotion batch``: many recordings to one table."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emotion.cli import batch_sharded, options
from emotion.cli.asked import add_recognition, asked
from emotion.cli.batch_progress import BatchProgress
from emotion.cli.batch_sharded import BUNDLE
from emotion.cli.counting import several
from emotion.cli.quiet import quiet
from emotion.cli.status_line import StatusLine
from emotion.cli.stopping import stoppable
from emotion.cli.workers import add_workers, asked_workers
from emotion.core.config import Config
from emotion.core.corpus_errors import NoOutputError
from emotion.core.errors import ConfigError
from emotion.core.results import readable

if TYPE_CHECKING:
    from emotion.core.options import RecognitionOptions
    from emotion.corpus.archives import ArchiveLimits
    from emotion.corpus.inputs import Inputs
    from emotion.corpus.journal import Journal
    from emotion.recognition.loaded_model import LoadedModel
    from emotion.storage.run_store import RunStore

_SHOWN: Final = 5  # names in a plan


def add(commands: Any) -> None:
    """Adds the command."""
    text = "Recognise many recordings and write a table."
    parents = [options.common(), options.model(), options.hub(), options.audio()]
    parser = commands.add_parser("batch", help=text, description=text, parents=parents)
    text = (
        "a recording, a folder, a glob in quotes, a ZIP file, a .csv or .tsv table with a column "
        "path or file, a .txt list with a path a line, or Kaldi's wav.scp; recordings, folders and "
        "globs may also be addresses: s3://, gs://, hf://, https://"
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help=text)
    text = (
        "results.csv, .jsonl or .parquet, or a .zip with all of them and each run's files; may be "
        "given several times; with --workers or --ray a folder"
    )
    parser.add_argument("--out", action="append", type=Path, metavar="PATH", help=text)
    text = "continue an unfinished batch; what is done is not done again"
    parser.add_argument("--resume", action="store_true", help=text)
    text = "with --resume: try those again that failed"
    parser.add_argument("--retry-failed", action="store_true", help=text)
    text = "replace a table that is there, and forget an unfinished batch"
    parser.add_argument("--overwrite", action="store_true", help=text)
    text = "say what would be recognised, and end"
    parser.add_argument("--dry-run", action="store_true", help=text)
    text = "leave a run folder for each recording, as --export, --embedding and a .zip do"
    parser.add_argument("--keep-runs", action="store_true", help=text)
    text = "with --workers or --ray: what the files of the folder --out are (parquet)"
    parser.add_argument("--format", choices=("parquet", "csv", "jsonl"), help=text)
    text = "recordings under way at the same time (16), of each worker"
    parser.add_argument("--at-once", type=int, metavar="N", help=text)
    add_workers(parser)
    add_recognition(parser)
    parser.set_defaults(command=run)


def run(args: argparse.Namespace, config: Config) -> int:
    """Recognises all recordings; a broken one is a row with its error."""
    from emotion.audio import ffmpeg_path
    from emotion.corpus.archives import ArchiveLimits
    from emotion.corpus.inputs import find_inputs
    from emotion.recognition.opening import open_model

    wanted = asked(args)  # wrong options are told before anything is read
    workers = asked_workers(args)
    outs = _outs(args) if workers is None else [batch_sharded.folder_of(args, wanted)]
    limits = ArchiveLimits(member_bytes=config.audio.max_upload_bytes)
    options.check_ranges(args, {"at-once": (1, 256)})
    if config.audio.ffmpeg:
        ffmpeg_path(config.audio.ffmpeg)
    inputs = find_inputs(args.inputs, limits)
    if args.dry_run:
        _print_plan(inputs)
        return 0
    _say_skipped(inputs)
    if args.resume and not args.overwrite and _complete(outs[0], args.retry_failed):
        print(f"{outs[0]} is complete; --overwrite makes it again", file=sys.stderr)
        return 0
    if workers is not None:
        return batch_sharded.run(args, config, wanted, outs[0], inputs, workers)
    with stoppable(), quiet(args.verbose):
        model = open_model(config, StatusLine().show)
        return _run(args, config, wanted, outs, inputs, limits, model)


def _run(
    args: argparse.Namespace,
    config: Config,
    wanted: RecognitionOptions,
    outs: Sequence[Path],
    inputs: Inputs,
    limits: ArchiveLimits,
    model: LoadedModel,
) -> int:
    from emotion.corpus.executor import AT_ONCE, Executor, Work
    from emotion.corpus.journal import Journal
    from emotion.corpus.tables import outcome_of
    from emotion.storage.run_store import RunStore

    store = RunStore(config.server.outputs_dir)
    keep = bool(args.keep_runs or wanted.embedding or wanted.exports or _bundled(outs))
    work = Work(model, wanted, store, keep)
    at_once = AT_ONCE if args.at_once is None else args.at_once
    continued = {
        "resume": args.resume, "overwrite": args.overwrite, "retry_failed": args.retry_failed
    }  # fmt: skip
    with Journal(outs[0], inputs.items, _about(work), **continued) as journal:
        left = journal.left()
        counts: Counter[str] = Counter()
        with (
            BatchProgress(len(inputs.items), journal.done, model.engine) as progress,
            Executor(work, at_once, limits) as executor,
        ):
            try:
                with closing(executor.run((i, inputs.items[i]) for i in left)) as records:
                    for index, record in records:
                        journal.add(index, record)
                        progress.add(record)
            except BaseException:
                progress.note(f"{journal.done} of {len(inputs.items)} done; continue with --resume")
                raise
        _write(outs, journal, inputs, store)
        counts.update(map(outcome_of, journal.records()))
        journal.finish()
    progress.summary(counts)
    for out in outs:
        print(out)
    return 1 if counts["failed"] else 0


def _write(outs: Sequence[Path], journal: Journal, inputs: Inputs, store: RunStore) -> None:
    from emotion.corpus.bundle import write_bundle
    from emotion.corpus.tables import write_table

    for out in reversed(outs):  # the first stands for a batch that is complete
        if out.suffix.lower() == BUNDLE:
            write_bundle(out, journal.records, inputs.columns, store.files)
        else:
            write_table(out, journal.records(), inputs.columns)


def _outs(args: argparse.Namespace) -> list[Path]:
    """The files to write.

    Raises:
        NoOutputError: There are none.
        ConfigError: One is of no known format.
    """
    from emotion.corpus.tables import WRITERS

    known = (*WRITERS, BUNDLE)
    for out in args.out or ():
        if out.suffix.lower() not in known:
            expected = f"a name that ends in {', '.join(known)}"
            raise ConfigError(option="out", value=str(out), expected=expected)
    if not args.out and not args.dry_run:
        raise NoOutputError(example="results.csv")
    if args.format is not None:
        expected = "given together with --workers or --ray; else --out says it"
        raise ConfigError(option="format", value=args.format, expected=expected)
    return list(args.out or ())


def _bundled(outs: Sequence[Path]) -> bool:
    return any(out.suffix.lower() == BUNDLE for out in outs)


def _complete(out: Path, retry_failed: bool) -> bool:
    from emotion.corpus import shards
    from emotion.corpus.journal import journal_of

    if out.is_dir():
        return shards.is_complete(out) and not retry_failed
    return out.exists() and not journal_of(out).exists()


def _about(work: Any) -> dict[str, Any]:
    """What must stay the same when a batch is continued."""
    info = work.model.info
    model = {"model": info.name, "engine": info.engine, "precision": info.precision}
    return {**asdict(work.options), **model, "keep_runs": work.keep_runs}


def _print_plan(inputs: Inputs) -> None:
    from emotion.corpus.inputs import Packed

    items = inputs.items
    packed = sum(isinstance(item.source, Packed) for item in items)
    missing = [item.name for item in items if isinstance(item.source, Exception)]
    print(several(len(items), "recording") + (f", {packed} of them in ZIP files" if packed else ""))
    for item in items[:_SHOWN]:
        print(f"  {item.name}")
    if len(items) > _SHOWN:
        print(f"  … and {len(items) - _SHOWN} more")
    if inputs.columns:
        print(f"your columns: {', '.join(inputs.columns)}")
    for title, names, count in (
        ("not there", missing, len(missing)),
        ("left out, by suffix no recordings", *_left_out(inputs)),
    ):
        if count:
            rest = ", …" if count > _SHOWN else ""
            print(f"{count} {title}: {', '.join(names[:_SHOWN])}{rest}")


def _left_out(inputs: Inputs) -> tuple[list[str], int]:
    return list(inputs.skipped), inputs.skipped_count


def _say_skipped(inputs: Inputs) -> None:
    if inputs.skipped_count:
        some = ", ".join(map(readable, inputs.skipped[:_SHOWN]))
        rest = ", …" if inputs.skipped_count > _SHOWN else ""
        left_out = several(inputs.skipped_count, "file")
        print(f"{left_out} left out, by suffix no recordings: {some}{rest}", file=sys.stderr)
