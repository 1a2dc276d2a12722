"""How far a batch is, on stderr: a bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final

from emotion.cli.counting import several

if TYPE_CHECKING:
    from emotion.corpus.rows import Record
    from emotion.inference.engine_base import EngineBase

logger = logging.getLogger(__name__)

_LINE_EVERY_S: Final = 10.0


class BatchProgress:
    """Tells the progress of one batch; use it as a context manager.

    Args:
        total: Recordings in it.
        done: Those that were done before.
        engine: The network, whose work is measured; None where others do it.
    """

    def __init__(self, total: int, done: int, engine: EngineBase | None = None) -> None:
        from tqdm import tqdm

        self._engine = engine
        self._total, self._before, self._done = total, done, done
        self._failed = 0
        self._audio_s = 0.0
        self._began = self._told = time.monotonic()
        self._took_s = 0.0
        self._passes = engine.stats.counts() if engine is not None else None
        self._bar = tqdm(
            total=total, initial=done, unit="file", disable=not sys.stderr.isatty(), smoothing=0.1
        )
        self._logs = contextlib.ExitStack()

    def __enter__(self) -> BatchProgress:
        from tqdm.contrib.logging import logging_redirect_tqdm

        if not self._bar.disable:  # lines of the log go above the bar
            self._logs.enter_context(logging_redirect_tqdm())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._took_s = time.monotonic() - self._began
        self._bar.close()
        self._logs.close()

    def add(self, *records: Record) -> None:
        """Counts recordings that have ended."""
        for record in records:
            self._done += 1
            if record.result is None:
                self._failed += 1
                logger.warning("%s", (record.error or {}).get("message"))
            else:
                self._audio_s += float(record.result["audio"]["duration_s"])
        speed = f"{self._speed():.0f}× real time"
        self._bar.set_postfix_str(f"{speed}, {self._failed} failed", refresh=False)
        self._bar.update(len(records))
        now = time.monotonic()
        if self._bar.disable and now - self._told >= _LINE_EVERY_S:
            self._told = now
            left_s = (now - self._began) * (self._total - self._done) / (self._done - self._before)
            logger.info(
                "%d of %d done, %d failed, %s, about %.0f s left",
                self._done, self._total, self._failed, speed, left_s,
            )  # fmt: skip

    def note(self, text: str) -> None:
        """Says something below the bar."""
        self._bar.close()
        print(text, file=sys.stderr)

    def summary(self, counts: Mapping[str, int]) -> None:
        """Says what came out.

        Args:
            counts: Recordings by emotion; those that failed under ``failed``.
        """
        failed = counts.get("failed", 0)
        print(f"{self._total - failed} recognised, {failed} failed", file=sys.stderr)
        for emotion, count in sorted(counts.items(), key=lambda item: -item[1]):
            if emotion != "failed":
                share = count / (self._total - failed)
                print(f"  {emotion:<10} {count:6}  {share:6.1%}", file=sys.stderr)
        if self._done > self._before:
            busy = ""
            if self._engine is not None and self._passes is not None:
                busy_s = self._engine.stats.counts().took_s.since(self._passes.took_s).total
                busy = f", network busy {busy_s / max(self._took_s, 1e-9):.0%} of the time"
            new = several(self._done - self._before, "recording")
            print(
                f"{new}, {self._audio_s / 60:.1f} min of audio "
                f"in {self._took_s:.1f} s: {self._speed():.0f}× real time{busy}",
                file=sys.stderr,
            )

    def _speed(self) -> float:
        return self._audio_s / max(self._took_s or time.monotonic() - self._began, 1e-9)
