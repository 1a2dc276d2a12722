"""A model's name, or a folder, to a local checkpoint folder; never uses the network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emotion.core.errors import CheckpointError, ModelUnknownError
from emotion.core.paths import bundled_model
from emotion.core.registry import EMBEDDED, MODELS, KnownModel, find

AUDIO_SUFFIXES = frozenset({".wav", ".mp3", ".flac", ".ogg", ".opus", ".m4a"})
REQUIRED = ("config.yaml", "tokens.txt")
WEIGHTS = ("model.pt", "model.safetensors")  # the first that is there is used

# A classifier of Hugging Face's transformers; the first weights that are there are used.
TRANSFORMERS_REQUIRED = ("config.json", "preprocessor_config.json")
TRANSFORMERS_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)

State = Literal["ready", "partial", "missing"]


@dataclass(frozen=True)
class ModelStatus:
    """What is on the disk of one known model.

    Attributes:
        model: The model.
        state: ``ready``, ``partial`` (a download was begun, or files are missing) or ``missing``.
        size_bytes: What it takes on the disk now.
        folder: Where it is, or would be.
    """

    model: KnownModel
    state: State
    size_bytes: int
    folder: Path


def locate(name_or_folder: str, models_dir: Path) -> Path | None:
    """Finds a checkpoint on this machine; never uses the network.

    Args:
        name_or_folder: A known name, a folder, or a known hub id, tried in this order.
        models_dir: Where known models lie.

    Returns:
        The complete folder, or None when the model is known but not (completely) here.

    Raises:
        ModelUnknownError: Neither a known model nor a folder.
        CheckpointError: A folder that lacks files.
    """
    folder = Path(os.path.expanduser(name_or_folder))
    if name_or_folder and name_or_folder not in MODELS and folder.is_dir():
        missing = missing_files(folder)
        if missing:
            raise CheckpointError(folder=folder, reason=f"lacks {', '.join(missing)}")
        return folder
    folder = model_folder(known(name_or_folder), models_dir)
    return folder if is_complete(folder) else None


def is_complete(folder: Path) -> bool:
    """Whether a folder has every file that loading needs, none of them empty."""
    return not missing_files(folder)


def is_transformers(folder: Path) -> bool:
    """Whether a folder is in Hugging Face's layout, not in FunASR's."""
    return (folder / "config.json").is_file() and not (folder / "config.yaml").is_file()


def missing_files(folder: Path) -> list[str]:
    """The files that loading needs and that are missing or empty."""
    required: tuple[str, ...] = REQUIRED
    weights: tuple[str, ...] = WEIGHTS
    if is_transformers(folder):
        required, weights = TRANSFORMERS_REQUIRED, TRANSFORMERS_WEIGHTS
    missing = [name for name in required if not file_size(folder / name)]
    if not any(file_size(folder / name) for name in weights):
        missing.append(" or ".join(weights))
    return missing


def find_weights(folder: Path) -> Path | None:
    """The weights file that a load reads; None where there is none."""
    return next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)


def status(name: str, models_dir: Path) -> ModelStatus:
    """What is on the disk of a known model.

    Raises:
        ModelUnknownError: The name is not known.
    """
    model = known(name)
    folder = model_folder(model, models_dir)
    size_bytes = tree_size(folder)
    if is_complete(folder):
        return ModelStatus(model, "ready", size_bytes, folder)
    size_bytes += tree_size(partial_folder(model, models_dir))
    return ModelStatus(model, "partial" if size_bytes else "missing", size_bytes, folder)


def known(name: str) -> KnownModel:
    """The model of that name or hub id.

    Raises:
        ModelUnknownError: There is none.
    """
    model = find(name)
    if model is None:
        raise ModelUnknownError(name=name, known=", ".join(MODELS))
    return model


def model_folder(model: KnownModel, models_dir: Path) -> Path:
    """Where a known model lies, or would lie."""
    folder = models_dir / model.name
    if model.name == EMBEDDED and not folder.is_dir():
        return bundled_model(EMBEDDED)  # wherever the other models are
    return folder


def partial_folder(model: KnownModel, models_dir: Path) -> Path:
    """Where a download of it is kept until it is complete."""
    return models_dir / f".partial-{model.name}"


def example_clip(folder: Path | None) -> Path | None:
    """Finds the first clip in a checkpoint's ``example`` folder.

    Args:
        folder: That folder, or a clip itself; need not exist.
    """
    if folder is not None and folder.is_file():
        return folder
    return next(iter(clips_in(folder)), None) if folder is not None else None


def clips_in(folder: Path) -> list[Path]:
    """The audio files of a folder, by name; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return [file for file in sorted(folder.iterdir()) if file.suffix.lower() in AUDIO_SUFFIXES]


def file_size(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:
        return 0  # gone meanwhile, or not ours to see


def tree_size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    # os.walk passes over what disappears meanwhile.
    return sum(file_size(Path(at, name)) for at, _, names in os.walk(folder) for name in names)
