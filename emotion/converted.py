"""A checkpoint's tensors under this package's names, mapped and not copied.

The first load in a precision writes them beside ``model.pt``: ``model.safetensors`` for fp32, else
``model.bf16.safetensors``. Later ones open the file before torch is imported, and read it from the
disk meanwhile.
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

from emotion.config import Precision

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

CONVERTED = "model.safetensors"  # for fp32
SOURCE = "model.pt"
_FORMAT = "emotion2vec-1"
_BY_COLUMNS = ".T"  # ends the name of a matrix whose columns are kept one after the other
_NO_SOURCE = "none"
_DTYPES = {"F32": ("float32", 4), "F16": ("float16", 2), "BF16": ("bfloat16", 2)}  # and bytes
_HEADER_BYTES = 8  # the length of the JSON that follows
_PIECE_BYTES = 8 << 20  # the system is asked for so much at once


class Converted:
    """A mapped file of converted tensors; see `open_converted`.

    Args:
        path: The file.
        precision: What the folder's tensors were made ready for.

    Raises:
        OSError: It cannot be read.
        ValueError: It is not what this package writes.
    """

    def __init__(self, path: Path, precision: str) -> None:
        self.precision = precision
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

        found = {}
        for name, (dtype, shape, first) in self._tensors.items():
            tensor = torch.frombuffer(
                self._map, dtype=getattr(torch, dtype), count=math.prod(shape), offset=first
            ).view(shape)
            plain = name.removesuffix(_BY_COLUMNS)
            found[plain] = tensor if plain == name else tensor.t()
        return found

    def release(self, tensor: Tensor) -> None:
        """Gives back the memory that only one of its tensors takes; who reads it reads the file."""
        if not hasattr(mmap, "MADV_DONTNEED"):
            return
        start = tensor.data_ptr() - np.frombuffer(self._map, np.uint8).ctypes.data
        first = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE
        size = (start + tensor.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE - first
        if start >= 0 and size > 0 and first + size <= len(self._map):
            with contextlib.suppress(OSError):  # locked in memory, say
                self._map.madvise(mmap.MADV_DONTNEED, first, size)


def ask_for(path: Path) -> None:
    """Asks the system to read a file from the disk; does nothing where that cannot be."""
    if not hasattr(os, "posix_fadvise"):
        return
    with contextlib.suppress(OSError), path.open("rb") as file:
        for first in range(0, path.stat().st_size, _PIECE_BYTES):
            os.posix_fadvise(file.fileno(), first, _PIECE_BYTES, os.POSIX_FADV_WILLNEED)


def converted_path(folder: Path, precision: str) -> Path:
    """Where a folder's tensors are kept for a precision, ``fp32``, ``bf16`` or ``fp16``."""
    return folder / (CONVERTED if precision == "fp32" else f"model.{precision}.safetensors")


def open_converted(folder: Path, precision: str) -> Converted | None:
    """Maps a folder's converted tensors; None where they are missing, damaged or of other weights.

    Args:
        folder: The checkpoint.
        precision: ``fp32``, ``bf16`` or ``fp16``.
    """
    path = converted_path(folder, precision)
    if not path.is_file():
        return None
    try:
        found = Converted(path, precision)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        logger.warning("%s is unreadable (%r), converting again", path, e)
        return None
    wanted = _fingerprint(folder, precision)
    stale = wanted["source"] not in (_NO_SOURCE, found.metadata.get("source"))
    return None if stale or found.metadata.get("format") != _FORMAT else found


def open_likely(folder: Path, precision: Precision) -> Converted | None:
    """`open_converted` before it is known which precision ``auto`` means here.

    Args:
        folder: The checkpoint.
        precision: As asked for; ``auto`` is bf16 where a load has kept that. What has not been
            kept is made from fp32.
    """
    likely = open_converted(folder, "bf16" if precision == "auto" else precision)
    return likely or open_converted(folder, "fp32")


def write_converted(folder: Path, state: dict[str, Tensor], precision: str) -> None:
    """Keeps tensors for `open_converted`; says in the log when the folder cannot be written.

    Args:
        folder: The checkpoint.
        state: By this package's names.
        precision: What they were made ready for.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {}
    for name, tensor in state.items():
        tensor = tensor.detach()
        if tensor.ndim == 2 and not tensor.is_contiguous() and tensor.t().is_contiguous():
            name, tensor = name + _BY_COLUMNS, tensor.t()
        tensors[name] = tensor.contiguous()
    path = converted_path(folder, precision)
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".model-", suffix=".tmp")
        os.close(handle)
        save_file(tensors, temporary, metadata=_fingerprint(folder, precision))
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as e:
        logger.info("%s is not kept for faster loading: %s", path.name, e)
    finally:  # also when interrupted; it has its final name otherwise
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def _fingerprint(folder: Path, precision: str) -> dict[str, str]:
    # Size and time of model.pt, or of the file that takes its place: what was converted from
    # others is never used.
    sources = (SOURCE,) if precision == "fp32" else (SOURCE, CONVERTED)
    for name in sources:
        with contextlib.suppress(FileNotFoundError):
            stat = (folder / name).stat()
            return {"format": _FORMAT, "source": f"{stat.st_size}-{stat.st_mtime_ns}"}
    return {"format": _FORMAT, "source": _NO_SOURCE}
