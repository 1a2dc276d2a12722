"""Where models, examples and results lie: in the checkout, else in the user's folders."""

from __future__ import annotations

from pathlib import Path

import platformdirs

PACKAGE_DIR = Path(__file__).resolve().parents[1]
PROJECT_DIR = PACKAGE_DIR.parent
_BUNDLED = PACKAGE_DIR / "bundled"  # exists only in an installed package
_NAME = "emotion"


def in_checkout() -> bool:
    """Whether the package runs from a checkout of the project, not from an installed wheel."""
    return not _BUNDLED.is_dir()


def models_dir() -> Path:
    """Where downloaded models are kept by default."""
    return PROJECT_DIR / "models" if in_checkout() else user_data_dir() / "models"


def outputs_dir() -> Path:
    """Where run folders are made by default."""
    return PROJECT_DIR / "outputs" if in_checkout() else user_data_dir() / "outputs"


def user_data_dir() -> Path:
    """This user's folder for the data of an installed package."""
    return platformdirs.user_data_path(_NAME, appauthor=False)


def bundled_model(name: str) -> Path:
    """The folder of a model that comes with the package; it may not be there."""
    return PROJECT_DIR / "models" / name if in_checkout() else _BUNDLED / name


def examples_dir() -> Path:
    """The folder of the example clips."""
    return PROJECT_DIR / "examples" if in_checkout() else _BUNDLED / "examples"
