"""Large imports made shorter, in processes that are this package's own programs.

They come one after the other, because two threads that import at once take longer, and no garbage
is looked for among what they make, then or later.

``import torch`` ends with registering Python kernels for the meta device, a third of its time,
which only tracing and compiling use. Here they are left out; who needs them later imports
``torch._meta_registrations`` first. A program that uses this package as a library gets torch whole.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from emotion.config import PROJECT_DIR

_ONE_IMPORT = threading.Lock()
_NAME = "torch._meta_registrations"
_TRIED = ("2.13.",)  # versions of torch whose import uses nothing of that module


def own_process() -> bool:
    """Whether this process is one of this package's programs: ``python -m emotion``, ``app.py``."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name).startswith("emotion.")
    return Path(getattr(main, "__file__", None) or "").resolve() == PROJECT_DIR / "app.py"


@contextmanager
def large_import() -> Iterator[None]:
    """Within it a large package is imported; does nothing in other processes."""
    if not own_process():
        yield
        return
    with _ONE_IMPORT:
        gc.disable()
        try:
            yield
        finally:
            gc.freeze()  # what was imported is never garbage
            gc.enable()


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
    with large_import():
        sys.modules[_NAME] = placeholder
        try:
            import torch
        finally:
            del sys.modules[_NAME]
    vars(torch).pop("_meta_registrations", None)
