"""From a model's name to a `LoadedModel`: locate, download, load, fall back.

`open_model` does it at once, for the command line and for Python;
`emotion.services.model_service` does it step by step, behind a running server.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.core.config import Config, EngineConfig
from emotion.core.errors import (
    CheckpointError,
    DeviceError,
    EmotionError,
    EngineFallbackError,
    ModelError,
)
from emotion.core.imports import large_import
from emotion.core.registry import DEFAULT, EMBEDDED, MODELS
from emotion.models.store import is_transformers, locate
from emotion.recognition.loaded_model import LoadedModel

if TYPE_CHECKING:
    from emotion.inference.engine_base import EngineBase, PhaseHook

logger = logging.getLogger(__name__)

_FALLING_BACK = "%s cannot be used, %s answers: %s"
PHASES = ("starting", "downloading", "reading", "building", "warming", "ready", "failed")


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
        engine_fallback: Why FunASR answers instead of the native engine; None where it does not.
        error: Why no model can answer; None unless failed.
        gpu: Why the NVIDIA card of this machine is not used; None where it is, or none is wanted.
        switch_error: Why another model that was asked for does not answer; None where nothing
            failed.
        load_s: Seconds that loading took; None until ready.
    """

    phase: str = "starting"
    revision: int = 0
    model: str = ""
    done_bytes: int = 0
    total_bytes: int = 0
    fallback: EmotionError | None = None
    engine_fallback: EmotionError | None = None
    error: EmotionError | None = None
    gpu: EmotionError | None = None
    switch_error: EmotionError | None = None
    load_s: float | None = None

    @property
    def fraction(self) -> float:
        """Share of the download that is done, 0 to 1."""
        return self.done_bytes / self.total_bytes if self.total_bytes else 0.0


StatusHook = Callable[[Status], None]


@dataclass(frozen=True)
class FoundModel:
    """A model that is on this machine, for other processes to load.

    Attributes:
        folder: The checkpoint.
        name: A name of `emotion.core.registry`, or the folder's.
        fallback: Why this is not the default model; None where nothing is to be said.
    """

    folder: Path
    name: str
    fallback: str | None = None


class Reporter:
    """Keeps the current status and reports each change.

    Args:
        hook: Told each change.
    """

    def __init__(self, hook: StatusHook) -> None:
        self.status = Status()
        self._hook = hook

    def update(self, **changes: object) -> None:
        """Changes fields of the status and reports it."""
        self._hook(self.next(**changes))

    def next(self, **changes: object) -> Status:
        """Changes fields of the status without reporting it."""
        revision = self.status.revision + 1
        self.status = replace(self.status, revision=revision, **changes)  # type: ignore[arg-type]
        return self.status

    def downloaded(self, done: int, total: int) -> None:
        """Reports how many bytes of a download are done."""
        self.update(done_bytes=done, total_bytes=total)


def open_model(config: Config, on_status: StatusHook = lambda status: None) -> LoadedModel:
    """Loads the model that ``config`` names; ``auto`` falls back to the embedded one, and says so.

    Args:
        config: Options.
        on_status: Told each phase.

    Raises:
        ModelError: The model is unavailable or cannot be loaded. ``auto`` raises only if
            the embedded one cannot either.
        DeviceError: The device asked for is not there; found out before anything is downloaded.
    """
    reporter = Reporter(on_status)
    model = _open(config, reporter)
    warn_of_unused_gpu(model, config, reporter)
    return model


def _open(config: Config, reporter: Reporter) -> LoadedModel:
    name = config.engine.model
    if name != "auto":
        folder = obtain_folder(name, config, reporter, lambda: False)
        return load_model(folder, name, config, reporter)
    try:
        folder = obtain_folder(DEFAULT, config, reporter, lambda: False)
        return load_model(folder, DEFAULT, config, reporter)
    except DeviceError:
        raise  # the embedded model would find no other device
    except ModelError as e:
        return fall_back(config, reporter, e)


def find_model(config: Config, on_status: StatusHook = lambda status: None) -> FoundModel:
    """What `open_model` would load, without loading it; several processes can then load the same.

    Other than there, ``auto`` does not fall back where the default is here and cannot be loaded.

    Args:
        config: Options.
        on_status: Told the progress of a download.

    Raises:
        ModelError: The model is unavailable.
    """
    name = config.engine.model
    if name != "auto":
        return FoundModel(fetch_model(name, config, on_status), name)
    try:
        return FoundModel(fetch_model(DEFAULT, config, on_status), DEFAULT)
    except ModelError as e:
        logger.warning(_FALLING_BACK, DEFAULT, EMBEDDED, e)
        return FoundModel(fetch_model(EMBEDDED, config), EMBEDDED, str(e.without_paths()))


def open_found(found: FoundModel, config: Config) -> LoadedModel:
    """Loads what `find_model` found.

    Raises:
        ModelError: It cannot be loaded.
    """
    return load_model(
        found.folder, found.name, config, Reporter(lambda status: None), found.fallback
    )


def fetch_model(name: str, config: Config, on_status: StatusHook = lambda status: None) -> Path:
    """The folder of a model, downloaded first where it is not on this machine.

    Args:
        name: A name of `emotion.core.registry` or a folder.
        config: Options.
        on_status: Told the progress of a download.

    Raises:
        ModelError: The model is unavailable.
    """
    return obtain_folder(name, config, Reporter(on_status), lambda: False, to_load=False)


