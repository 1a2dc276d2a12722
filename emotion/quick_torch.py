"""Imports torch in two thirds of the time, in processes that are this package's own.

``import torch`` ends with registering Python kernels for the meta device, which only tracing and
compiling use. Here they are left out; who needs them later imports ``torch._meta_registrations``
first. A program that uses this package as a library gets torch whole.
"""

from __future__ import annotations

import sys
from importlib import metadata
from importlib.machinery import ModuleSpec
from types import ModuleType

_NAME = "torch._meta_registrations"
_TRIED = ("2.13.",)  # versions of torch whose import uses nothing of that module

_own = False


def own_process() -> None:
    """Tells that nothing else in this process needs torch: `import_torch` may leave parts out."""
    global _own
    _own = True


def import_torch() -> None:
    """Imports torch; without those kernels where this is our own process and torch is new to it."""
    if not _own or "torch" in sys.modules or not metadata.version("torch").startswith(_TRIED):
        return  # whoever needs torch imports it as always
    placeholder = ModuleType(_NAME)
    placeholder.__spec__ = ModuleSpec(_NAME, None)
    sys.modules[_NAME] = placeholder
    try:
        import torch
    finally:
        del sys.modules[_NAME]
    del torch._meta_registrations
