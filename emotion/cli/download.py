"""``emotion download``: fetches a model beforehand."""

from __future__ import annotations

import argparse
from typing import Any

from emotion.cli import options
from emotion.cli.status_line import StatusLine
from emotion.core.config import Config


def add(commands: Any) -> None:
    """Adds the command."""
    text = "Download a model."
    parents = [options.common(), options.hub()]
    parser = commands.add_parser("download", help=text, description=text, parents=parents)
    parser.add_argument("name", metavar="NAME")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace, config: Config) -> int:
    """Fetches one model and tells where it is."""
    from emotion.recognition.opening import fetch_model

    print(fetch_model(args.name, config, StatusLine().show))
    return 0
