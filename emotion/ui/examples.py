"""The example clips of the product."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from emotion.core.labels import BY_ID, Emotion
from emotion.models.store import clips_in


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
    clips = ((path, path.name.partition("_")[0]) for path in clips_in(folder))
    return tuple(Example(path, BY_ID[label]) for path, label in clips if label in BY_ID)
