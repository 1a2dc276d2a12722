"""FunASR's own network behind the native engine's interface.

The reference implementation answers on request (``--engine funasr``), and for checkpoints that the
native network refuses, such as variants of the architecture. FunASR evaluates a string of
``config.yaml`` and goes on with random weights where a tensor is missing. So this module first
makes the checks that keep loading safe, and fills the network itself, with the loader that the
native engine uses. FunASR is imported only then.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emotion.core.config import SAMPLE_RATE_HZ, Precision
from emotion.core.errors import CheckpointError, DeviceError, ModelError
from emotion.inference.device import Placement, place
from emotion.inference.engine_base import (
    EngineBase,
    FrameOutput,
    PhaseHook,
    Samples,
    in_thread,
    to_tensor,
    total_s,
)
from emotion.models.checkpoint import (
    check_frame_rate,
    parse_feature_spec,
    read_model_conf,
    read_tokens,
)
from emotion.models.network import ConvLayers
from emotion.models.weights_file import WeightsFile, check_finite, pick, read_weights

logger = logging.getLogger(__name__)

BATCH_S = 24.0  # seconds of audio that one caller's clips may keep others waiting


class FunasrEngine(EngineBase):
    """Emotion2Vec by FunASR's network, in float32, one clip at a time.

    Args:
        network: ``funasr.models.emotion2vec.model.Emotion2vec``, filled, on its device.
        placement: Where it lies.
        tokens: For each row of the head the emotion id, or None for a slot never scored.
        conv_layers: (channels, kernel, stride) of each convolution over the waveform.
    """

    name = "funasr"

    def __init__(
        self,
        network: Any,
        placement: Placement,
        tokens: tuple[str | None, ...],
        conv_layers: ConvLayers,
    ) -> None:
        self._network = network
        super().__init__(
            placement,
            tokens,
            conv_layers,
            embedding_dim=int(network.cfg.embed_dim),
            cost=total_s,
            batch_s=BATCH_S,
        )

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        on_phase: PhaseHook = lambda phase: None,
    ) -> FunasrEngine:
        """Loads a folder in FunASR's layout and warms it up.

        Args:
            folder: The checkpoint.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            precision: ``auto`` or ``fp32``; FunASR computes in float32.
            on_phase: Told each phase as it begins.

        Raises:
            CheckpointError: The folder cannot be used, or FunASR's network is not one of 50
                frames a second.
            DeviceError: The device or precision is not available.
            ModelError: FunASR is not installed, or the network does not fit into memory.
        """
        return in_thread(lambda: cls._load(folder, device, precision, on_phase))

    @classmethod
    def _load(
        cls, folder: Path, device: str, precision: Precision, on_phase: PhaseHook
    ) -> FunasrEngine:
        if precision not in ("auto", "fp32"):
            reason = "FunASR computes in fp32"
            raise DeviceError(requested=f"--precision {precision}", reason=reason)
        placement = place(device, "fp32")
        on_phase("reading")
        tokens = read_tokens(folder)
        conf, layers = _checked_conf(folder)
        weights = read_weights(folder)
        try:
            on_phase("building")
            network = _build(conf, len(tokens), folder)
            _fill(network, weights, folder)
            engine = cls(network.to(placement.device), placement, tokens, layers)
            on_phase("warming")
            engine.infer(np.zeros(SAMPLE_RATE_HZ // 5, np.float32))
        except (RuntimeError, MemoryError, OSError) as e:
            reason = f"FunASR cannot run {folder.name} on {placement.device}: {e}"
            raise ModelError(reason=reason) from e
        return engine

    @torch.inference_mode()
    def _infer_batch(self, clips: list[Samples]) -> list[FrameOutput]:
        return [self._infer_clip(to_tensor(clip)) for clip in clips]

    def _infer_clip(self, samples: torch.Tensor) -> FrameOutput:
        wave = samples.to(self.placement.device)
        if self._network.cfg.normalize:
            wave = torch.nn.functional.layer_norm(wave, wave.shape)
        features = self._network.extract_features(wave[None])["x"][0]  # (T, D)
        return self._output(features.cpu(), self._network.proj(features).cpu())


def _checked_conf(folder: Path) -> tuple[dict[str, Any], ConvLayers]:
    # FunASR's options, safe to evaluate, and the convolutions that they describe.
    conf = read_model_conf(folder)
    try:
        audio = dict(conf["modalities"]["audio"])
        layers = parse_feature_spec(str(audio["feature_encoder_spec"]))
    except (KeyError, TypeError, ValueError) as e:
        raise CheckpointError(folder=folder, reason=f"config.yaml: {e!r}") from e
    check_frame_rate(layers, folder)
    audio["feature_encoder_spec"] = repr(list(layers))  # only numbers are left to evaluate
    audio["decoder"] = None  # serves pre-training only
    return {**conf, "modalities": {"audio": audio}}, layers


def _build(conf: dict[str, Any], num_tokens: int, folder: Path) -> Any:
    threads, level = torch.get_num_threads(), logging.root.level
    try:
        # Its imports warn of many things, none of them ours, and without a system-wide FFmpeg they
        # print a notice, which must not get between the lines of `--json`.
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            from funasr.models.emotion2vec.model import Emotion2vec
        return Emotion2vec(model_conf=conf, vocab_size=num_tokens).eval()
    except ImportError as e:
        raise ModelError(reason=f"FunASR cannot be imported: {e}") from e
    except Exception as e:  # it trusts its options, and so fails in any way
        raise CheckpointError(folder=folder, reason=f"FunASR refuses config.yaml: {e!r}") from e
    finally:
        torch.set_num_threads(threads)
        logging.root.setLevel(level)


def _fill(network: Any, weights: WeightsFile, folder: Path) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    state = {name: tensor.float() for name, tensor in pick(weights, shapes).items()}
    check_finite(state, folder, "fp32")
    network.load_state_dict(state)
