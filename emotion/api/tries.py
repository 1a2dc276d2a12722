"""Slows down whoever tries wrong keys and passwords, by address."""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_FREE = 5  # wrong tries without a wait
_LONGEST_S = 60.0
_FORGOTTEN_S = 900.0
_MOST_ADDRESSES = 10_000


@dataclass
class _Tries:
    count: int = 0
    last_s: float = 0.0

    def free_s(self) -> float:
        """When the next try is allowed."""
        over = self.count - _FREE
        return self.last_s + (min(_LONGEST_S, 2.0**over) if over >= 0 else 0.0)


class FailedTries:
    """Counts wrong tries of each address; each beyond the fifth doubles the wait, up to a minute.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tries: OrderedDict[str, _Tries] = OrderedDict()

    def wait_s(self, address: str) -> int:
        """Whole seconds until the address may try again; 0 if it may now."""
        with self._lock:
            tries = self._tries.get(_network(address))
            left_s = tries.free_s() - self._clock() if tries else 0.0
        return max(0, math.ceil(left_s))

    def failed(self, address: str) -> None:
        """Notes a wrong try."""
        now, network = self._clock(), _network(address)
        with self._lock:
            tries = self._tries.pop(network, _Tries())
            if now - tries.last_s > _FORGOTTEN_S:
                tries = _Tries()
            tries.count, tries.last_s = tries.count + 1, now
            self._tries[network] = tries
            if len(self._tries) > _MOST_ADDRESSES:
                self._tries.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forgets the wrong tries of an address."""
        with self._lock:
            self._tries.pop(_network(address), None)


def _network(address: str) -> str:
    """The address, or of IPv6 the network, of which one person has all addresses."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 6 and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
