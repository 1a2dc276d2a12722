"""Memory that libraries keep back: bounded, and given back now and then.

A server decodes and answers in dozens of threads. glibc gives each an arena of its own and returns
little of it, so its memory grows for thousands of requests although nothing is kept. Elsewhere (not
glibc) all this does nothing.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

_M_ARENA_MAX: Final = -8  # of <malloc.h>
_ARENAS: Final = 2
_KERNELS: Final = "256"
INTERVAL_S: Final = 5.0


def _glibc(name: str) -> Any:
    """A function of glibc; None elsewhere."""
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), name, None)


def few_kernels() -> None:
    """Has oneDNN keep fewer of its kernels; before torch is imported.

    It generates one for each number of frames that it has not seen, and keeps 1,024 of them: 30 MB
    after some thousand clips. The variable is oneDNN's own.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", _KERNELS)


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
    """Gives freed memory back to the system, five seconds after it was asked to.

    It is asked after each job. Under load that is every five seconds; when the load ends, what it
    left is given back too.

    Args:
        trim: Gives it back.
        interval_s: Seconds until then.
    """

    def __init__(self, trim: Callable[[], None] = _trim, interval_s: float = INTERVAL_S) -> None:
        self._trim, self._interval_s = trim, interval_s
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._closed = False

    def __call__(self) -> None:
        """Asks; where that was done within the last seconds, nothing more happens."""
        with self._lock:
            if self._timer is None and not self._closed:
                self._timer = threading.Timer(self._interval_s, self._run)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Gives up what it was asked, and takes no more."""
        with self._lock:
            self._closed = True
            if self._timer is not None:
                self._timer.cancel()

    def _run(self) -> None:
        with self._lock:
            self._timer = None
        self._trim()
