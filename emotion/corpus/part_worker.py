"""Recognises parts of a collection in a process of its own, on this machine or on another."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from emotion import __version__
from emotion.core.config import Config
from emotion.core.corpus_errors import ClusterError
from emotion.core.options import RecognitionOptions
from emotion.corpus.archives import ArchiveLimits
from emotion.corpus.executor import AT_ONCE, Executor, Work
from emotion.corpus.inputs import Input
from emotion.corpus.rows import Record
from emotion.recognition.opening import FoundModel, open_found
from emotion.storage.run_store import RunStore


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker has to know; can be pickled.

    Attributes:
        model: What answers.
        config: ``audio``, ``engine`` and the log's format count.
        options: What is asked for.
        at_once: How many recordings are under way at the same time.
        version: Of this package, where the work is given out.
    """

    model: FoundModel
    config: Config
    options: RecognitionOptions
    at_once: int = AT_ONCE
    version: str = __version__


class PartWorker:
    """A loaded model that recognises one part after the other; use it as a context manager.

    Args:
        setup: What it has to know.

    Raises:
        ModelError: The model cannot be loaded.
        ConfigError: The FFmpeg program that was chosen is none.
        ClusterError: This machine has another version of the package.
    """

    def __init__(self, setup: WorkerSetup) -> None:
        if setup.version != __version__:
            reason = f"a worker has version {__version__} of this package, not {setup.version}"
            raise ClusterError(reason=reason)
        model = open_found(setup.model, setup.config)
        store = RunStore(setup.config.server.outputs_dir)  # not used: no run folders are kept
        limits = ArchiveLimits(member_bytes=setup.config.audio.max_upload_bytes)
        self._executor = Executor(Work(model, setup.options, store), setup.at_once, limits)

    def __enter__(self) -> PartWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.__exit__()

    def stop(self) -> None:
        """Ends what is under way soon, with `CancelledError`; a signal handler may call it."""
        self._executor.stop()

    def records(self, items: Sequence[Input]) -> list[Record]:
        """What becomes of recordings, in their order.

        Raises:
            EmotionError: Something fails that is no fault of a recording.
        """
        with closing(self._executor.run(enumerate(items))) as ended:
            found = dict(ended)
        return [found[index] for index in range(len(items))]
