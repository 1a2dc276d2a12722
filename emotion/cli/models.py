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
    from emotion.inference.gpu_check import unused_gpu
    from emotion.services.model_list import list_models

    for model in list_models(config.engine.models_dir):
        size_bytes = model.size_bytes or 0
        if args.json:
            record: dict[str, Any] = {
                "name": model.name,
                "title": model.title,
                "state": model.state,
                "size_bytes": size_bytes,
                "licence": model.licence,
                "folder": str(model.folder),
            }
            print(json.dumps(record, ensure_ascii=False))
            continue
        size = f"{size_bytes / 1e6:.0f} MB"
        print(f"{model.name:<24} {model.state:<8} {size:>8}  {model.licence}\n    {model.folder}")
    why = unused_gpu() if config.engine.device == "auto" else None
    if why is not None:
        logger.warning("%s", why)
    return 0
