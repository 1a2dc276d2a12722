"""Large imports made shorter, in processes that are this package's own programs.

They come one after the other, because two threads that import at once take longer; no garbage is
looked for among what they make, then or later; and what is rarely used is imported when it is.

Half of the Python code that ``import torch`` runs serves tracing and compiling, kernels for the
meta device above all. It is left out, and all of it imported as soon as any of it is used: in
torch's own order, because in others its parts do not find each other. A program that uses this
package as a library gets torch whole.
"""

from __future__ import annotations

import gc
import importlib
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import metadata
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from emotion.config import PROJECT_DIR

_ONE_IMPORT = threading.Lock()
# Parts that torch imports and that inference does not use, in torch's order, with what others take
# from them at their own import, to call it later or to write it into an annotation. Not among them
# is torch.fx.experimental.sym_node: the first torch.device() imports it within a C++ initialiser,
# and hangs where that import makes a device itself.
_LATER: dict[str, Sequence[str]] = {
    "torch.utils.data": (),
    "torchgen.model": (),
    "torch.distributions": (),
    "torch.hub": ("tqdm",),
    "torch.fx": (),
    "torch.fx.experimental": (),
    "torch.fx.traceback": (),
    "torch._guards": ("CompileId",),
    "torch.nested": ("nested_tensor",),
    "torch.optim": (),
    "torch.profiler": (),
    "torch.nn.intrinsic": (),
    "torch.nn.qat": (),
    "torch.nn.quantizable": (),
    "torch.nn.quantized": (),
    "torch.quantization": (),
    "torch.masked": (),
    "torch._subclasses": (),
    "torch.export": (),
    "torch.func": ("vmap",),
    "torch._higher_order_ops": ("cond", "while_loop"),
    "torch._higher_order_ops.invoke_subgraph": ("NestedCompileRegionOptions",),
    "torch.distributed._meta_registrations": (),
    "torch._meta_registrations": (),
    "torch._native": (),
}
_ALONE = ("torch.cuda.", "torch.utils._device")  # parts that use nothing of them
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


class _Taken(partial[Any]):
    """Stands for what was taken from a module before that was imported: works when it is called."""

    def __or__(self, other: object) -> Any:  # in an annotation
        return Any


class _Later(ModuleType):
    """Stands for a module, which is imported when something of it is first used.

    Args:
        name: The module's.
        taken: What others take from it before.
    """

    def __init__(self, name: str, taken: Sequence[str]) -> None:
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, None)
        for attribute in taken:
            setattr(self, attribute, _Taken(self._call, attribute))

    def __getattr__(self, name: str) -> Any:
        if name == "__path__":  # parts of a package can be imported without it
            return self._path()
        if name.startswith("__"):  # asking a module who it is does not use it
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)

    def _path(self) -> list[str]:
        parent, _, leaf = self.__name__.rpartition(".")
        folders = [
            Path(folder, leaf) for folder in getattr(sys.modules.get(parent), "__path__", ())
        ]
        found = [str(folder) for folder in folders if folder.is_dir()]
        if not found:
            raise AttributeError("__path__")
        return found

    def _call(self, attribute: str, *args: Any, **options: Any) -> Any:
        return self.__getattr__(attribute)(*args, **options)


@contextmanager
def later(modules: Mapping[str, Sequence[str]]) -> Iterator[None]:
    """Within it these modules are not imported; who gets hold of one imports it by using it.

    Args:
        modules: By name, what is taken from them meanwhile: to be called later, say.
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


class _Rest(MetaPathFinder, Loader):
    """Imports the rest of torch as soon as any other part of torch is imported."""

    def find_spec(self, name: str, *_args: object) -> ModuleSpec | None:
        if not name.startswith("torch.") or name.startswith(_ALONE):
            return None
        with suppress(ValueError):  # another thread was here
            sys.meta_path.remove(self)
        for part in _LATER:
            importlib.import_module(part)
        for loaded, module in list(sys.modules.items()):  # parts imported before their package
            parent, _, leaf = loaded.rpartition(".")
            if parent.startswith("torch.") and not hasattr(sys.modules[parent], leaf):
                setattr(sys.modules[parent], leaf, module)
        if name not in sys.modules:
            return None
        # It was imported just now. The import system would go by its own spec, and run it again.
        here = sys.modules[name]
        here.__spec__ = ModuleSpec(name, self, loader_state=here.__spec__)
        return here.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def import_torch() -> None:
    """Imports torch without those parts; does nothing in other processes or where it is here."""
    if (
        own_process()
        and "torch" not in sys.modules
        and metadata.version("torch").startswith(_TRIED)
    ):
        with large_import(), later(_LATER):
            import torch  # noqa: F401
        sys.meta_path.insert(0, _Rest())
