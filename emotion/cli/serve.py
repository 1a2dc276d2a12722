"""``emotion serve``: the web page and the REST API."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from emotion.cli import options
from emotion.core.config import Config


def add(commands: Any) -> None:
    """Adds the command."""
    text = "Serve the web page and the REST API."
    parents = [options.common(), options.model(), options.hub(), options.audio()]
    parser = commands.add_parser("serve", help=text, description=text, parents=parents)
    parser.add_argument("--host", metavar="ADDRESS")
    parser.add_argument("--port", type=int, metavar="PORT")
    text = "live recordings at once; 8 by default, 0 switches them off"
    parser.add_argument("--live-sessions", type=int, metavar="N", help=text)
    text = "the API may read files below this folder (audio_path); none by default"
    parser.add_argument("--input-root", type=Path, metavar="DIR", help=text)
    text = "the API may fetch recordings from these hosts (audio_url); none by default"
    parser.add_argument("--allow-url-host", nargs="+", metavar="HOST", help=text)
    text = "the API answers within this time, seconds (600)"
    parser.add_argument("--request-timeout", type=float, metavar="S", help=text)
    _add_access(parser)
    text = "delete runs older than so many days; none by default"
    parser.add_argument("--keep-days", type=float, metavar="N", help=text)
    text = "delete the oldest runs where all take more than so many gigabytes; no limit by default"
    parser.add_argument("--max-outputs-gb", type=float, metavar="G", help=text)
    text = "neither list stored runs nor serve them"
    parser.add_argument(
        "--no-history", dest="history", action="store_false", default=None, help=text
    )
    parser.set_defaults(command=run)


def _add_access(parser: argparse.ArgumentParser) -> None:
    text = "who may use the server: keys (see `emotion access`)"
    parser.add_argument("--api-key-file", type=Path, metavar="FILE", help=text)
    text = "who may use the server: names and passwords (see `emotion access`)"
    parser.add_argument("--auth-file", type=Path, metavar="FILE", help=text)
    text = "where people reach the server through a proxy: https://emotion.example.org"
    parser.add_argument("--public-url", nargs="+", metavar="URL", help=text)
    text = "serve other machines without a key or a password"
    parser.add_argument("--allow-unprotected", action="store_true", default=None, help=text)


def run(_: argparse.Namespace, config: Config) -> int:
    """Serves until interrupted."""
    from emotion.server import serve

    serve(config)
    return 0
