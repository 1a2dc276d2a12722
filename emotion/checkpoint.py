"""A folder in FunASR's layout to a ready network: strict, safe, and fast the second time.

``model.pt`` is a pickle and is read with ``weights_only=True``; nothing in the folder is executed.
Its first load in a precision writes ``model.safetensors`` or ``model.bf16.safetensors`` beside it,
with this package's tensor names and without what inference does not need; later loads map that.
"""

from __future__ import annotations

import ast
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from emotion.converted import SOURCE as WEIGHTS
from emotion.converted import Converted, open_converted, write_converted
from emotion.device import DTYPES
from emotion.errors import CheckpointError
from emotion.labels import parse_token
from emotion.model import Emotion2vec, ModelConfig

_SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the first is an eighth of the time
_ENCODER = r"^modality_encoders\.AUDIO\."
# FunASR's tensor names, after removal of prefixes, to this package's.
_NAMES: tuple[tuple[str, str], ...] = (
    (_ENCODER + r"(extra_tokens|alibi_scale)$", r"\1"),
    (_ENCODER + r"local_encoder\.conv_layers\.(\d+)\.0\.weight$", r"convs.\1.weight"),
    (_ENCODER + r"local_encoder\.conv_layers\.(\d+)\.2\.1\.(\w+)$", r"convs.\1.norm.\2"),
    (_ENCODER + r"project_features\.1\.(\w+)$", r"project_norm.\1"),
    (_ENCODER + r"project_features\.2\.(\w+)$", r"project.\1"),
    (_ENCODER + r"relative_positional_encoder\.(\d+)\.0\.(\w+)$", r"position.convs.#\1.\2"),
    (_ENCODER + r"context_encoder\.norm\.(\w+)$", r"context_norm.\1"),
    (_ENCODER + r"context_encoder\.blocks\.(\d+)\.(.+)$", r"blocks.\1.\2"),
    (r"^blocks\.(\d+)\.(.+)$", r"blocks.+\1.\2"),
    (r"^proj\.(\w+)$", r"head.\1"),
)
_BLOCK_PARTS = {"attn.qkv": "qkv", "attn.proj": "out", "mlp.fc1": "fc1", "mlp.fc2": "fc2"}
# Parts of pre-training that inference does not need.
_UNUSED = re.compile(
    r"^_ema\.|(^|\.)decoder\.|^(recon_proj|mask_emb)|^modality_encoders\.AUDIO\.recon"
)


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint.

    Attributes:
        model: The network in evaluation mode, on the CPU; head and ALiBi scale are float32.
        tokens: For each row of the head the emotion id, or None for a slot never scored.
        folder: Where it came from.
        mapped: Whose memory the tensors share, if any.
    """

    model: Emotion2vec
    tokens: tuple[str | None, ...]
    folder: Path
    mapped: Converted | None = None


def load_checkpoint(
    folder: Path,
    precision: str = "fp32",
    *,
    converted: Converted | None = None,
    convert: bool = True,
) -> Checkpoint:
    """Loads a folder in FunASR's layout.

    Args:
        folder: Holds ``config.yaml``, ``tokens.txt`` and ``model.pt``.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        converted: One of the folder's, where one was opened already.
        convert: Whether a first load may write a converted file.

    Raises:
        CheckpointError: A file is missing or unreadable, the architecture is not one that the
            network computes, or any tensor is missing, unexpected, mis-shaped or not finite.
    """
    tokens = read_tokens(folder)
    config = read_config(folder, num_tokens=len(tokens))
    with torch.device("meta"):
        model = Emotion2vec(config)
    if converted is None or converted.precision != precision:
        converted = open_converted(folder, precision)
    if converted is not None:
        state = in_precision(converted.tensors(), precision)  # copies nothing, but for old files
    else:
        state = _read_source(model, folder, precision)
        if convert:
            write_converted(folder, state, precision)
            converted = open_converted(folder, precision)
            state = converted.tensors() if converted else state
    check_state(model, state, folder)
    model.load_state_dict(state, assign=True)
    return Checkpoint(model.eval(), tokens, folder, converted)


def _read_source(model: Emotion2vec, folder: Path, precision: str) -> dict[str, Tensor]:
    whole = open_converted(folder, "fp32") if precision != "fp32" else None
    if whole is not None:
        state = whole.tensors()
    else:
        state = to_native(read_pickle(folder), model.config.prenet_depth)
    check_state(model, state, folder)
    state = in_precision(state, precision)
    _check_finite(state, folder, precision)
    return state


def in_precision(state: dict[str, Tensor], precision: str) -> dict[str, Tensor]:
    """The tensors as the network computes with them; the head and the ALiBi scale in float32.

    Args:
        state: By this package's names.
        precision: ``fp32``, ``bf16`` or ``fp16``. For the last two the weights of linear layers
            are laid out by columns: products in half precision read those in down to half the time.
    """
    dtype, found = DTYPES[precision], {}
    for name, tensor in state.items():
        if name.startswith("head.") or name == "alibi_scale" or precision == "fp32":
            found[name] = tensor.float()
        elif tensor.ndim == 2:
            found[name] = tensor.to(dtype).t().contiguous().t()
        else:
            found[name] = tensor.to(dtype)
    return found


def read_tokens(folder: Path) -> tuple[str | None, ...]:
    """The emotion id of each row of the head.

    Raises:
        CheckpointError: No ``tokens.txt``, or an entry that names no emotion, or one twice.
    """
    path = folder / "tokens.txt"
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        tokens = tuple(parse_token(line.strip()) for line in lines if line.strip())
    except OSError as e:
        raise CheckpointError(folder=folder, reason=f"tokens.txt: {e.strerror}") from e
    except ValueError as e:
        raise CheckpointError(folder=folder, reason=f"tokens.txt: {e}") from e
    named = [token for token in tokens if token is not None]
    if not named or len(set(named)) < len(named):
        raise CheckpointError(folder=folder, reason=f"tokens.txt names {named}, each may come once")
    return tokens


def read_config(folder: Path, *, num_tokens: int) -> ModelConfig:
    """The network's sizes from ``config.yaml``.

    Raises:
        CheckpointError: No such file, not an emotion2vec, or a variant that is not computed here.
    """
    try:
        text = (folder / "config.yaml").read_text(encoding="utf-8")
        conf = yaml.load(text, Loader=_SAFE_LOADER)["model_conf"]
        audio = conf["modalities"]["audio"]
        _refuse_variants(conf, audio)
        blocks = int(audio["prenet_depth"]) + int(conf["depth"])
        heads = int(conf["num_heads"])
        pos_depth = int(audio["conv_pos_depth"])
        return ModelConfig(
            feature_encoder=parse_feature_spec(str(audio["feature_encoder_spec"])),
            embed_dim=int(conf["embed_dim"]),
            num_heads=heads,
            prenet_depth=int(audio["prenet_depth"]),
            depth=int(conf["depth"]),
            mlp_dim=int(int(conf["embed_dim"]) * float(conf["mlp_ratio"])),
            pos_depth=pos_depth,
            pos_kernel=max(3, int(audio["conv_pos_width"]) // pos_depth),
            pos_groups=int(audio["conv_pos_groups"]),
            num_extra_tokens=int(audio["num_extra_tokens"]),
            alibi_scales=blocks if audio["learned_alibi_scale_per_layer"] else 1,
            alibi_heads=heads if audio["learned_alibi_scale_per_head"] else 1,
            normalize=bool(conf["normalize"]),
            num_tokens=num_tokens,
        )
    except OSError as e:
        raise CheckpointError(folder=folder, reason=f"config.yaml: {e.strerror}") from e
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as e:
        raise CheckpointError(folder=folder, reason=f"config.yaml: {e!r}") from e


def _refuse_variants(conf: dict[str, Any], audio: dict[str, Any]) -> None:
    expected = (
        (conf, "layer_norm_first", False),
        (conf, "norm_affine", True),
        (audio, "extractor_mode", "layer_norm"),
        (audio, "use_alibi_encoder", True),
        (audio, "learned_alibi", False),
        (audio, "conv_pos_pre_ln", False),
    )
    for where, name, value in expected:
        if where.get(name, value) != value:
            raise ValueError(f"{name} is {where[name]}, only {value} is supported")
    if float(conf.get("norm_eps", 1e-5)) != 1e-5:
        raise ValueError(f"norm_eps is {conf['norm_eps']}, only 1e-05 is supported")
    if int(audio.get("num_alibi_heads", conf["num_heads"])) != int(conf["num_heads"]):
        raise ValueError(f"num_alibi_heads is not num_heads ({conf['num_heads']})")


def parse_feature_spec(text: str) -> tuple[tuple[int, int, int], ...]:
    """Reads ``[(512, 10, 5)] + [(512, 3, 2)] * 4`` without executing it.

    Raises:
        ValueError: Anything but lists of three whole numbers, joined by + and *.
    """

    def visit(node: ast.expr) -> list[tuple[int, ...]]:
        match node:
            case ast.List(elts=elements):
                return [tuple(ast.literal_eval(element)) for element in elements]
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return visit(left) + visit(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=ast.Constant(value=int(times))):
                if 0 < times <= 64:
                    return visit(left) * times
        raise ValueError("expected lists of (channels, kernel, stride), joined by + and *")

    try:
        layers = visit(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, TypeError, ValueError) as e:
        raise ValueError(f"feature_encoder_spec {text!r} is not understood") from e
    spec = []
    for layer in layers:
        if len(layer) != 3 or not all(isinstance(n, int) and n > 0 for n in layer):
            raise ValueError(f"feature_encoder_spec: {layer} is not (channels, kernel, stride)")
        spec.append((layer[0], layer[1], layer[2]))
    return tuple(spec)


def read_pickle(folder: Path) -> dict[str, Tensor]:
    """The tensors of ``model.pt`` under FunASR's names, without prefixes and unused parts.

    Raises:
        CheckpointError: Missing, damaged, or holding more than tensors.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise CheckpointError(folder=folder, reason=f"{WEIGHTS}: no such file")
    try:
        data = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as e:
        reason = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise CheckpointError(folder=folder, reason=f"{WEIGHTS} is damaged: {reason}") from e
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(data, dict) and isinstance(data.get(key), dict):
            data = data[key]
    if not isinstance(data, dict):
        raise CheckpointError(folder=folder, reason=f"{WEIGHTS} holds no table of tensors")
    state = {}
    for name, tensor in data.items():
        name = re.sub(r"^(module\.|d2v_model\.)+", "", str(name))
        if isinstance(tensor, Tensor) and not _UNUSED.search(name):
            state[name] = tensor
    return state


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def to_native(state: dict[str, Tensor], prenet_depth: int) -> dict[str, Tensor]:
    """Renames FunASR's tensors to this package's; names that are not known stay as they are."""
    return {native_name(name, prenet_depth): tensor for name, tensor in state.items()}


