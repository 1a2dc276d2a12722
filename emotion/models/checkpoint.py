"""Loads a folder in FunASR's layout into a ready network.

Nothing in the folder is executed. What the network needs must be there with the right shape; what
else ``model.pt`` holds is ignored. The first load in a precision caches the tensors under this
package's names, later loads map that file (see `emotion.models.converted`).
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from emotion.core.config import SAMPLE_RATE_HZ
from emotion.core.errors import CheckpointError
from emotion.core.labels import parse_token
from emotion.models.converted import fingerprint, open_converted, write_converted
from emotion.models.network import ConvLayers, Emotion2vec, ModelConfig, hop_samples
from emotion.models.numerics import DTYPES
from emotion.models.weights_file import check_finite, pick, read_weights

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


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint.

    Attributes:
        model: The network in evaluation mode, on the CPU; head and ALiBi scale are float32.
        tokens: For each row of the head the emotion id, or None for a slot never scored.
        folder: Where it came from.
    """

    model: Emotion2vec
    tokens: tuple[str | None, ...]
    folder: Path


def load_checkpoint(folder: Path, precision: str = "fp32", *, cache: bool = True) -> Checkpoint:
    """Loads a folder in FunASR's layout.

    Args:
        folder: Holds ``config.yaml``, ``tokens.txt`` and ``model.pt`` or ``model.safetensors``.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        cache: Whether a first load may write a file that makes later ones faster.

    Raises:
        CheckpointError: A file is missing or unreadable, the architecture is not one that the
            network computes, or a tensor that it needs is missing, mis-shaped or not finite.
    """
    tokens = read_tokens(folder)
    config = read_config(folder, num_tokens=len(tokens))
    with torch.device("meta"):
        model = Emotion2vec(config)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    state = open_converted(folder, precision)
    if state is None or {name: tuple(tensor.shape) for name, tensor in state.items()} != shapes:
        source = fingerprint(folder)
        rename = partial(native_name, prenet_depth=config.prenet_depth)
        state = in_precision(pick(read_weights(folder), shapes, rename), precision)
        check_finite(state, folder, precision)
        if cache:
            write_converted(folder, state, precision, source)
            state = open_converted(folder, precision) or state
    model.load_state_dict(state, assign=True)
    return Checkpoint(model.eval(), tokens, folder)


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
    conf = read_model_conf(folder)
    try:
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
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise CheckpointError(folder=folder, reason=f"config.yaml: {e!r}") from e


def check_frame_rate(layers: ConvLayers, folder: Path) -> None:
    """Refuses a network that does not give 50 frames a second.

    Raises:
        CheckpointError: It does not.
    """
    hop, wanted = hop_samples(layers), SAMPLE_RATE_HZ // 50
    if hop != wanted:
        raise CheckpointError(
            folder=folder, reason=f"the hop is {hop} samples, but must be {wanted}"
        )


def read_model_conf(folder: Path) -> dict[str, Any]:
    """The table ``model_conf`` of ``config.yaml``.

    Raises:
        CheckpointError: No such file, or no such table in it.
    """
    try:
        text = (folder / "config.yaml").read_text(encoding="utf-8")
        conf = yaml.load(text, Loader=_SAFE_LOADER)["model_conf"]
    except OSError as e:
        raise CheckpointError(folder=folder, reason=f"config.yaml: {e.strerror}") from e
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as e:
        raise CheckpointError(folder=folder, reason=f"config.yaml: {e!r}") from e
    if not isinstance(conf, dict):
        raise CheckpointError(folder=folder, reason="config.yaml: model_conf is not a table")
    return conf


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


def native_name(name: str, prenet_depth: int) -> str:
    """This package's name of one of FunASR's tensors; empty where the network has no such one."""
    for pattern, replacement in _NAMES:
        new, hits = re.subn(pattern, replacement, name)
        if hits:
            break
    else:
        return ""  # even if it reads like one of ours
    # "#n" counts from one, "+n" goes on after the audio encoder's own blocks.
    new = re.sub(r"#(\d+)", lambda m: str(int(m[1]) - 1), new)
    new = re.sub(r"\+(\d+)", lambda m: str(int(m[1]) + prenet_depth), new)
    if new.startswith("blocks."):
        for theirs, ours in _BLOCK_PARTS.items():
            new = new.replace(f".{theirs}.", f".{ours}.")
    return new
