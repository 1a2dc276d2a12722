"""``emotion watch``: a folder whose recordings are recognised as they appear."""

from __future__ import annotations

import argparse
import logging
import threading
from pathlib import Path
from typing import Any

from emotion.cli import options
from emotion.cli.asked import add_recognition, asked
from emotion.cli.quiet import quiet
from emotion.cli.status_line import StatusLine
from emotion.cli.stopping import stoppable
from emotion.core.config import Config
from emotion.core.errors import ConfigError

logger = logging.getLogger(__name__)


def add(commands: Any) -> None:
    """Adds the command."""
    text = "Recognise recordings as they appear in a folder."
    parents = [options.common(), options.model(), options.hub(), options.audio()]
    parser = commands.add_parser("watch", help=text, description=text, parents=parents)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folders in it count too")
    text = "results.csv or .jsonl; a row is added for each recording, also after a restart"
    parser.add_argument("--out", type=Path, metavar="FILE", required=True, help=text)
    text = "move recordings here once they are recognised"
    parser.add_argument("--done", type=Path, metavar="DIR", help=text)
    text = "move recordings here that cannot be recognised"
    parser.add_argument("--failed", type=Path, metavar="DIR", help=text)
    text = "seconds between two looks (2)"
    parser.add_argument("--every", type=float, metavar="S", default=2.0, help=text)
    text = "a recording is complete when it has not changed for so many seconds (5)"
    parser.add_argument("--settle", type=float, metavar="S", default=5.0, help=text)
    text = "leave a run folder for each recording, as --export and --embedding do"
    parser.add_argument("--keep-runs", action="store_true", help=text)
    add_recognition(parser)
    parser.set_defaults(command=run)


def run(args: argparse.Namespace, config: Config) -> int:
    """Watches until it is interrupted."""
    from emotion.corpus.executor import Executor, Work
    from emotion.corpus.row_log import RowLog
    from emotion.corpus.watch import Watch, WatchOptions
    from emotion.recognition.opening import open_model
    from emotion.storage.run_store import RunStore

    wanted = asked(args)
    _check(args)
    watching = WatchOptions(args.every, args.settle, args.done, args.failed)
    with RowLog(args.out) as rows:
        model = open_model(config, StatusLine().show)
        keep = bool(args.keep_runs or wanted.embedding or wanted.exports)
        work = Work(model, wanted, RunStore(config.server.outputs_dir), keep)
        with stoppable(), quiet(args.verbose), Executor(work) as executor:
            logger.info("watching %s; results go to %s", args.folder, args.out)
            try:
                Watch(args.folder, executor, rows, watching).run(threading.Event())
            except KeyboardInterrupt:
                logger.info("stopped; what was under way is recognised at the next start")
    return 0


def _check(args: argparse.Namespace) -> None:
    folder: Path = args.folder
    if not folder.is_dir():
        raise ConfigError(option="folder", value=str(folder), expected="a folder that is there")
    for name in ("every", "settle"):
        value = getattr(args, name)
        if not 0 <= value <= 86_400:  # nor is NaN
            raise ConfigError(option=name, value=value, expected="0 to 86400 seconds")