def native_name(name: str, prenet_depth: int) -> str:
    """This package's name of one of FunASR's tensors."""
    for pattern, replacement in _NAMES:
        new, hits = re.subn(pattern, replacement, name)
        if hits:
            break
    else:
        return name
    # "#n" counts from one, "+n" goes on after the audio encoder's own blocks.
    new = re.sub(r"#(\d+)", lambda m: str(int(m[1]) - 1), new)
    new = re.sub(r"\+(\d+)", lambda m: str(int(m[1]) + prenet_depth), new)
    if new.startswith("blocks."):
        for theirs, ours in _BLOCK_PARTS.items():
            new = new.replace(f".{theirs}.", f".{ours}.")
    return new


def check_state(model: Emotion2vec, state: dict[str, Tensor], folder: Path) -> None:
    """Compares names and shapes, both ways.

    Raises:
        CheckpointError: Lists every tensor that is missing, unexpected or mis-shaped.
    """
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    problems = [f"missing {name} {expected[name]}" for name in expected.keys() - found.keys()]
    problems += [f"unexpected {name} {found[name]}" for name in found.keys() - expected.keys()]
    problems += [
        f"{name} is {found[name]}, but config.yaml and tokens.txt make it {expected[name]}"
        for name in expected.keys() & found.keys()
        if expected[name] != found[name]
    ]
    if problems:
        count = len(problems)
        reason = f"{count} tensor(s) do not fit: " + "; ".join(sorted(problems))
        raise CheckpointError(folder=folder, reason=reason)


def _check_finite(state: dict[str, Tensor], folder: Path, precision: str) -> None:
    # Once, when a checkpoint is converted: a load runs only a part of the network.
    broken = [name for name, tensor in state.items() if not bool(tensor.isfinite().all())]
    if broken:
        what = f"{len(broken)} tensor(s) hold values that are not finite in {precision}"
        reason = f"{what}: {', '.join(broken)}"
        raise CheckpointError(folder=folder, reason=reason)
