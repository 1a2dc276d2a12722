"""Reads a checkpoint's weights file safely and picks out the tensors that a network needs.

``model.pt`` is a pickle. It is read with ``weights_only=True``, so nothing in it is executed, and
memory-mapped, so tensors that nobody picks are never read from the disk. What else it holds (a
training run's configuration, optimizer state, teacher, decoder) is ignored.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from emotion.core.errors import CheckpointError
from emotion.models.store import WEIGHTS, find_weights

logger = logging.getLogger(__name__)

PICKLE, SAFETENSORS = WEIGHTS
# Where the table of tensors lies, in the order in which FunASR looks.
_NESTS = ("state_dict", "model_state_dict", "model")
# Prefixes of a tensor's name. Where several names mean the same tensor, FunASR takes the first.
_PREFIXES = ("module.d2v_model.", "module.", "d2v_model.", "")

Shape = tuple[int, ...]


@dataclass(frozen=True)
class WeightsFile:
    """The tensors of a weights file.

    Attributes:
        folder: The checkpoint's folder.
        state: The network's tensors under the file's own names.
        rest: Names of the tensors outside that table, such as an optimizer's.
    """

    folder: Path
    state: dict[str, Tensor]
    rest: tuple[str, ...] = ()


def read_weights(folder: Path) -> WeightsFile:
    """Opens a folder's weights file; nothing in it is executed.

    Args:
        folder: Holds ``model.pt`` or ``model.safetensors``.

    Raises:
        CheckpointError: The file is missing, damaged, or holds more than plain data.
    """
    path = find_weights(folder)
    if path is None:
        raise CheckpointError(folder=folder, reason=f"{PICKLE}: no such file")
    if path.name == SAFETENSORS:
        return WeightsFile(folder, _read_safetensors(path))
    try:
        data = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except MemoryError:
        raise  # says nothing about the file
    except Exception as e:  # a damaged pickle fails in any way: KeyError, AssertionError and more
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise CheckpointError(folder=folder, reason=f"{PICKLE} is damaged: {reason}") from e
    outside: dict[str, object] = {}
    for key in _NESTS:
        if isinstance(data, dict) and isinstance(data.get(key), dict):
            outside |= {str(name): value for name, value in data.items() if name != key}
            data = data[key]
    if not isinstance(data, dict):
        raise CheckpointError(folder=folder, reason=f"{PICKLE} holds no table of tensors")
    return WeightsFile(folder, dict(_flat(data)), tuple(name for name, _ in _flat(outside)))


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as e:
        raise CheckpointError(folder=path.parent, reason=f"{path.name} is damaged: {e}") from e


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _flat(table: object, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    # The tensors of nested tables and lists, under dotted names.
    if isinstance(table, Tensor):
        yield prefix, table
        return
    if isinstance(table, Mapping):
        items = list(table.items())
    elif isinstance(table, (list, tuple)):
        items = list(enumerate(table))
    else:
        return
    for name, value in items:
        yield from _flat(value, f"{prefix}.{name}" if prefix else str(name))


def pick(
    file: WeightsFile, wanted: Mapping[str, Shape], rename: Callable[[str], str] = str
) -> dict[str, Tensor]:
    """The tensors that a network needs, by name and shape; counts in the log what is ignored.

    Args:
        file: Where they come from.
        wanted: Name and shape of each tensor of the network.
        rename: Turns a name of the file, without its prefix, into one of the network's; an empty
            one for a name that it does not know.

    Raises:
        CheckpointError: Lists every tensor that is missing or has the wrong shape.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for name in file.state:
        rank, prefix = next((i, p) for i, p in enumerate(_PREFIXES) if name.startswith(p))
        ours = rename(name.removeprefix(prefix))
        if ours in wanted:
            found.setdefault(ours, []).append((rank, name))
    picked: dict[str, str] = {}
    problems = []
    for ours, shape in wanted.items():
        names = [name for _, name in sorted(found.get(ours, ()))]
        fitting = [name for name in names if file.state[name].shape == shape]
        if fitting:
            picked[ours] = fitting[0]
        elif names:
            there = tuple(file.state[names[0]].shape)
            problems.append(f"{ours} is {there}, but config.yaml and tokens.txt make it {shape}")
        else:
            problems.append(f"missing {ours} {shape}")
    if problems:
        reason = f"{len(problems)} tensor(s) do not fit: " + "; ".join(sorted(problems))
        raise CheckpointError(folder=file.folder, reason=reason)
    _log_ignored(file, set(picked.values()))
    return {ours: file.state[name] for ours, name in picked.items()}


def _log_ignored(file: WeightsFile, used: set[str]) -> None:
    parts = [name.split(".") for name in used]
    inside = {tuple(name[:length]) for name in parts for length in range(1, len(name))}
    ignored: Counter[str] = Counter(name.split(".")[0] for name in file.rest)
    for name in file.state.keys() - used:
        words = name.split(".")
        length = next((n for n in range(1, len(words)) if tuple(words[:n]) not in inside), None)
        ignored[".".join(words[:length])] += 1  # the shortest prefix that no used tensor has
    if ignored:
        listed = ", ".join(f"{prefix} ({count})" for prefix, count in sorted(ignored.items()))
        logger.info("%s: ignored %d tensors: %s", file.folder.name, ignored.total(), listed)


def check_finite(state: Mapping[str, Tensor], folder: Path, precision: str) -> None:
    """Refuses values that the number format cannot hold.

    Raises:
        CheckpointError: Lists the tensors with values that are not finite.
    """
    broken = [name for name, tensor in state.items() if not bool(tensor.isfinite().all())]
    if broken:
        what = f"{len(broken)} tensor(s) hold values that are not finite in {precision}"
        raise CheckpointError(folder=folder, reason=f"{what}: {', '.join(broken)}")
