"""Errors that are kept for later must not keep what their frames hold."""

from __future__ import annotations

import traceback


def clear_frames(error: BaseException | None) -> None:
    """Drops the local variables in an error's traceback, and in those of its causes.

    A kept error keeps its traceback, which holds every local variable: samples, temporary files,
    generators that were not exhausted. The text of the traceback stays.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
