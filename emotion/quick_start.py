"""Large imports made shorter, in processes that are this package's own programs.

They come one after the other, because two threads that import at once take longer; no garbage is
looked for among what they make, then or later; and what is rarely used is imported when it is.

``import torch`` ends with registering Python kernels for the meta device, a third of its time,
which only tracing and compiling use: who needs them imports ``torch._meta_registrations`` first. A
program that uses this package as a library gets torch whole.
"""

from __future__ import annotations

import gc
import importlib
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from emotion.config import PROJECT_DIR

_ONE_IMPORT = threading.Lock()
# Parts that torch imports and that inference does not use.
_LATER: dict[str, Sequence[str]] = {
    "torch._meta_registrations": (),
    "torch.distributions": (),
    "torch.export": (),
    "torch.masked": (),
    "torch.nn.intrinsic": (),
    "torch.nn.qat": (),
    "torch.nn.quantizable": (),
    "torch.nn.quantized": (),
    "torch.quantization": (),
}
_TRIED = ("2.13.",)  # versions of torch whose import uses nothing of them


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


class _Later(ModuleType):
    """Stands for a module, which is imported when something of it is first used.

    Args:
        name: The module's.
        called: What others take from it before, and only call.
    """

    def __init__(self, name: str, called: Sequence[str]) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        for attribute in called:
            setattr(self, attribute, partial(self._call, attribute))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asking a module who it is does not use it
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)

    def _call(self, attribute: str, *args: Any, **options: Any) -> Any:
        return self.__getattr__(attribute)(*args, **options)


@contextmanager
def later(modules: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """Within it these modules are not imported; who gets hold of one imports it by using it.

    Args:
        modules: By name, what is taken from them meanwhile, only to be called later.
    """
    stand_ins = [_Later(*item) for item in modules.items() if item[0] not in sys.modules]
    for module in stand_ins:
        sys.modules[module.__name__] = module
    try:
        yield
    finally:
        for module in stand_ins:
            name, (parent, _, leaf) = module.__name__, module.__name__.rpartition(".")
            if sys.modules.get(name) is module:
                del sys.modules[name]
                if parent in sys.modules and not hasattr(sys.modules[parent], leaf):
                    setattr(sys.modules[parent], leaf, module)


def import_torch() -> None:
    """Imports torch without those parts; does nothing in other processes or where it is here."""
    if (
        own_process()
        and "torch" not in sys.modules
        and metadata.version("torch").startswith(_TRIED)
    ):
        with large_import(), later(_LATER):
            import torch  # noqa: F401
