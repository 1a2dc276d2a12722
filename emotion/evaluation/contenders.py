"""The kinds of models that can be measured side by side."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from emotion.audio import decode
from emotion.core.config import AudioConfig, Config
from emotion.core.emotion_names import emotion_of
from emotion.core.errors import ConfigError, ModelError
from emotion.core.labels import LABELS
from emotion.core.options import RecognitionOptions
from emotion.core.registry import find
from emotion.evaluation.answers import Answerer, Batched, OneByOne
from emotion.evaluation.metrics import Floats

if TYPE_CHECKING:
    from emotion.core.registry import KnownModel

FUNASR: Final = "funasr"
SVM: Final = "opensmile-svm"
_NOT_STATED: Final = "not stated"


@dataclass(frozen=True)
class Facts:
    """What is known of a model besides what it is measured to do.

    Attributes:
        title: Its name for people.
        engine: What computes it.
        device: Where.
        precision: In which number format.
        embedding_dim: Width of its embeddings; None where it gives none.
        size_bytes: Its weights on the disk; None where there are none.
        languages: What it was trained on.
        licence: Of its weights.
    """

    title: str
    engine: str
    device: str
    precision: str
    embedding_dim: int | None
    size_bytes: int | None
    languages: str
    licence: str


@dataclass(frozen=True)
class Contender:
    """A model that is loaded and ready.

    Attributes:
        facts: What is known of it.
        answerer: Recognises many recordings as fast as it can.
        one: Recognises one recording, as a single user would have it; whether that succeeded.
    """

    facts: Facts
    answerer: Answerer
    one: Callable[[Path], bool]


@contextmanager
def opened(name: str, config: Config, labels: Sequence[str]) -> Iterator[Contender]:
    """Loads a model by its name in a comparison.

    Args:
        name: A known model or a folder; ``funasr:`` and one of these for FunASR's own AutoModel;
            ``opensmile-svm:MANIFEST`` for the field's baseline, trained on that manifest.
        config: Options.
        labels: The emotions that compete.

    Raises:
        ModelError: The model is unavailable or cannot be loaded.
        ConfigError: The name is not complete.
        EmotionError: The baseline's manifest cannot be read.
    """
    kind, _, rest = name.partition(":")
    if kind == FUNASR:
        yield _funasr(_given(name, rest), config, labels)
    elif kind == SVM:
        yield _baseline(Path(_given(name, rest)), config, labels)
    else:
        with _own(name, config, labels) as contender:
            yield contender


def _given(name: str, rest: str) -> str:
    if not rest:
        expected = f"{FUNASR}:NAME or {FUNASR}:DIR, {SVM}:MANIFEST"
        raise ConfigError(option="models", value=name, expected=expected)
    return rest


@contextmanager
def _own(name: str, config: Config, labels: Sequence[str]) -> Iterator[Contender]:
    from emotion.corpus.executor import Executor, Work
    from emotion.corpus.inputs import Input
    from emotion.models.store import locate
    from emotion.recognition.opening import open_model
    from emotion.storage.run_store import RunStore

    model = open_model(replace(config, engine=replace(config.engine, model=name)))
    folder = locate(name, config.engine.models_dir)
    info = model.info
    facts = Facts(
        title=info.title,
        engine=info.engine,
        device=info.device,
        precision=info.precision,
        embedding_dim=model.engine.embedding_dim,
        size_bytes=weights_bytes(folder) if folder else None,
        languages=_languages(find(name)),
        licence=_licence(find(name)),
    )
    with tempfile.TemporaryDirectory(prefix="emotion-evaluation-") as runs:
        work = Work(model, RecognitionOptions(labels=tuple(labels)), RunStore(Path(runs)))
        with Executor(work) as executor:
            yield Contender(
                facts,
                Batched(executor),
                lambda path: executor.recognise(Input(path.name, path)).result is not None,
            )


def _funasr(name: str, config: Config, labels: Sequence[str]) -> Contender:
    from emotion.recognition.opening import fetch_model

    folder = fetch_model(name, config)
    device, loaded = _auto_model(folder, config)

    def answer(sound: Any) -> tuple[Floats, int]:
        (found,) = loaded.generate(sound, granularity="utterance", extract_embedding=True)
        scores = np.zeros(len(LABELS))
        for token, score in zip(found["labels"], found["scores"], strict=True):
            emotion = emotion_of(token)
            if emotion is not None:
                scores[LABELS.index(emotion)] = float(score)
        return scores, int(np.asarray(found["feats"]).shape[-1])

    def scores(path: Path) -> Floats:
        return answer(samples_of(path, config.audio))[0]

    _, width = answer(np.zeros(16_000, np.float32))
    known = find(name)
    facts = Facts(
        title=f"FunASR: {known.title if known else folder.name}",
        engine="FunASR AutoModel",
        device=device,
        precision="fp32",
        embedding_dim=width,
        size_bytes=weights_bytes(folder),
        languages=_languages(known),
        licence=_licence(known),
    )
    return Contender(
        facts, OneByOne(scores, labels, config.audio), lambda path: bool(scores(path).any())
    )


def _auto_model(folder: Path, config: Config) -> tuple[str, Any]:
    """FunASR's own model, and where it lies."""
    try:
        # Without a system-wide FFmpeg its imports print a notice to stdout.
        with contextlib.redirect_stdout(sys.stderr):
            from funasr import AutoModel
    except ImportError as e:
        raise ModelError(reason=f"FunASR cannot be imported: {e}") from e
    from emotion.inference.device import place

    device = str(place(config.engine.device, "fp32").device)
    loaded: Any = AutoModel(
        model=str(folder), device=device, ncpu=os.cpu_count(),
        disable_update=True, disable_pbar=True, disable_log=True,
    )  # fmt: skip
    return device, loaded


