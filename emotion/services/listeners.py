"""Those who want to know of something."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Listeners:
    """Those who want to know of something; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all: list[Callable[[], None]] = []

    def __len__(self) -> int:
        return len(self._all)

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Has ``listener`` called each time, in any thread; it must return at once.

        Returns:
            Ends that.
        """
        with self._lock:
            self._all.append(listener)

        def end() -> None:
            with self._lock:
                self._all.remove(listener)

        return end

    def tell(self) -> None:
        """Calls them."""
        with self._lock:
            listeners = tuple(self._all)
        for listener in listeners:
            listener()
