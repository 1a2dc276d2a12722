"""The example clips on offer: those of the product, and the one that comes with a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emotion.core.labels import BY_ID, Emotion

AUDIO_SUFFIXES = frozenset({".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a"})


@dataclass(frozen=True)
class Example:
    """One clip of the product.

    Attributes:
        path: The file.
        emotion: What the speaker acts.
    """

    path: Path
    emotion: Emotion


def load_examples(folder: Path) -> tuple[Example, ...]:
    """Lists the clips of a folder whose names begin with an emotion and an underscore.

    Args:
        folder: Where the clips are; need not exist.
    """
    clips = ((path, path.name.partition("_")[0]) for path in _clips(folder))
    return tuple(Example(path, BY_ID[label]) for path, label in clips if label in BY_ID)


def own_example(folder: Path | None) -> Path | None:
    """Finds the first clip in a checkpoint's ``example`` folder.

    Args:
        folder: That folder, or a clip itself; need not exist.
    """
    if folder is not None and folder.is_file():
        return folder
    return next(iter(_clips(folder)), None) if folder is not None else None


def _clips(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [file for file in sorted(folder.iterdir()) if file.suffix.lower() in AUDIO_SUFFIXES]
