"""``emotion serve``: the web page and the REST API."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

from emotion.cli import options
from emotion.cli.status_line import StatusLine
from emotion.core.config import Config

# Options of several replicas, with their least and greatest values.
_REPLICAS: Final = {"replicas": (1, 1000), "replica-cpus": (1, 1000), "replica-gpus": (0, 1)}


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
    _add_replicas(parser)
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


def _add_replicas(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("several replicas")
    options.add_ray(group, "serve with replicas on a Ray cluster")
    text = "how many; they share the folder --output-dir (2)"
    group.add_argument("--replicas", type=int, metavar="N", help=text)
    group.add_argument("--replica-cpus", type=int, metavar="N", help="cores of each (1)")
    text = "GPUs of each, 0 or 1 (0)"
    group.add_argument("--replica-gpus", type=int, metavar="N", help=text)


def _add_access(parser: argparse.ArgumentParser) -> None:
    text = "who may use the server: keys (see `emotion access`)"
    parser.add_argument("--api-key-file", type=Path, metavar="FILE", help=text)
    text = "who may use the server: names and passwords (see `emotion access`)"
    parser.add_argument("--auth-file", type=Path, metavar="FILE", help=text)
    text = "where people reach the server through a proxy: https://emotion.example.org"
    parser.add_argument("--public-url", nargs="+", metavar="URL", help=text)
    text = "serve other machines without a key or a password"
    parser.add_argument("--allow-unprotected", action="store_true", default=None, help=text)


def run(args: argparse.Namespace, config: Config) -> int:
    """Serves until interrupted."""
    options.check_ranges(args, _REPLICAS)
    if args.ray is None:
        options.check_together(args, _REPLICAS, "--ray")
        from emotion.server import serve

        serve(config)
        return 0
    from emotion.replicas import ReplicaPlan, serve_replicas

    plan = ReplicaPlan(args.ray, args.replicas or 2, args.replica_cpus or 1, args.replica_gpus or 0)
    serve_replicas(config, plan, StatusLine().show)
    return 0
