"""Every class of the tree of errors."""

from __future__ import annotations

from collections.abc import Iterator

from emotion.core import (
    access_errors,
    corpus_errors,
    engine_errors,
    errors,
    live_errors,
    request_errors,
    similarity_errors,
)
from emotion.core.errors import EmotionError

MODULES = (
    access_errors,
    corpus_errors,
    engine_errors,
    errors,
    live_errors,
    request_errors,
    similarity_errors,
)


def tree(root: type[EmotionError] = EmotionError) -> Iterator[type[EmotionError]]:
    """All classes below a class, without those that tests made."""
    for child in root.__subclasses__():
        if child.__module__ in {module.__name__ for module in MODULES}:
            yield child
            yield from tree(child)
