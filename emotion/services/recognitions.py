"""Recognitions as jobs, and `run`, which does one: for the page, the API and the command line."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emotion.audio import Samples
from emotion.core.errors import ConfigError
from emotion.core.memory import Trimmer
from emotion.core.options import RecognitionOptions
from emotion.core.progress import Priority, ProgressCallbacks
from emotion.core.results import Result
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.opening import Status
from emotion.recognition.pipeline import recognize
from emotion.services.job_limits import JobLimits
from emotion.services.jobs import Job, JobManager
from emotion.services.model_service import Snapshot
from emotion.services.run_exports import add_exports
from emotion.storage.run_sink import RunSink
from emotion.storage.run_store import RunStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class JobRequest:
    """What is to be recognised.

    Attributes:
        path: The recording.
        options: What is asked for.
        store: Whether to leave a run folder.
        owner: Who asks, where that is known; whoever else asks does not find the job or its run.
    """

    path: Path
    options: RecognitionOptions = RecognitionOptions()  # noqa: RUF009  # frozen
    store: bool = True
    owner: str | None = None

    def __post_init__(self) -> None:
        if self.options.exports and not self.store:
            value, expected = ", ".join(self.options.exports), "absent where store is false"
            raise ConfigError(option="exports", value=value, expected=expected)


@dataclass(frozen=True)
class FinishedRun:
    """A completed run.

    Attributes:
        result: What ``result.json`` holds.
        stored: The run folder; None where it was not to be stored.
        embedding: float32, (D,); None unless it was asked for.
        exports: The exported files in the folder.
    """

    result: Result
    stored: Path | None
    embedding: NDArray[np.float32] | None = None
    exports: tuple[Path, ...] = ()

    @property
    def folder(self) -> Path:
        """The run folder, for callers who had it stored; its name is the run's id."""
        assert self.stored is not None
        return self.stored


RecognitionJob = Job[JobRequest, FinishedRun]
RecognitionJobs = JobManager[JobRequest, FinishedRun]


class ModelSource(Protocol):
    """Where a job gets its model."""

    @property
    def current(self) -> LoadedModel | None:
        """The model that would answer now without waiting, if any."""

    @property
    def snapshot(self) -> Snapshot:
        """Where loading stands, and that model."""

    def retry(self) -> None:
        """Begins loading again after a failure."""

    def switch(self, name: str) -> None:
        """Begins loading another known model."""

    def model(
        self, cancelled: Callable[[], bool], on_wait: Callable[[Status], None]
    ) -> LoadedModel:
        """The model to answer with; tells ``on_wait`` the phase while it is being loaded."""


class RecognitionService:
    """Runs recognitions as jobs and keeps their results in run folders.

    Args:
        models: Where the model comes from.
        store: Where run folders go.
        limits: Bounds of the jobs.

    Attributes:
        models: Where the model comes from.
        jobs: The queue.
        store: The run folders.
    """

    def __init__(
        self,
        models: ModelSource,
        store: RunStore,
        limits: JobLimits = JobLimits(),  # noqa: B008  # frozen
    ) -> None:
        self.models = models
        self.store = store
        self.jobs: RecognitionJobs = JobManager(self._work, limits)
        self._trim = Trimmer()

    def close(self) -> None:
        """Cancels all jobs and waits for their ends."""
        self.jobs.close()
        self._trim.close()

    def _work(self, job: RecognitionJob) -> FinishedRun:
        callbacks = ProgressCallbacks(
            stage=lambda stage: job.update(state=stage, detail=None),
            windows=lambda done, total: job.update(done=done, total=total),
            seconds=job.heard,
            log=job.log,
            cancelled=lambda: job.cancelled,
        )
        model = self.models.model(
            callbacks.cancelled, lambda status: job.update(state="loading", detail=status)
        )
        try:
            finished = run(
                model,
                job.request,
                self.store,
                callbacks,
                priority=job.priority,
                waited_s=job.elapsed_s,
            )
        finally:
            self._trim()
        audio, timing = finished.result.audio, finished.result.timing
        self.jobs.stats.recognised(audio.duration_s, timing.total_s - timing.queue_s)
        return finished


def run(
    model: LoadedModel,
    request: JobRequest,
    store: RunStore,
    callbacks: ProgressCallbacks,
    *,
    priority: Priority = "interactive",
    waited_s: float = 0.0,
) -> FinishedRun:
    """Recognises a recording and writes its run folder, unless that is not to be stored.

    Args:
        model: What answers.
        request: The recording and the options.
        store: Where the run folder is made.
        callbacks: Progress, log and cancellation.
        priority: ``bulk`` gives way to interactive requests.
        waited_s: Seconds that the request waited before.

    Raises:
        EmotionError: See `emotion.recognition.pipeline.recognize`; no folder is left then.
    """
    perform = _stored if request.store else _unstored
    finished = perform(model, request, store, callbacks, priority, waited_s)
    result = finished.result
    logger.info(
        "%s: %s %.3f (%.2f s of audio in %.2f s, %s)",
        result.audio.file,
        result.emotion,
        result.confidence,
        result.audio.duration_s,
        result.timing.total_s,
        result.model.name,
    )
    return finished


def _stored(
    model: LoadedModel,
    request: JobRequest,
    store: RunStore,
    callbacks: ProgressCallbacks,
    priority: Priority,
    waited_s: float,
) -> FinishedRun:
    asked = request.options
    with store.create(owner=request.owner) as writer:
        sink = RunSink(writer)
        result = recognize(
            model, request.path, asked, sinks=[sink], callbacks=callbacks,
            priority=priority, waited_s=waited_s,
        )  # fmt: skip
        files = add_exports(
            writer.path, result, sink, asked.exports, asked.export_language, callbacks
        )
        folder = writer.commit()
    callbacks.log(f"[INFO] Result saved → {folder.name}")
    return FinishedRun(result, folder, sink.embedding, tuple(folder / name for name in files))


class _EmbeddingSink:
    """Keeps the embedding and lets everything else go."""

    audio_file = ""

    def __init__(self) -> None:
        self.embedding: NDArray[np.float32] | None = None

    def audio(self, blocks: Iterator[Samples]) -> None:
        """Is not kept."""

    def frames(self, total: int, features: NDArray[np.float32]) -> None:
        """Are not kept."""

    def finish(
        self,
        result: Result,  # noqa: ARG002
        embedding: NDArray[np.float32] | None,
        segments: NDArray[np.float32] | None,  # noqa: ARG002
    ) -> None:
        self.embedding = embedding


def _unstored(
    model: LoadedModel,
    request: JobRequest,
    _: RunStore,
    callbacks: ProgressCallbacks,
    priority: Priority,
    waited_s: float,
) -> FinishedRun:
    sink = _EmbeddingSink()
    result = recognize(
        model, request.path, request.options, sinks=[sink], callbacks=callbacks,
        priority=priority, waited_s=waited_s,
    )  # fmt: skip
    return FinishedRun(result, None, sink.embedding)
