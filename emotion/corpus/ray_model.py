"""Puts a model on each node of a Ray cluster, once."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from filelock import FileLock
from platformdirs import user_cache_path

from emotion.core.errors import ModelError
from emotion.models.store import REQUIRED, TRANSFORMERS_REQUIRED, TRANSFORMERS_WEIGHTS, WEIGHTS

_CHUNK_BYTES: Final = 64 << 20
_NAMES: Final = (*REQUIRED, *WEIGHTS, *TRANSFORMERS_REQUIRED, *TRANSFORMERS_WEIGHTS)


@dataclass(frozen=True)
class ModelFiles:
    """A checkpoint in Ray's object store; each node that asks for it fetches it once.

    Attributes:
        folder: Where it lies on the node that it comes from.
        node: That node's id.
        digest: Of all its files.
        files: Their names and their bytes, as references to objects.
    """

    folder: Path
    node: str
    digest: str
    files: tuple[tuple[str, tuple[Any, ...]], ...]


def share_model(folder: Path) -> ModelFiles:
    """Puts a checkpoint into the object store of the cluster that this process is connected to.

    Raises:
        ModelError: It cannot be read.
    """
    import ray

    digest = hashlib.sha256()
    files = []
    try:
        for name in _files_of(folder):
            digest.update(name.encode())
            chunks = []
            with (folder / name).open("rb") as file:
                while chunk := file.read(_CHUNK_BYTES):
                    digest.update(chunk)
                    chunks.append(ray.put(chunk))
            files.append((name, tuple(chunks)))
    except OSError as e:
        raise ModelError(reason=f"{folder}: cannot be read ({e.strerror or e})") from e
    node = ray.get_runtime_context().get_node_id()
    return ModelFiles(folder, node, digest.hexdigest()[:32], tuple(files))


def place_model(shared: ModelFiles) -> Path:
    """The checkpoint's folder on the node of this process, which is made if need be.

    Raises:
        ModelError: It cannot be written.
    """
    import ray

    if ray.get_runtime_context().get_node_id() == shared.node:
        return shared.folder
    kept = user_cache_path("emotion") / "from-cluster"
    folder = kept / shared.digest / shared.folder.resolve().name  # whose name is in results
    try:
        kept.mkdir(parents=True, exist_ok=True)
        with FileLock(kept / f"{shared.digest}.lock"):  # one worker of a node writes it
            if not folder.is_dir():
                _write(shared, folder.name, kept / shared.digest)
    except OSError as e:
        raise ModelError(reason=f"{folder}: cannot be written ({e.strerror or e})") from e
    return folder


def _write(shared: ModelFiles, name: str, outer: Path) -> None:
    import ray

    partial = outer.with_name(f".{outer.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a worker that was killed
    (partial / name).mkdir(parents=True)
    for file_name, chunks in shared.files:
        with (partial / name / file_name).open("wb") as file:
            for chunk in chunks:
                file.write(ray.get(chunk))
    os.replace(partial, outer)


def _files_of(folder: Path) -> list[str]:
    """What a load reads: the files that have known names, and parts of weights."""
    names = [name for name in _NAMES if (folder / name).is_file()]
    shards = [*folder.glob("model-*-of-*.safetensors"), *folder.glob("pytorch_model-*-of-*.bin")]
    return sorted({*names, *(path.name for path in shards)})
