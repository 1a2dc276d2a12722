"""The last comparison of models, kept for the page; a server reads it without the rest."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from emotion.core.config import Config
from emotion.core.errors import OutputError
from emotion.storage.whole_files import write_whole

logger = logging.getLogger(__name__)

STORED: Final = "comparison.json"  # in the folder of models


def store(comparison: Mapping[str, Any], config: Config) -> Path | None:
    """Keeps a comparison where the server's page finds it; None where the folder is read-only.

    Visitors of the page learn no folders, so names of folders and errors lose their paths.
    """
    rows = [_public(row) for row in comparison["rows"]]
    kept = {**comparison, "manifest": Path(comparison["manifest"]).name, "rows": rows}
    text = json.dumps(kept, ensure_ascii=False, allow_nan=False, indent=2) + "\n"
    try:
        path = config.engine.models_dir / STORED
        return write_whole(path, lambda file: file.write(text))
    except OutputError as e:
        logger.warning("the Models tab will not show this comparison: %s", e)
        return None


def _public(row: Mapping[str, Any]) -> dict[str, Any]:
    kind, colon, rest = row["model"].rpartition(":")
    name = kind + colon + Path(rest).name
    return {
        **{key: value for key, value in row.items() if key != "public"},
        "model": name,
        "title": name if row["title"] == row["model"] else row["title"],
        "error": row["public"]["en"] if row["public"] else row["error"],
        "error_zh": row["public"]["zh"] if row["public"] else row["error"],
    }


def stored(config: Config) -> dict[str, Any] | None:
    """The comparison that was kept last; None where there is none that can be read."""
    path = config.engine.models_dir / STORED
    try:
        data = json.loads(path.read_text("utf-8"))
        return data if isinstance(data["rows"], list) else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as e:
        logger.warning("%s cannot be read: %s", path.name, e)
        return None
