"""``emotion models``: the known models and their state on this machine."""

from __future__ import annotations

import argparse
import json
import logging
from typing import Any

from emotion.cli import options
from emotion.core.config import Config

logger = logging.getLogger(__name__)


def add(commands: Any) -> None:
    """Adds the command."""
    text = "List the known models."
    parents = [options.common(), options.hub()]
    parser = commands.add_parser("models", help=text, description=text, parents=parents)
    parser.add_argument("--json", action="store_true", help="one JSON object a line on stdout")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace, config: Config) -> int:
    """Lists name, size, licence, place and state of each known model."""
    from emotion.core.registry import MODELS
    from emotion.inference.gpu_check import unused_gpu
    from emotion.models.store import status

    for name, model in MODELS.items():
        found = status(name, config.engine.models_dir)
        record: dict[str, Any] = {
            "name": name,
            "title": model.title,
            "state": found.state,
            "size_bytes": found.size_bytes or model.size_bytes,
            "licence": model.licence,
            "folder": str(found.folder),
        }
        if args.json:
            print(json.dumps(record, ensure_ascii=False))
            continue
        size = f"{record['size_bytes'] / 1e6:.0f} MB"
        print(f"{name:<24} {found.state:<8} {size:>8}  {model.licence}\n    {found.folder}")
    why = unused_gpu() if config.engine.device == "auto" else None
    if why is not None:
        logger.warning("%s", why)
    return 0
