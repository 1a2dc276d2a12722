"""Commands with a progress of their own leave out the log's line for each recording."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

_LINES = "emotion.services.recognitions"


@contextlib.contextmanager
def quiet(verbose: bool) -> Iterator[None]:
    """Leaves these lines out within the block, unless everything is to be logged."""
    logger = logging.getLogger(_LINES)
    before = logger.level
    if not verbose:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
