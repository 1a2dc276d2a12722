"""From a model's name to a `Recognizer`: locate, download, load, fall back; in the background too.

`open_model` does it at once, for the CLI and for Python. `ModelService` does the same in a thread
behind a running server and tells its phases.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.config import Config, EngineConfig
from emotion.converted import SOURCE, ask_for, open_likely
from emotion.errors import (
    CancelledError,
    EmotionError,
    ModelComingError,
    ModelError,
    ModelNotReadyError,
)
from emotion.quick_start import import_torch, own_process
from emotion.recognizer import Hooks, Recognizer
from emotion.registry import DEFAULT, EMBEDDED, MODELS
from emotion.weights import locate

if TYPE_CHECKING:
    from emotion.engine import Engine

logger = logging.getLogger(__name__)

PHASES = ("starting", "downloading", "reading", "building", "warming", "ready", "failed")
_WAIT_S = 0.1


@dataclass(frozen=True)
class Status:
    """Where loading stands.

    Attributes:
        phase: One of ``PHASES``.
        revision: Grows with each change.
        model: Title of the model that answers now, or is being loaded.
        done_bytes: Downloaded so far.
        total_bytes: To download; 0 where not known.
        fallback: Why the embedded model answers; None where it does not.
        error: Why no model can answer; None unless failed.
        load_s: Seconds that loading took; None until ready.
    """

    phase: str = "starting"
    revision: int = 0
    model: str = ""
    done_bytes: int = 0
    total_bytes: int = 0
    fallback: EmotionError | None = None
    error: EmotionError | None = None
    load_s: float | None = None

    @property
    def fraction(self) -> float:
        """Share of the download that is done, 0 to 1."""
        return self.done_bytes / self.total_bytes if self.total_bytes else 0.0


StatusHook = Callable[[Status], None]


class _Reporter:
    """Keeps the current status and tells it on."""

    def __init__(self, hook: StatusHook) -> None:
        self.status = Status()
        self._hook = hook

    def update(self, **changes: object) -> None:
        revision = self.status.revision + 1
        self.status = replace(self.status, revision=revision, **changes)  # type: ignore[arg-type]
        self._hook(self.status)

    def downloaded(self, done: int, total: int) -> None:
        self.update(done_bytes=done, total_bytes=total)


def open_model(config: Config, on_status: StatusHook = lambda status: None) -> Recognizer:
    """Loads the model that ``config`` names; ``auto`` falls back to the embedded one, and says so.

    Args:
        config: Options.
        on_status: Told each phase.

    Raises:
        ModelError: The model cannot be had or loaded. ``auto`` raises only if neither can.
    """
    reporter = _Reporter(on_status)
    name = config.engine.model
    if name != "auto":
        return _load(_folder(name, config, reporter, lambda: False), name, config, reporter)
    try:
        folder = _folder(DEFAULT, config, reporter, lambda: False)
        return _load(folder, DEFAULT, config, reporter)
    except ModelError as e:
        return _fall_back(config, reporter, e)


def fetch_model(name: str, config: Config, on_status: StatusHook = lambda status: None) -> Path:
    """The folder of a model, downloaded first where it is not on this machine.

    Args:
        name: A name of `emotion.registry` or a folder.
        config: Options.
        on_status: Told the progress of a download.

    Raises:
        ModelError: The model cannot be had.
    """
    return _folder(name, config, _Reporter(on_status), lambda: False)


def _folder(name: str, config: Config, reporter: _Reporter, cancelled: Callable[[], bool]) -> Path:
    folder = locate(name, config.engine.models_dir)
    if folder is not None:
        return folder
    from emotion.download import fetch  # imports requests, for which a start must not wait

    reporter.update(phase="downloading", model=_title(name), done_bytes=0, total_bytes=0)
    return fetch(name, config.engine, reporter.downloaded, cancelled)


def _title(name: str) -> str:
    return MODELS[name].title if name in MODELS else Path(name).name


def load_engine(
    folder: Path,
    config: EngineConfig,
    on_phase: Callable[[str], None] = lambda phase: None,
) -> Engine:
    """Loads a checkpoint's folder; its weights are read from the disk while torch is imported.

    Args:
        folder: The checkpoint.
        config: ``device`` and ``precision`` are used.
        on_phase: Told each phase as it begins.

    Raises:
        ModelError: See `emotion.engine.Engine.load`.
    """
    converted = open_likely(folder, config.precision)
    ahead = converted.read_ahead if converted else partial(ask_for, folder / SOURCE)
    threading.Thread(target=ahead, daemon=True).start()
    if own_process():
        # Large tensors in large pages, of which far fewer are faulted in and fewer lie unused.
        os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch reads it at its first tensor
    import_torch()
    from emotion.engine import Engine  # imports torch, for which a server must not wait

    return Engine.load(
        folder,
        device=config.device,
        precision=config.precision,
        on_phase=on_phase,
        converted=converted,
    )


def _load(
    folder: Path, name: str, config: Config, reporter: _Reporter, fallback: str | None = None
) -> Recognizer:
    engine = load_engine(
        folder, config.engine, lambda phase: reporter.update(phase=phase, model=_title(name))
    )
    return Recognizer(
        engine,
        name=name if name in MODELS else folder.resolve().name,
        title=_title(name),
        audio=config.audio,
        segmentation=config.segmentation,
        fallback_reason=fallback,
        example=folder / "example",
    )


def _fall_back(config: Config, reporter: _Reporter, why: ModelError) -> Recognizer:
    try:
        recognizer = _load_embedded(config, reporter, why)
    except ModelError as e:
        raise ModelError(reason=f"{why}; and {EMBEDDED} cannot be used either: {e}") from e
    logger.warning("%s cannot be used, %s answers: %s", DEFAULT, EMBEDDED, why)
    return recognizer


def _load_embedded(config: Config, reporter: _Reporter, why: EmotionError) -> Recognizer:
    reporter.update(fallback=why)
    folder = fetch_model(EMBEDDED, config)
    return _load(folder, EMBEDDED, config, reporter, str(why.without_paths()))


class ModelService:
    """Loads the model in a thread while a server already answers.

    While the default model is being downloaded the embedded one answers; while it is only being
    loaded, callers wait. A failure of the default leaves the embedded one, with the reason.

    Args:
        config: Options.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._reporter = _Reporter(lambda status: None)
        self._changed = threading.Condition()
        self._recognizer: Recognizer | None = None
        self._interim: Recognizer | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="model-loader", daemon=True)

    def start(self) -> None:
        """Begins loading; returns at once."""
        self._thread.start()

    def stop(self) -> None:
        """Ends a download; waits for the thread."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def status(self) -> Status:
        """Where loading stands."""
        return self._reporter.status

    @property
    def current(self) -> Recognizer | None:
        """The model that would answer now without waiting, if any."""
        return self._recognizer or self._interim

    def recognizer(
        self, hooks: Hooks | None = None, on_wait: StatusHook = lambda status: None
    ) -> Recognizer:
        """The model to answer with; waits while it is only being loaded.

        Args:
            hooks: Cancellation.
            on_wait: Told the status while waiting, on each change.

        Raises:
            ModelError: No model can answer; the reason loading failed.
            CancelledError: The caller withdrew.
        """
        hooks = hooks or Hooks()
        seen = -1
        while True:
            hooks.check()
            status = self.status
            if self._recognizer is not None:
                return self._recognizer
            if status.phase == "downloading" and self._interim is not None:
                return self._interim
            if status.error is not None:
                raise status.error
            if self._stopped.is_set():
                raise ModelNotReadyError(reason="the server is stopping")
            if status.revision != seen:
                seen = status.revision
                on_wait(status)
            with self._changed:
                self._changed.wait(_WAIT_S)

    def _work(self) -> None:
        started = time.perf_counter()
        try:
            recognizer = self._open()
        except CancelledError as e:
            self._update(phase="failed", error=e)  # the server is ending
            return
        except EmotionError as e:
            logger.error("no model could be loaded: %s", e)
            self._update(phase="failed", error=e)
            return
        except Exception as e:  # whatever happened, waiting callers must learn of it
            logger.exception("no model could be loaded")
            self._update(phase="failed", error=ModelError(reason=f"{type(e).__name__}: {e}"))
            return
        self._recognizer, self._interim = recognizer, None
        self._update(
            phase="ready",
            model=recognizer.model.title,
            load_s=round(time.perf_counter() - started, 3),
        )
        logger.info("%s is ready (%s)", recognizer.model.title, recognizer.engine.memory)

    def _open(self) -> Recognizer:
        config, reporter = self.config, self._reporter
        name = config.engine.model
        if name != "auto":
            return _load(self._fetch(name), name, config, reporter)
        try:
            if locate(DEFAULT, config.engine.models_dir) is None and not config.engine.offline:
                self._load_interim()
            recognizer = _load(self._fetch(DEFAULT), DEFAULT, config, reporter)
            self._update(fallback=None)
            return recognizer
        except ModelError as e:
            if self._interim is None:
                return _fall_back(config, reporter, e)
            logger.warning("%s cannot be used, %s answers: %s", DEFAULT, EMBEDDED, e)
            self._update(fallback=e)
            self._interim.set_fallback_reason(str(e.without_paths()))
            return self._interim

    def _load_interim(self) -> None:
        coming = ModelComingError(title=MODELS[DEFAULT].title)
        try:
            self._interim = _load_embedded(self.config, self._reporter, coming)
        except ModelError as e:
            logger.warning("nobody answers until %s is there: %s", DEFAULT, e)

    def _fetch(self, name: str) -> Path:
        return _folder(name, self.config, self._reporter, self._stopped.is_set)

    def _update(self, **changes: object) -> None:
        self._reporter.update(**changes)
        with self._changed:
            self._changed.notify_all()
