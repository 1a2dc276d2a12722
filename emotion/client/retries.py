"""When a call is tried again: the server was busy or loading, or could not be reached at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import httpx

from emotion.core.errors import ConfigError

_AGAIN = (429, 503)
_LONGEST_S = 60.0


@dataclass(frozen=True)
class Retries:
    """How often and how long.

    Attributes:
        most: Tries after the first.
        first_wait_s: Before the first of them where the server does not say; then doubled.
    """

    most: int = 8
    first_wait_s: float = 0.5

    def __post_init__(self) -> None:
        if self.most < 0 or not 0 <= self.first_wait_s <= _LONGEST_S:
            expected = f"0 or more tries and 0 to {_LONGEST_S:g} s"
            raise ConfigError(option="retries", value=self, expected=expected)

    def wait_s(self, tried: int, response: httpx.Response | None) -> float | None:
        """Seconds until the next try; None if there is none.

        Args:
            tried: Tries so far, at least 1.
            response: The answer; None where the server was not reached.
        """
        if tried > self.most or (response is not None and response.status_code not in _AGAIN):
            return None
        said = response.headers.get("Retry-After", "") if response is not None else ""
        if said.isdecimal():
            return min(float(said), _LONGEST_S)
        return min(self.first_wait_s * 2.0 ** (tried - 1), _LONGEST_S)


RETRIES: Final = Retries()
