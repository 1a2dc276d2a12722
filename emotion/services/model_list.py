"""The known models: their licence, what of them is on this machine, and which of them answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emotion.core.labels import LABELS
from emotion.core.registry import MODELS
from emotion.models.store import ModelStatus, State, status

if TYPE_CHECKING:
    from emotion.recognition.loaded_model import LoadedModel


@dataclass(frozen=True)
class Answering:
    """What is known of a model only once it is loaded.

    Attributes:
        labels: The emotions that it knows, alphabetical.
        embedding_dim: Width of its embeddings.
        device: ``cpu`` or ``cuda:N``.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        engine: ``native``, ``funasr`` or ``transformers``.
        fallback_reason: Why it answers in place of the default model or engine.
    """

    labels: tuple[str, ...]
    embedding_dim: int
    device: str
    precision: str
    engine: str
    fallback_reason: str | None

    @classmethod
    def of(cls, model: LoadedModel) -> Answering:
        """Of a loaded model."""
        info = model.info
        return cls(
            labels=tuple(label for label in LABELS if label in model.engine.labels),
            embedding_dim=model.engine.embedding_dim,
            device=info.device,
            precision=info.precision,
            engine=info.engine,
            fallback_reason=info.fallback_reason,
        )


@dataclass(frozen=True)
class ListedModel:
    """One model.

    Attributes:
        name: Name in `emotion.core.registry`, or of the folder that was given.
        title: Name for people.
        state: ``ready``, ``partial`` or ``missing``: what of its weights is on this machine.
        size_bytes: What it takes on the disk; where nothing is there, what a download transfers.
            None where that is not known.
        licence: Name of the weights' licence; None where it is not known, as of the next two.
        licence_url: Its text.
        folder: Where it is, or would be.
        answering: Set for the model that answers.
    """

    name: str
    title: str
    state: State
    size_bytes: int | None
    licence: str | None = None
    licence_url: str | None = None
    folder: Path | None = None
    answering: Answering | None = None


def list_models(models_dir: Path, current: LoadedModel | None = None) -> list[ListedModel]:
    """The known models, and the one that answers where that is another.

    Args:
        models_dir: Where known models lie.
        current: The model that answers, if any.
    """
    answering = Answering.of(current) if current is not None else None
    name = current.info.name if current is not None else None
    found = [
        _listed(status(known, models_dir), answering if known == name else None) for known in MODELS
    ]
    if current is not None and name not in MODELS:
        found.append(
            ListedModel(current.info.name, current.info.title, "ready", None, answering=answering)
        )
    return found


def _listed(found: ModelStatus, answering: Answering | None) -> ListedModel:
    model = found.model
    return ListedModel(
        name=model.name,
        title=model.title,
        state=found.state,
        size_bytes=found.size_bytes or model.size_bytes or None,
        licence=model.licence,
        licence_url=model.licence_url,
        folder=found.folder,
        answering=answering,
    )
