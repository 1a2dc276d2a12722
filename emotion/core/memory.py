"""Memory that the C library keeps back: bounded, and given back now and then.

A server decodes and answers in dozens of threads. glibc gives each an arena of its own and returns
little of it, so its memory grows for thousands of requests although nothing is kept. Elsewhere (not
glibc) all this does nothing.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

_M_ARENA_MAX: Final = -8  # of <malloc.h>
_ARENAS: Final = 2
INTERVAL_S: Final = 5.0


def _glibc(name: str) -> Any:
    """A function of glibc; None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), name, None)


def few_arenas() -> bool:
    """Has all threads share two arenas; for a server, before it starts threads.

    Returns:
        Whether that was possible.
    """
    mallopt = _glibc("mallopt")
    return mallopt is not None and mallopt(_M_ARENA_MAX, _ARENAS) == 1


def _trim() -> None:
    if (malloc_trim := _glibc("malloc_trim")) is not None:
        malloc_trim(0)


class Trimmer:
    """Gives freed memory back to the system, at most once in five seconds.

    Args:
        trim: Gives it back.
        clock: Monotonic time in seconds.
    """

    def __init__(
        self, trim: Callable[[], None] = _trim, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._trim, self._clock = trim, clock
        self._lock = threading.Lock()
        self._last_s = clock()

    def __call__(self) -> None:
        """Does it, if the last time is long enough ago; safe to call from several threads."""
        with self._lock:
            now = self._clock()
            if now - self._last_s < INTERVAL_S:
                return
            self._last_s = now
        self._trim()
