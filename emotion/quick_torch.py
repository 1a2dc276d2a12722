"""Imports torch in two thirds of the time, in processes that are this package's own.

``import torch`` ends with registering Python kernels for the meta device, which only tracing and
compiling use. Here they are left out; who needs them later imports ``torch._meta_registrations``
first. Nor is garbage looked for among the 150,000 objects of the import, then or later. A
program that uses this package as a library gets torch whole.
"""

from __future__ import annotations

import gc
import sys
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from emotion.config import PROJECT_DIR

_NAME = "torch._meta_registrations"
_TRIED = ("2.13.",)  # versions of torch whose import uses nothing of that module


def own_process() -> bool:
    """Whether this process is one of this package's programs: ``python -m emotion``, ``app.py``."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name).startswith("emotion.")
    return Path(getattr(main, "__file__", None) or "").resolve() == PROJECT_DIR / "app.py"


def import_torch() -> None:
    """Imports torch without those kernels; does nothing in other processes or where it is here."""
    if (
        not own_process()
        or "torch" in sys.modules
        or not metadata.version("torch").startswith(_TRIED)
    ):
        return  # whoever needs torch imports it as always
    placeholder = ModuleType(_NAME)
    placeholder.__spec__ = ModuleSpec(_NAME, None)
    sys.modules[_NAME] = placeholder
    gc.disable()
    try:
        import torch
    finally:
        gc.freeze()  # nothing of it is ever garbage
        gc.enable()
        del sys.modules[_NAME]
    vars(torch).pop("_meta_registrations", None)
