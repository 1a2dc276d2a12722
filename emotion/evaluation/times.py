"""Times as manifests write them."""

from __future__ import annotations

import math
import re
from typing import Final

_CLOCK: Final = re.compile(
    r"(?:(?P<days>\d+)\s*(?:days?|d)[\s,]*)?"
    r"(?:(?P<hours>\d+):)?(?P<minutes>\d+):(?P<seconds>\d+(?:[.,]\d+)?)"
)
_NONE: Final = frozenset({"", "nat", "nan", "none", "null"})


def seconds_of(text: str) -> float | None:
    """A time in seconds; None where the text says that there is none.

    Args:
        text: Seconds (``1.5``), ``MM:SS``, ``HH:MM:SS.fff``, pandas' and audformat's
            ``0 days 00:00:01.500000``, or ``NaT``.

    Raises:
        ValueError: It is none of these, or negative.
    """
    plain = text.strip()
    if plain.lower() in _NONE:
        return None
    found = _CLOCK.fullmatch(plain)
    if found:
        hours = 24 * int(found["days"] or 0) + int(found["hours"] or 0)
        return 60.0 * (60 * hours + int(found["minutes"])) + float(
            found["seconds"].replace(",", ".")
        )
    seconds = float(plain.removesuffix("s"))
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{text!r} is not a time")
    return seconds
