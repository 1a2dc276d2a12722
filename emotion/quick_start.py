"""Large imports made shorter, in processes that are this package's own programs.

They come one after the other, because two threads that import at once take longer; no garbage is
looked for among what they make, then or later; and what is rarely used is imported when it is.

More than half of the modules that ``import torch`` imports serve tracing, compiling and training.
They are left out, and all imported as soon as one of them is used by its name, or any further
module of torch is imported: in torch's own order, because in others they do not find each other.
Until then what they register is not there either: who makes a ``torch.Generator`` imports
``torch._meta_registrations`` first. A program that uses this package as a library gets torch whole.
"""

from __future__ import annotations

import gc
import importlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
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
# Parts that use nothing of them.
_ALONE = ("torch.cuda.", "torch.utils._device", "torch.utils.serialization")
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


class _Taken:
    """Stands for what was taken from a module before that was imported: works when it is called.

    Args:
        real: Imports the module and gives what was taken.
    """

    def __init__(self, real: Callable[[], Any]) -> None:
        self.real = real

    def __call__(self, *args: Any, **options: Any) -> Any:
        return self.real()(*args, **options)

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
            setattr(self, attribute, _Taken(partial(self.__getattr__, attribute)))

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
        _mend({at: module for at, module in list(sys.modules.items()) if _is_part(at, module)})
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


def _is_part(name: str, module: object) -> bool:
    return f"{name}.".startswith("torch.") and isinstance(module, ModuleType)


def _mend(modules: Mapping[str, ModuleType]) -> None:
    # Parts imported before their package, and what was taken from parts that were not there.
    for name, module in modules.items():
        parent, _, leaf = name.rpartition(".")
        if parent in modules and not hasattr(modules[parent], leaf):
            setattr(modules[parent], leaf, module)
    for module in modules.values():
        for attribute, value in list(vars(module).items()):
            if type(value) is _Taken:  # isinstance makes some of them warn
                setattr(module, attribute, value.real())


def import_torch() -> None:
    """Imports torch without those parts; does nothing in other processes or where it is here."""
    if (
        own_process()
        and "torch" not in sys.modules
        and metadata.version("torch").startswith(_TRIED)
    ):
        with large_import(), later(_LATER):
            import torch
        # torch.load asks for it. There are no fake tensors before the rest is imported.
        torch._guards.detect_fake_mode = lambda inputs=None: None
        sys.meta_path.insert(0, _Rest())
