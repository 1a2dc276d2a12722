"""The command line: one sub-command a module.

Exit codes: 0 all done, 1 a file or the work failed, 2 wrong usage, 3 the model is unavailable,
130 interrupted. Heavy packages are imported inside the commands, so ``--help`` is fast.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from collections.abc import Callable, Sequence

from emotion import __version__
from emotion.cli import (
    access,
    batch,
    bench,
    compare,
    download,
    evaluate,
    export,
    models,
    recognize,
    serve,
    watch,
)
from emotion.cli.exit_codes import exit_code
from emotion.cli.options import configuration
from emotion.core.config import Config
from emotion.core.errors import EmotionError
from emotion.core.logs import LogFormat, formatter

logger = logging.getLogger(__name__)

_NOISY = ("httpx", "httpcore", "modelscope", "urllib3", "asyncio", "aiobotocore", "botocore")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        argv: Arguments without the program's name; the process's own by default.

    Returns:
        The exit code.
    """
    parser = build_parser()
    args = parser.parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not every terminal can show an emoji
            stream.reconfigure(errors="replace")
    config = Config()
    try:
        config = configuration(args)
        _start_log(config.log_format, verbose=args.verbose)
        command: Callable[[argparse.Namespace, Config], int] = args.command
        return command(args, config)
    except EmotionError as e:
        if config.log_format == "json":
            logger.error("%s", e)
        else:
            print(f"error: {e}", file=sys.stderr)
        return exit_code(e)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, say `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _start_log(log_format: LogFormat, *, verbose: bool) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(log_format))
    level = logging.DEBUG if verbose else logging.INFO
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # What programs read has nothing between its lines.
    logging.captureWarnings(log_format == "json")


def build_parser() -> argparse.ArgumentParser:
    """All commands and options."""
    parser = argparse.ArgumentParser(prog="emotion", description="Speech emotion recognition.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (
        recognize,
        batch,
        watch,
        compare,
        evaluate,
        export,
        serve,
        access,
        models,
        download,
        bench,
    ):
        command.add(commands)
    return parser
