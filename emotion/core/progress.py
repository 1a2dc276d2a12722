"""How a caller follows and stops a recognition, and how urgent it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from emotion.core.errors import CancelledError

Stage = Literal["decoding", "analysing", "saving"]
Priority = Literal["interactive", "bulk"]  # whose work comes first


@dataclass(frozen=True)
class ProgressCallbacks:
    """What the pipeline tells and asks its caller.

    Attributes:
        stage: Told what begins.
        windows: Told (windows analysed, windows in all).
        seconds: Told (seconds of audio inferred, seconds in all).
        log: Told each line of the processing log.
        cancelled: Asked often; true stops the work with `CancelledError`.
    """

    stage: Callable[[Stage], None] = lambda stage: None
    windows: Callable[[int, int], None] = lambda done, total: None
    seconds: Callable[[float, float], None] = lambda done_s, total_s: None
    log: Callable[[str], None] = lambda line: None
    cancelled: Callable[[], bool] = lambda: False

    def check(self) -> None:
        """Raises `CancelledError` if the caller withdrew."""
        if self.cancelled():
            raise CancelledError()
