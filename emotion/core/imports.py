"""Large packages are imported one after the other, with the garbage collector paused."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def large_import() -> Iterator[None]:
    """Import torch or gradio within this block.

    Two threads that import at the same time wait for each other and take longer than one after
    the other; what an import makes lives on, so looking for garbage in it is wasted time.
    """
    with _ONE_AT_A_TIME:
        paused = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if paused:
                gc.enable()
