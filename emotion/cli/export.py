"""``emotion export``: runs that exist to files for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from emotion.cli import options
from emotion.core.config import Config


def add(commands: Any) -> None:
    """Adds the command."""
    text = "Export a run for other programs."
    parser = commands.add_parser("export", help=text, description=text, parents=[options.common()])
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder, or its result.json")
    text = f"{options.EXPORTS_HELP}; all that the run allows by default"
    parser.add_argument("--to", metavar="NAMES", default="all", help=text)
    text = "where the files go; into the run folder by default"
    parser.add_argument("--out", type=Path, metavar="DIR", help=text)
    options.add_export_language(parser, "--language")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace, _config: Config) -> int:
    """Writes the files and prints their paths."""
    from emotion.services.run_exports import export_run

    for path in export_run(args.run, options.exports(args.to), args.out, args.language):
        print(path)
    return 0