def obtain_folder(
    name: str,
    config: Config,
    reporter: Reporter,
    cancelled: Callable[[], bool],
    *,
    to_load: bool = True,
) -> Path:
    """The folder of a model, downloaded where it is not on this machine.

    Args:
        name: A name of `emotion.core.registry` or a folder.
        config: Options.
        reporter: Told the progress of a download.
        cancelled: True stops a download.
        to_load: Whether it is going to be loaded: then the device is checked before a download.

    Raises:
        ModelError: The model is unavailable, or the device asked for is not there.
        CancelledError: ``cancelled`` returned true.
    """
    folder = locate(name, config.engine.models_dir)
    if folder is not None:
        return folder
    if to_load:
        _check_device(config.engine)
    from emotion.models.download import fetch  # imports requests, for which a start must not wait

    reporter.update(phase="downloading", model=_title(name), done_bytes=0, total_bytes=0)
    return fetch(name, config.engine, reporter.downloaded, cancelled)


def _check_device(config: EngineConfig) -> None:
    # Before a download. Only a device that is asked for can be missing.
    if config.device.startswith("cuda") or config.precision == "fp16":
        with large_import():
            from emotion.inference.device import place  # imports torch

        place(config.device, config.precision)


def warn_of_unused_gpu(model: LoadedModel, config: Config, reporter: Reporter) -> None:
    """Reports once why a model runs on the CPU although the machine has an NVIDIA card."""
    if config.engine.device != "auto" or model.info.device != "cpu" or reporter.status.gpu:
        return
    from emotion.inference.gpu_check import unused_gpu  # not needed where the GPU is used

    why = unused_gpu()
    if why is not None:
        logger.warning("%s", why)
        reporter.update(gpu=why)


def _title(name: str) -> str:
    return MODELS[name].title if name in MODELS else Path(name).name


def load_engine(
    folder: Path, config: EngineConfig, on_phase: PhaseHook = lambda phase: None
) -> tuple[EngineBase, EngineFallbackError | None]:
    """Loads a checkpoint's folder with the engine that ``config`` names.

    A classifier of Hugging Face's transformers has an engine of its own. Else ``auto`` is the
    native engine; where that refuses a checkpoint that FunASR can load, FunASR answers. It is never
    given what is not safe to load.

    Args:
        folder: The checkpoint.
        config: ``engine``, ``device`` and ``precision`` are used.
        on_phase: Told each phase as it begins.

    Returns:
        The engine, and why it is FunASR although ``auto`` was asked for; None where it is not.

    Raises:
        ModelError: See `emotion.inference.engine.Engine.load`.
    """
    if is_transformers(folder):
        return _load_transformers(folder, config, on_phase), None
    if config.engine == "funasr":
        return _load_funasr(folder, config, on_phase), None
    with large_import():
        # Imports torch; a server must not wait for it at start-up.
        from emotion.inference.engine import Engine

    try:
        engine = Engine.load(
            folder, device=config.device, precision=config.precision, on_phase=on_phase
        )
    except CheckpointError as refusal:
        if config.engine == "native":
            raise
        try:
            other = _load_funasr(folder, config, on_phase)
        except ModelError as e:
            logger.info("FunASR cannot load %s either: %s", folder.name, e)
            raise refusal from e
        return other, EngineFallbackError(reason=refusal.params["reason"])
    return engine, None


def _load_transformers(folder: Path, config: EngineConfig, on_phase: PhaseHook) -> EngineBase:
    if config.engine != "auto":
        reason = f"it is a classifier of transformers, which --engine {config.engine} cannot run"
        raise CheckpointError(folder=folder, reason=reason)
    with large_import():
        from emotion.inference.transformers_engine import TransformersEngine

    return TransformersEngine.load(
        folder, device=config.device, precision=config.precision, on_phase=on_phase
    )


def _load_funasr(folder: Path, config: EngineConfig, on_phase: PhaseHook) -> EngineBase:
    with large_import():
        from emotion.inference.funasr_engine import FunasrEngine

    return FunasrEngine.load(
        folder, device=config.device, precision=config.precision, on_phase=on_phase
    )


def load_model(
    folder: Path, name: str, config: Config, reporter: Reporter, fallback: str | None = None
) -> LoadedModel:
    """Loads a checkpoint as the model of that name.

    Args:
        folder: The checkpoint.
        name: A name of `emotion.core.registry`, or the folder's.
        config: Options.
        reporter: Told each phase.
        fallback: Why this is not the default model; None where nothing is to be said.

    Raises:
        ModelError: The model cannot be loaded.
    """
    engine, engine_fallback = load_engine(
        folder, config.engine, lambda phase: reporter.update(phase=phase, model=_title(name))
    )
    if engine_fallback != reporter.status.engine_fallback:
        reporter.update(engine_fallback=engine_fallback)
    if engine_fallback is not None:
        logger.warning("%s: %s", folder.name, engine_fallback)
        fallback = fallback or str(engine_fallback.without_paths())
    return LoadedModel(
        engine,
        name=name if name in MODELS else folder.resolve().name,
        title=_title(name),
        audio=config.audio,
        segmentation=config.segmentation,
        fallback_reason=fallback,
        example=folder / "example",
    )


def fall_back(config: Config, reporter: Reporter, why: ModelError) -> LoadedModel:
    """Loads the embedded model in place of the default.

    Args:
        config: Options.
        reporter: Told each phase.
        why: Why the default cannot be used.

    Raises:
        ModelError: Both reasons.
    """
    try:
        model = load_embedded(config, reporter, why)
    except ModelError as e:
        raise ModelError(reason=f"{why}; and {EMBEDDED} cannot be used either: {e}") from e
    logger.warning(_FALLING_BACK, DEFAULT, EMBEDDED, why)
    return model


def load_embedded(config: Config, reporter: Reporter, why: EmotionError) -> LoadedModel:
    """Loads the embedded model; arguments and errors as of `load_model`."""
    reporter.update(fallback=why)
    folder = fetch_model(EMBEDDED, config)
    return load_model(folder, EMBEDDED, config, reporter, str(why.without_paths()))
