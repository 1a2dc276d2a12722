"""A cache of a checkpoint's tensors, ready for inference and mapped instead of read.

The first load in a precision writes ``emotion-<precision>.safetensors`` into the checkpoint's
folder or, where that is read-only, into the user's cache folder. Later loads map it: no pickle is
read, nothing is converted and nothing is copied.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from emotion.models.store import find_weights

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

_FORMAT = "emotion2vec-2"
_PREFIX, _SUFFIX = ".emotion-", ".tmp"  # of a file that is being written
_ABANDONED_S = 3600.0
_TRANSPOSED = ".T"  # ends the name of a matrix that is stored transposed


def converted_path(folder: Path, precision: str) -> Path:
    """The cached file beside a checkpoint's weights.

    Args:
        folder: The checkpoint.
        precision: ``fp32``, ``bf16`` or ``fp16``.
    """
    return folder / f"emotion-{precision}.safetensors"


def cache_path(folder: Path, precision: str) -> Path:
    """The cached file of a checkpoint whose folder cannot be written."""
    digest = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    base = platformdirs.user_cache_path("emotion") / "converted"
    return converted_path(base / f"{folder.resolve().name}-{digest}", precision)


def open_converted(folder: Path, precision: str) -> dict[str, Tensor] | None:
    """Maps a checkpoint's cached tensors.

    Args:
        folder: The checkpoint.
        precision: ``fp32``, ``bf16`` or ``fp16``.

    Returns:
        The tensors under this package's names; None where they are missing, damaged or were made
        from other weights.
    """
    for path in (converted_path(folder, precision), cache_path(folder, precision)):
        if path.is_file() and (found := _read(path, folder)) is not None:
            return found
    return None


def _read(path: Path, folder: Path) -> dict[str, Tensor] | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            if file.metadata() != fingerprint(folder):
                return None
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as e:
        logger.warning("%s is damaged (%s) and is made again", path, e)
        return None
    return {
        name.removesuffix(_TRANSPOSED): tensor.t() if name.endswith(_TRANSPOSED) else tensor
        for name, tensor in stored.items()
    }


def write_converted(
    folder: Path, state: dict[str, Tensor], precision: str, source: dict[str, str]
) -> None:
    """Caches tensors for `open_converted`.

    Args:
        folder: The checkpoint.
        state: Tensors under this package's names.
        precision: What they were made ready for.
        source: The `fingerprint` from before they were read.
    """
    tensors = {}
    for name, tensor in state.items():
        tensor = tensor.detach()
        if tensor.ndim == 2 and not tensor.is_contiguous() and tensor.t().is_contiguous():
            name, tensor = name + _TRANSPOSED, tensor.t()
        tensors[name] = tensor.contiguous()
    problem: OSError | None = None
    for path in (converted_path(folder, precision), cache_path(folder, precision)):
        try:
            _write(path, tensors, source)
        except OSError as e:
            problem = e
        else:
            return
    logger.info("%s is not cached for faster loading: %s", folder.name, problem)


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=_PREFIX, suffix=_SUFFIX)
    os.close(handle)
    try:
        save_file(tensors, name, metadata=metadata)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except SafetensorError as e:  # a full disk, say
        raise OSError(str(e)) from e
    finally:  # it has its final name, or must not stay
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _remove_abandoned(folder: Path) -> None:
    # What a process that was killed left behind; one that still writes did so lately.
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink()


def fingerprint(folder: Path) -> dict[str, str]:
    """Name, size and time of the weights file: what was made from other weights is never used."""
    source = find_weights(folder)
    if source is None:
        return {"format": _FORMAT, "source": "none"}
    stat = source.stat()
    return {"format": _FORMAT, "source": f"{source.name}-{stat.st_size}-{stat.st_mtime_ns}"}
