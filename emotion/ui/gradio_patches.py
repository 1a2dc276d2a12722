"""What Gradio does that this server must not: two changes, made before the page is built.

At each import Gradio parses the sources of its components and writes ``.pyi`` files beside them
for editors, which takes about half of the time of ``import gradio`` and fails where it may not
write. And it fetches an address that a visitor names in place of a file. This module must not
import gradio before that is asked for.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Sequence
from types import ModuleType

_MODULE = "gradio.component_meta"
_WRITER = "create_or_modify_pyi"


class _Loader(importlib.abc.Loader):
    def __init__(self, inner: importlib.abc.Loader) -> None:
        self._inner = inner

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        if hasattr(module, _WRITER):
            setattr(module, _WRITER, lambda *args, **options: None)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


def skip_stubs() -> None:
    """Makes the first import of Gradio in this process quicker; does nothing after it."""
    if _MODULE not in sys.modules and not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


def refuse_addresses() -> None:
    """Keeps Gradio from fetching addresses for visitors: files come by upload only."""
    from gradio import processing_utils
    from gradio.exceptions import InvalidPathError

    def refuse(url: str, cache_dir: str) -> str:
        raise InvalidPathError(f"{url} is not fetched for {cache_dir}: files come by upload only")

    async def refuse_async(url: str, cache_dir: str) -> str:
        return refuse(url, cache_dir)

    processing_utils.async_ssrf_protected_download = refuse_async
    processing_utils.ssrf_protected_download = refuse
    processing_utils.save_url_to_cache = refuse
