"""Recognises many recordings, several at a time: one is decoded while others are inferred."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Final

from emotion.audio import ffmpeg_path
from emotion.core.errors import (
    CancelledError,
    DecoderMissingError,
    EmotionError,
    ModelError,
    OutputError,
)
from emotion.core.memory import Trimmer
from emotion.core.options import RecognitionOptions
from emotion.core.progress import ProgressCallbacks
from emotion.corpus.archives import ArchiveLimits
from emotion.corpus.inputs import Input
from emotion.corpus.rows import Record
from emotion.corpus.sources import Sources
from emotion.recognition.loaded_model import LoadedModel
from emotion.services.recognitions import FinishedRun, JobRequest, run
from emotion.storage.run_store import RunStore

logger = logging.getLogger(__name__)

# Enough for the network to find a batch each time it looks; more would only take memory.
AT_ONCE: Final = 16
# Of the machine, not of a recording: all others would fail as well.
_ENDING: Final = (CancelledError, DecoderMissingError, ModelError, OutputError)


@dataclass(frozen=True)
class Work:
    """How recordings are recognised.

    Attributes:
        model: What answers.
        options: What is asked for.
        store: Where run folders go.
        keep_runs: Whether to leave a run folder for each recording.
    """

    model: LoadedModel
    options: RecognitionOptions
    store: RunStore
    keep_runs: bool = False


class Executor:
    """Recognises recordings of a collection; use it as a context manager.

    Args:
        work: How.
        at_once: How many recordings are under way at the same time.
        limits: Bounds of ZIP files.
        finished: Told each run that is completed, in the thread that did it.

    Raises:
        ConfigError: The FFmpeg program that was chosen is none.
    """

    def __init__(
        self,
        work: Work,
        at_once: int = AT_ONCE,
        limits: ArchiveLimits = ArchiveLimits(),  # noqa: B008  # frozen
        finished: Callable[[Input, FinishedRun], None] = lambda item, run: None,
    ) -> None:
        self._work = work
        self._at_once = at_once
        if work.model.audio.ffmpeg:  # else each recording would say it
            ffmpeg_path(work.model.audio.ffmpeg)
        self._sources = Sources(work.model.audio, limits)
        self._finished = finished
        self._trim = Trimmer()
        self._stop = threading.Event()

    def __enter__(self) -> Executor:
        return self

    def __exit__(self, *_: object) -> None:
        self._sources.close()
        self._trim.close()

    def run(self, inputs: Iterable[tuple[int, Input]]) -> Generator[tuple[int, Record], None, None]:
        """Recognises recordings; closing the generator stops what is under way.

        Args:
            inputs: Recordings with their places.

        Yields:
            Places and what became of the recordings, in the order in which they end.

        Raises:
            EmotionError: Something fails that is no fault of a recording: the disk, FFmpeg, the
                model.
        """
        rest = iter(inputs)
        running: dict[Future[Record], int] = {}
        pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="batch")
        try:
            for index, item in itertools.islice(rest, self._at_once):
                running[pool.submit(self.recognise, item)] = index
            while running:
                ended, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in ended:
                    index = running.pop(future)
                    for following, item in itertools.islice(rest, 1):
                        running[pool.submit(self.recognise, item)] = following
                    yield index, future.result()
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)
            self._stop.clear()

    def stop(self) -> None:
        """Ends what is under way soon, with `CancelledError`; a signal handler may call it."""
        self._stop.set()

    def recognise(self, item: Input) -> Record:
        """What becomes of one recording: a record with a result, or with an error.

        Args:
            item: The recording.

        Raises:
            EmotionError: Something fails that is no fault of the recording.
        """
        try:
            return self._recognise(item)
        except _ENDING:
            raise
        except EmotionError as e:
            error = _named(e, item).to_dict()
            return Record(item.name, error=error, columns=item.columns)
        except Exception as e:
            logger.exception("%s failed unexpectedly", item.name)
            error = EmotionError(reason=f"{item.name}: {type(e).__name__}: {e}").to_dict()
            return Record(item.name, error=error, columns=item.columns)

    def _recognise(self, item: Input) -> Record:
        work = self._work
        callbacks = ProgressCallbacks(cancelled=self._stop.is_set)
        with self._sources.path_of(item.source) as path:
            request = JobRequest(path, work.options, store=work.keep_runs)
            finished = run(work.model, request, work.store, callbacks, priority="bulk")
        self._finished(item, finished)
        self._trim()
        run_id = finished.stored.name if finished.stored else None
        return Record(
            item.name, finished.result.to_dict(), run_id=run_id, columns=dict(item.columns)
        )


def _named(error: EmotionError, item: Input) -> EmotionError:
    """The error with the recording's whole name in place of its last part."""
    if isinstance(item.source, EmotionError) or "file" not in error.params:
        return error
    return type(error)(**{**error.params, "file": item.name})