def _baseline(manifest: Path, config: Config, labels: Sequence[str]) -> Contender:
    from emotion.evaluation.manifests import read_manifest
    from emotion.evaluation.opensmile_svm import LICENCE, OpenSmileSvm
    from emotion.evaluation.samples import label

    labelled = label(read_manifest(manifest).samples)
    pairs = zip(labelled.samples, labelled.emotions, strict=True)
    kept = [
        (one.path, emotion, one.speaker)
        for one, emotion in pairs
        if isinstance(one.path, Path) and not one.is_part
    ]
    paths = [path for path, _, _ in kept]
    emotions = [emotion for _, emotion, _ in kept]
    speakers = [speaker for _, _, speaker in kept]
    groups = [str(name) for name in speakers] if all(speakers) else None
    fitted = OpenSmileSvm(config.audio).fit(paths, emotions, groups)
    facts = Facts(
        title=f"openSMILE eGeMAPS and SVM, trained on {manifest.name}",
        engine="openSMILE, scikit-learn",
        device="cpu",
        precision="fp64",
        embedding_dim=fitted.feature_dim,
        size_bytes=None,
        languages=f"those of {manifest.name}",
        licence=LICENCE,
    )
    score_of = fitted.score_of
    return Contender(
        facts, OneByOne(score_of, labels, config.audio), lambda path: bool(score_of(path).any())
    )


def samples_of(path: Path, audio: AudioConfig) -> Any:
    """A recording as other packages take it: float32, (samples,), 16 kHz."""
    recording = decode(path, audio)
    try:
        return recording.samples
    finally:
        recording.close()


def weights_bytes(folder: Path) -> int:
    """Bytes of a checkpoint's own weights, without the copies that loading makes."""
    from emotion.models.store import TRANSFORMERS_WEIGHTS, WEIGHTS, file_size

    names = (*WEIGHTS, *TRANSFORMERS_WEIGHTS)
    return next((size for name in names if (size := file_size(folder / name))), 0)


def _languages(known: KnownModel | None) -> str:
    return known.languages if known else _NOT_STATED


def _licence(known: KnownModel | None) -> str:
    return known.licence if known else _NOT_STATED
