"""What Gradio does that this server must not: changes made before the page is built.

At each import Gradio parses the sources of its components and writes ``.pyi`` files beside them
for editors, which fails where it may not write; it fills in the docstrings of all events through
216 templates; and it imports pandas, command lines and what runs models elsewhere. Without these
its import takes a fifth of the time. It makes three apps for a page that is mounted once. And it
fetches an address that a visitor names in place of a file. This module must not import gradio
before that is asked for.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from types import ModuleType

from emotion.quick_start import later

# What our page does not use, and what is taken from it by name, to be called.
_LATER: dict[str, Sequence[str]] = {
    "pandas": (),
    "gradio.cli": ("deploy",),
    "gradio.external": ("load", "load_chat", "load_openapi"),
    "gradio.workflow": ("Workflow",),
    "httpx._main": ("main",),  # its command line
}
_TRIED = ("6.31.",)  # versions of Gradio whose import uses nothing of them


def _write_no_stubs(module: ModuleType) -> None:
    if hasattr(module, "create_or_modify_pyi"):
        module.create_or_modify_pyi = lambda *args, **options: None  # type: ignore[attr-defined]


def _fill_in_no_docstrings(module: ModuleType) -> None:
    if hasattr(getattr(module, "EventListener", None), "set_doc"):
        module.EventListener.set_doc = lambda listener, component: None


_CHANGES = {
    "gradio.component_meta": _write_no_stubs,
    "gradio.events": _fill_in_no_docstrings,
}


class _Loader(importlib.abc.Loader):
    def __init__(self, inner: importlib.abc.Loader) -> None:
        self._inner = inner

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._inner.exec_module(module)
        _CHANGES[module.__name__](module)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in _CHANGES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


@contextmanager
def quick_import() -> Iterator[None]:
    """Within it the first import of Gradio in this process is quicker."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        with later(_LATER if metadata.version("gradio").startswith(_TRIED) else {}):
            yield
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def without_app() -> Iterator[None]:
    """Within it Gradio makes no app for a page: mounting the page will."""
    from gradio.routes import App

    create = App.create_app
    App.create_app = staticmethod(lambda *args, **options: None)  # type: ignore[assignment]
    try:
        yield
    finally:
        App.create_app = staticmethod(create)  # type: ignore[method-assign]


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
