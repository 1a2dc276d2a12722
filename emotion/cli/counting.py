"""How many of something, in words."""

from __future__ import annotations


def several(count: int, noun: str) -> str:
    """A number with its noun, in the plural unless it is one: ``1 recording``, ``2 recordings``."""
    if count == 1:
        return f"1 {noun}"
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count} {plural}"
