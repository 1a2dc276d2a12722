"""Loads the model in a thread behind a running server, and says at any time what answers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emotion.core.config import Config
from emotion.core.errors import (
    CancelledError,
    DeviceError,
    EmotionError,
    ModelComingError,
    ModelError,
    ModelNotReadyError,
)
from emotion.core.registry import DEFAULT, EMBEDDED, MODELS
from emotion.core.request_errors import RetryRefusedError, SwitchRefusedError
from emotion.core.workers import Restarts
from emotion.models.store import known, locate
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.opening import (
    Reporter,
    Status,
    StatusHook,
    fall_back,
    load_embedded,
    load_model,
    obtain_folder,
    warn_of_unused_gpu,
)

logger = logging.getLogger(__name__)

_WAIT_S = 0.1
_RETRY_S = 30.0  # a caller who comes so long after a failure has loading tried again
_STOP_S = 10.0


@dataclass(frozen=True)
class Snapshot:
    """One moment of a `ModelService`.

    Attributes:
        status: Where loading stands.
        model: The model that would answer now, if any.
    """

    status: Status
    model: LoadedModel | None = None

    @property
    def answer(self) -> LoadedModel | None:
        """What a caller gets without waiting: the final model, or another during a download."""
        return self.model if self.status.phase in ("downloading", "ready") else None


_FIXED = "several replicas share the work; start the server again with --model"
# What a switch returns to: the status, the model that answered, and what it was asked for by.
_Before = tuple[Status, LoadedModel | None, str]


class ModelService:
    """Loads the model in a thread while a server already answers.

    While the default model is being downloaded the embedded one answers; while it is only being
    loaded, callers wait. A failure of the default leaves the embedded one, with the reason. Where
    no model can answer, a caller who comes some time later has loading tried again.

    Args:
        config: Options.
        fixed: Whether others answer with the same model, so that it cannot be changed here alone.

    Attributes:
        config: As given.
        restarts: How often the thread that loads was ended by something that is no error.
    """

    def __init__(self, config: Config, *, fixed: bool = False) -> None:
        self.config = config
        self._fixed = fixed
        self._name = config.engine.model
        self._reporter = Reporter(self._show)
        self._changed = threading.Condition()
        self._snapshot = Snapshot(self._reporter.status)
        self._stopped = threading.Event()
        self._retry_at_s = 0.0  # by time.monotonic; only once loading has failed
        self.restarts = Restarts("model loader")
        self._thread = self._new_thread()

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._work, name="model-loader", daemon=True)

    def start(self) -> None:
        """Begins loading; returns at once."""
        self._thread.start()

    def retry(self) -> None:
        """Begins loading again after a failure; returns at once.

        Where the embedded model answers because the default failed, it goes on answering while
        the default is downloaded, and for good if the default fails again.

        Raises:
            RetryRefusedError: Nothing has failed, or a model is being loaded already.
            ModelNotReadyError: The server is stopping.
        """
        with self._changed:
            if self._stopped.is_set():
                raise ModelNotReadyError(reason="the server is stopping")
            status = self._snapshot.status
            if status.phase not in ("ready", "failed"):
                raise RetryRefusedError(reason="it is being loaded")
            if status.phase == "ready" and status.fallback is None:
                raise RetryRefusedError(reason="it has not failed")
            if status.phase == "ready" and self._fixed:
                raise RetryRefusedError(reason=_FIXED)
            again = self._reporter.next(
                phase="starting",
                error=None,
                fallback=None,
                load_s=None,
                done_bytes=0,
                total_bytes=0,
            )
            self._snapshot = Snapshot(again, self._snapshot.model)
            self._changed.notify_all()
            self._thread = self._new_thread()
            self._thread.start()
        logger.info("the model is loaded again")

    def switch(self, name: str) -> None:
        """Begins loading another model, which answers once it is ready; returns at once.

        While it is being downloaded, the model that answers now goes on; while it is only being
        loaded, callers wait. If it cannot be loaded, the earlier model stays, and ``switch_error``
        of the status says why. Both are in memory for a moment.

        Args:
            name: A name of `emotion.core.registry`.

        Raises:
            ModelUnknownError: There is no such model.
            SwitchRefusedError: It answers already, a model is being loaded, or other replicas
                answer with the one that is loaded.
            ModelNotReadyError: The server is stopping.
        """
        model = known(name)
        with self._changed:
            if self._stopped.is_set():
                raise ModelNotReadyError(reason="the server is stopping")
            if self._fixed:
                raise SwitchRefusedError(name=model.name, reason=_FIXED)
            before, current = self._snapshot.status, self._snapshot.model
            if before.phase not in ("ready", "failed"):
                raise SwitchRefusedError(name=model.name, reason="a model is being loaded")
            if before.phase == "ready" and current and current.info.name == model.name:
                raise SwitchRefusedError(name=model.name, reason="it answers already")
            again = self._reporter.next(
                phase="starting",
                model=model.title,
                error=None,
                fallback=None,
                engine_fallback=None,
                switch_error=None,
                load_s=None,
                done_bytes=0,
                total_bytes=0,
            )
            back = (before, current, self._name)
            self._name = model.name
            self._snapshot = Snapshot(again, current)
            self._changed.notify_all()
            self._thread = threading.Thread(
                target=self._work, args=(back,), name="model-loader", daemon=True
            )
            self._thread.start()
        logger.info("switching to %s", model.name)

    def stop(self) -> None:
        """Ends a download; waits for the thread, but not forever."""
        with self._changed:
            self._stopped.set()
            thread = self._thread
        if thread.is_alive():
            thread.join(_STOP_S)

    @property
    def snapshot(self) -> Snapshot:
        """Status and model of one moment."""
        with self._changed:
            return self._snapshot

    @property
    def status(self) -> Status:
        """Where loading stands."""
        return self.snapshot.status

    @property
    def current(self) -> LoadedModel | None:
        """The model that would answer now without waiting, if any."""
        return self.snapshot.model

    def model(
        self,
        cancelled: Callable[[], bool] = lambda: False,
        on_wait: StatusHook = lambda status: None,
    ) -> LoadedModel:
        """The model to answer with; waits while it is only being loaded.

        Args:
            cancelled: Asked while waiting; true stops it.
            on_wait: Told the status while waiting, on each change.

        Raises:
            ModelError: No model can answer; the reason loading failed.
            CancelledError: The caller withdrew.
        """
        seen: Status | None = None
        while True:
            if cancelled():
                raise CancelledError()
            now = self.snapshot
            if now.answer is not None:
                return now.answer
            if now.status.error is not None:
                if self._retried(now):
                    continue
                raise now.status.error.with_traceback(None)  # one error, raised for every caller
            if self._stopped.is_set():
                raise ModelNotReadyError(reason="the server is stopping")
            if now.status is not seen:
                seen = now.status
                on_wait(seen)
            self._wait_for_change(now)

    def _retried(self, failed: Snapshot) -> bool:
        """Begins loading anew, once for all callers, unless it failed a moment ago."""
        with self._changed:
            if self._snapshot is not failed:
                return True  # by another caller
            if self._stopped.is_set() or time.monotonic() < self._retry_at_s:
                return False
            self.retry()
            return True

    def _failed(self, error: EmotionError, back: _Before | None = None) -> None:
        if back is not None and back[1] is not None and back[0].phase == "ready":
            before, model, self._name = back
            logger.warning("%s answers as before: %s", before.model, error)
            names = ("model", "fallback", "engine_fallback", "load_s")
            kept = {name: getattr(before, name) for name in names}
            status = self._reporter.next(phase="ready", switch_error=error, error=None, **kept)
            self._show(status, model)
            return
        self._retry_at_s = time.monotonic() + _RETRY_S
        self._reporter.update(phase="failed", error=error)

    def _wait_for_change(self, since: Snapshot) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._snapshot is not since, _WAIT_S)

    def _show(self, status: Status, model: LoadedModel | None = None) -> None:
        # A model stays until another one takes its place.
        with self._changed:
            self._snapshot = Snapshot(status, model or self._snapshot.model)
            self._changed.notify_all()

    def _work(self, back: _Before | None = None) -> None:
        started = time.perf_counter()
        try:
            model = self._open()
            warn_of_unused_gpu(model, self.config, self._reporter)
        except CancelledError as e:  # the server is ending
            self._failed(e)
            return
        except EmotionError as e:
            logger.error("%s could not be loaded: %s", self._name, e)
            self._failed(e, back)
            return
        except Exception as e:  # whatever happened, waiting callers must learn of it
            logger.exception("%s could not be loaded", self._name)
            self._failed(ModelError(reason=f"{type(e).__name__}: {e}"), back)
            return
        except BaseException as e:  # SystemExit, say, of a package that loads
            self._failed(self.restarts.ended(e), back)
            return
        title, load_s = model.info.title, round(time.perf_counter() - started, 3)
        self._show(self._reporter.next(phase="ready", model=title, load_s=load_s), model)
        logger.info("%s is ready (%s)", title, model.engine.memory)

    def _open(self) -> LoadedModel:
        config, reporter = self.config, self._reporter
        name = self._name
        if name != "auto":
            return load_model(self._folder(name), name, config, reporter)
        interim = self.current  # after a failure: the embedded one, if any
        try:
            if locate(DEFAULT, config.engine.models_dir) is None and not config.engine.offline:
                interim = self._announce(interim) if interim else self._load_interim()
            model = load_model(self._folder(DEFAULT), DEFAULT, config, reporter)
            reporter.update(fallback=None)
            return model
        except DeviceError:
            raise  # the embedded model would find no other device
        except ModelError as e:
            if interim is None:
                return fall_back(config, reporter, e)
            logger.warning("%s cannot be used, %s answers: %s", DEFAULT, EMBEDDED, e)
            reporter.update(fallback=e)
            interim.set_fallback_reason(str(e.without_paths()))
            return interim

    def _load_interim(self) -> LoadedModel | None:
        coming = ModelComingError(title=MODELS[DEFAULT].title)
        try:
            model = load_embedded(self.config, self._reporter, coming)
        except DeviceError:
            raise
        except ModelError as e:
            logger.warning("no model answers until %s is ready: %s", DEFAULT, e)
            return None
        self._show(self._reporter.status, model)
        warn_of_unused_gpu(model, self.config, self._reporter)
        return model

    def _announce(self, interim: LoadedModel) -> LoadedModel:
        # It answers while the default is being downloaded once more.
        coming = ModelComingError(title=MODELS[DEFAULT].title)
        interim.set_fallback_reason(str(coming))
        self._reporter.update(fallback=coming)
        return interim

    def _folder(self, name: str) -> Path:
        return obtain_folder(name, self.config, self._reporter, self._stopped.is_set)
