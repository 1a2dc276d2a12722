"""``model.safetensors``: a checkpoint's tensors under this package's names, mapped and not copied.

The first load writes it beside ``model.pt``. Later ones open it before torch is imported, and read
it from the disk meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import mmap
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

CONVERTED = "model.safetensors"
SOURCE = "model.pt"
_FORMAT = "emotion2vec-1"
_NO_SOURCE = "none"
_DTYPES = {"F32": ("float32", 4), "F16": ("float16", 2), "BF16": ("bfloat16", 2)}  # and bytes
_HEADER_BYTES = 8  # the length of the JSON that follows
_PIECE_BYTES = 8 << 20  # the system is asked for so much at once


class Converted:
    """A mapped ``model.safetensors``; see `open_converted`.

    Args:
        path: The file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not what this package writes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        end = _HEADER_BYTES + int.from_bytes(self._map[:_HEADER_BYTES], "little")
        header = json.loads(self._map[_HEADER_BYTES:end])
        self.metadata: dict[str, str] = dict(header.pop("__metadata__", {}))
        self._tensors = {name: self._entry(end, entry) for name, entry in header.items()}

    def _entry(self, start: int, entry: dict[str, Any]) -> tuple[str, list[int], int]:
        (dtype, item_bytes), shape = _DTYPES[entry["dtype"]], [int(size) for size in entry["shape"]]
        first, last = (start + int(offset) for offset in entry["data_offsets"])
        size = math.prod(shape) * item_bytes
        if min(shape, default=0) < 0 or first < start or last - first != size:
            raise ValueError(f"{shape} does not take the bytes {first} to {last}")
        if last > len(self._map):
            raise ValueError("it is cut short")
        return dtype, shape, first

    def read_ahead(self) -> None:
        """Brings the whole file into this process's memory; lets other threads run meanwhile."""
        ask_for(self._path)
        np.frombuffer(self._map, np.uint8)[:: mmap.PAGESIZE].max()

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name, on the CPU; they share the mapped memory."""
        import torch

        return {
            name: torch.frombuffer(
                self._map, dtype=getattr(torch, dtype), count=math.prod(shape), offset=first
            ).view(shape)
            for name, (dtype, shape, first) in self._tensors.items()
        }


def ask_for(path: Path) -> None:
    """Asks the system to read a file from the disk; does nothing where that cannot be."""
    if not hasattr(os, "posix_fadvise"):
        return
    with contextlib.suppress(OSError), path.open("rb") as file:
        for first in range(0, path.stat().st_size, _PIECE_BYTES):
            os.posix_fadvise(file.fileno(), first, _PIECE_BYTES, os.POSIX_FADV_WILLNEED)


def open_converted(folder: Path) -> Converted | None:
    """Maps a folder's converted tensors; None where they are missing, damaged or of other weights.

    Args:
        folder: The checkpoint.
    """
    path = folder / CONVERTED
    if not path.is_file():
        return None
    try:
        found = Converted(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        logger.warning("%s is unreadable (%r), reading %s again", path, e, SOURCE)
        return None
    wanted = _fingerprint(folder)
    stale = wanted["source"] not in (_NO_SOURCE, found.metadata.get("source"))
    return None if stale or found.metadata.get("format") != _FORMAT else found


def write_converted(folder: Path, state: dict[str, Tensor]) -> None:
    """Keeps tensors for `open_converted`; says in the log when the folder cannot be written.

    Args:
        folder: The checkpoint.
        state: By this package's names; float64 is kept as float32.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {
        name: (tensor if tensor.dtype.itemsize < 8 else tensor.float()).detach().contiguous()
        for name, tensor in state.items()
    }
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".model-", suffix=".tmp")
        os.close(handle)
        save_file(tensors, temporary, metadata=_fingerprint(folder))
        os.chmod(temporary, 0o644)
        os.replace(temporary, folder / CONVERTED)
    except (OSError, SafetensorError) as e:
        logger.info("%s is not kept for faster loading: %s", CONVERTED, e)
    finally:  # also when interrupted; it has its final name otherwise
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _fingerprint(folder: Path) -> dict[str, str]:
    # Size and time of model.pt: a converted file of another model.pt is never used.
    try:
        stat = (folder / SOURCE).stat()
    except FileNotFoundError:
        return {"format": _FORMAT, "source": _NO_SOURCE}
    return {"format": _FORMAT, "source": f"{stat.st_size}-{stat.st_mtime_ns}"}
