"""``emotion serve``: the web page."""

from __future__ import annotations

import argparse
from typing import Any

from emotion.cli import options
from emotion.core.config import Config


def add(commands: Any) -> None:
    """Adds the command."""
    text = "Serve the web page."
    parents = [options.common(), options.model(), options.hub(), options.audio()]
    parser = commands.add_parser("serve", help=text, description=text, parents=parents)
    parser.add_argument("--host", metavar="ADDRESS")
    parser.add_argument("--port", type=int, metavar="PORT")
    text = "live recordings at once; 8 by default, 0 switches them off"
    parser.add_argument("--live-sessions", type=int, metavar="N", help=text)
    parser.set_defaults(command=run)


def run(_: argparse.Namespace, config: Config) -> int:
    """Serves the page until interrupted."""
    from emotion.server import serve

    serve(config)
    return 0
