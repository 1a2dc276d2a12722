"""The example clips that come with the product: synthetic speech with its sentence."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from emotion.ui.texts import Pair

logger = logging.getLogger(__name__)

INDEX = "examples.json"
AUDIO_SUFFIXES = frozenset({".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a"})


@dataclass(frozen=True)
class Example:
    """One clip.

    Attributes:
        path: The file.
        sentence: What it says, or is, in Chinese and English.
    """

    path: Path
    sentence: Pair


def load_examples(folder: Path) -> tuple[Example, ...]:
    """The clips that ``examples.json`` lists and that are there.

    Args:
        folder: Where they lie.
    """
    index = folder / INDEX
    try:
        entries = json.loads(index.read_text(encoding="utf-8"))
        examples = [Example(folder / e["file"], (e["zh"], e["en"])) for e in entries]
    except (OSError, ValueError, KeyError, TypeError) as e:
        logger.warning("no example clips: %s: %s", index, e)
        return ()
    return tuple(example for example in examples if example.path.is_file())


def own_example(folder: Path | None) -> Path | None:
    """The first clip of a checkpoint's ``example`` folder, if it has one.

    Args:
        folder: That folder, or a clip itself.
    """
    if folder is None or folder.is_file():
        return folder
    if not folder.is_dir():
        return None
    clips = (file for file in sorted(folder.iterdir()) if file.suffix.lower() in AUDIO_SUFFIXES)
    return next(clips, None)
