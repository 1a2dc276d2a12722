"""Audio classifiers of Hugging Face's transformers behind the native engine's interface.

Wav2Vec2, HuBERT, WavLM and Whisper classifiers project each frame, take the mean over time, and
classify it linearly. So the logits of single frames are as honest as emotion2vec's: their mean is
the logits of the recording. What a folder holds is never executed, and tensors that are missing are
an error instead of random numbers.
"""

from __future__ import annotations

import json
import logging
import pickle
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from emotion.core.config import SAMPLE_RATE_HZ, Precision
from emotion.core.emotion_names import emotion_of
from emotion.core.errors import CheckpointError, DeviceError, ModelError
from emotion.core.imports import large_import
from emotion.inference.device import Placement, place
from emotion.inference.engine_base import (
    EngineBase,
    FrameOutput,
    PhaseHook,
    Samples,
    in_thread,
    total_s,
)
from emotion.models.checkpoint import check_frame_rate
from emotion.models.network import ConvLayers
from emotion.models.weights_file import check_finite

logger = logging.getLogger(__name__)

BATCH_S: Final = 24.0  # seconds of audio that one caller's clips may keep others waiting
_WHISPER: Final = "whisper"
_WHISPER_SAMPLES: Final = 30 * SAMPLE_RATE_HZ  # that it hears at once, padded with silence
_WHISPER_FRAMES: Final[ConvLayers] = ((1, 400, 320),)  # its spectrogram and convolutions as one
_HARMLESS: Final = frozenset({"masked_spec_embed"})  # used in training only
_HEADS: Final = ("ForSequenceClassification", "ForAudioClassification")


class TransformersEngine(EngineBase):
    """A classifier of transformers, in float32, one clip at a time.

    Args:
        network: The classifier, on its device.
        extractor: Its feature extractor.
        placement: Where it lies.
        emotions: For each row of the head the emotion id; several may be the same.
        conv_layers: (channels, kernel, stride) of each convolution over the waveform.
    """

    name = "transformers"

    def __init__(
        self,
        network: Any,
        extractor: Any,
        placement: Placement,
        emotions: Sequence[str],
        conv_layers: ConvLayers,
    ) -> None:
        self._network = network
        self._extractor = extractor
        self._whisper = network.config.model_type == _WHISPER
        tokens = list(dict.fromkeys(emotions))
        self._rows_of = [
            [row for row, emotion in enumerate(emotions) if emotion == token] for token in tokens
        ]
        super().__init__(
            placement,
            tokens,
            conv_layers,
            embedding_dim=int(network.projector.in_features),
            cost=_padded_s if self._whisper else total_s,
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
    ) -> TransformersEngine:
        """Loads a folder in Hugging Face's layout and warms it up.

        Args:
            folder: The checkpoint.
            device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            precision: ``auto`` or ``fp32``.
            on_phase: Told each phase as it begins.

        Raises:
            CheckpointError: The folder cannot be used: its network is none of those above, does
                not give 50 frames a second, lacks a tensor, or has a label that is no emotion.
            DeviceError: The device or precision is not available.
            ModelError: transformers is not installed, or the network does not fit into memory.
        """
        return in_thread(lambda: cls._load(folder, device, precision, on_phase))

    @classmethod
    def _load(
        cls, folder: Path, device: str, precision: Precision, on_phase: PhaseHook
    ) -> TransformersEngine:
        if precision not in ("auto", "fp32"):
            reason = "classifiers of transformers compute in fp32"
            raise DeviceError(requested=f"--precision {precision}", reason=reason)
        placement = place(device, "fp32")
        on_phase("reading")
        emotions = _emotions(read_config(folder), folder)
        network, extractor = _build(folder)
        layers = _conv_layers(network.config)
        check_frame_rate(layers, folder)
        try:
            on_phase("building")
            engine = cls(network.to(placement.device), extractor, placement, emotions, layers)
            on_phase("warming")
            engine.infer(np.zeros(SAMPLE_RATE_HZ // 2, np.float32))
        except (RuntimeError, MemoryError, OSError) as e:
            reason = f"{folder.name} cannot run on {placement.device}: {e}"
            raise ModelError(reason=reason) from e
        return engine

    @torch.inference_mode()
    def _infer_batch(self, clips: list[Samples]) -> list[FrameOutput]:
        return [self._infer_clip(clip) for clip in clips]

    def _infer_clip(self, samples: Samples) -> FrameOutput:
        if not self._whisper:
            return self._heard(samples)
        starts = range(0, max(samples.size - self.minimum_samples + 1, 1), _WHISPER_SAMPLES)
        parts = [self._heard(samples[at : at + _WHISPER_SAMPLES]) for at in starts]
        return FrameOutput(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.logits for part in parts]),
        )

    def _heard(self, samples: Samples) -> FrameOutput:
        own = np.array(samples, np.float32)  # torch shares no memory that is read-only
        given = self._extractor(own, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
        name = "input_features" if self._whisper else "input_values"
        seen: list[Tensor] = []

        def note(_module: nn.Module, inputs: tuple[Tensor, ...], projected: Tensor) -> None:
            seen.extend((inputs[0], projected))

        handle = self._network.projector.register_forward_hook(note)
        try:
            logits = self._network(given[name].to(self.placement.device)).logits[0]  # (rows,)
        finally:
            handle.remove()
        count = self.num_frames(samples.size)
        features = seen[0][0, :count]  # (T, D); of Whisper's 30 s only what the clip fills
        rows = self._network.classifier(seen[1][0, :count])  # (T, rows)
        if len(rows) != count:
            raise ModelError(reason=f"the network gave {len(rows)} frames instead of {count}")
        # Their mean is the logits of the whole but for rounding, and for Whisper's padding.
        rows = rows + (logits - rows.mean(0))
        return self._output(features.cpu(), self._merged(rows, logits).cpu())

    def _merged(self, rows: Tensor, logits: Tensor) -> Tensor:
        """Adds up the probabilities of labels that mean the same: (T, rows) to (T, emotions)."""
        columns = []
        for places in self._rows_of:
            own = logits[places]
            # Exact for the recording; frames are linear around it, so that their mean stays exact.
            apart = (rows[:, places] - own) @ own.softmax(0)
            columns.append(own.logsumexp(0) + apart)
        return torch.stack(columns, dim=1)


def _padded_s(clips: Sequence[Samples]) -> float:
    """What Whisper computes: each 30 s that a clip begins."""
    parts = sum(-(-clip.size // _WHISPER_SAMPLES) for clip in clips)
    return parts * _WHISPER_SAMPLES / SAMPLE_RATE_HZ


def read_config(folder: Path) -> dict[str, Any]:
    """``config.json`` of a classifier.

    Raises:
        CheckpointError: It cannot be read, or is no audio classifier's.
    """
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        architecture = str(config["architectures"][0])
        labels = {int(row): str(name) for row, name in config["id2label"].items()}
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as e:
        raise CheckpointError(folder=folder, reason=f"config.json: {e!r}") from e
    if not architecture.endswith(_HEADS):
        reason = f"config.json: {architecture} is no audio classifier"
        raise CheckpointError(folder=folder, reason=reason)
    if (kind := config.get("problem_type")) not in (None, "single_label_classification"):
        reason = f"config.json: its head is for {kind}, not for one label of several"
        raise CheckpointError(folder=folder, reason=reason)
    if "quantization_config" in config:
        reason = "config.json: quantised weights are not supported"
        raise CheckpointError(folder=folder, reason=reason)
    return {"architecture": architecture, "labels": labels}


def _emotions(config: dict[str, Any], folder: Path) -> list[str]:
    labels: dict[int, str] = config["labels"]
    if sorted(labels) != list(range(len(labels))) or len(labels) < 2:
        raise CheckpointError(folder=folder, reason="config.json: id2label is incomplete")
    found = []
    for row in range(len(labels)):
        emotion = emotion_of(labels[row])
        if emotion is None:
            reason = f"its label {labels[row]!r} is none of the nine emotions"
            raise CheckpointError(folder=folder, reason=reason)
        found.append(emotion)
    return found


def _build(folder: Path) -> tuple[Any, Any]:
    """The network, in evaluation mode, and its feature extractor."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with large_import():
                from transformers import AutoFeatureExtractor, AutoModelForAudioClassification
            from transformers.utils import logging as their_logging
    except ImportError as e:
        raise ModelError(reason=f"transformers cannot be imported: {e}") from e
    with _silent(their_logging):
        try:
            network, info = AutoModelForAudioClassification.from_pretrained(
                str(folder),
                local_files_only=True,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are an error below
            )
            features: Any = AutoFeatureExtractor
            extractor = features.from_pretrained(str(folder), local_files_only=True)
        except (OSError, ValueError, RuntimeError, KeyError, ImportError, TypeError) as e:
            reason = f"transformers refuses it: {_first_line(e)}"
            raise CheckpointError(folder=folder, reason=reason) from e
        except pickle.UnpicklingError as e:
            reason = "its weights hold more than tensors, which is not safe to load"
            raise CheckpointError(folder=folder, reason=reason) from e
    missing = [name for name in info["missing_keys"] if name.rpartition(".")[2] not in _HARMLESS]
    if missing or info["mismatched_keys"]:
        named = sorted({*missing, *(str(key[0]) for key in info["mismatched_keys"])})
        more = f" and {len(named) - 1} more" if named[1:] else ""
        reason = f"its weights lack {named[0]}{more}, or have another shape"
        raise CheckpointError(folder=folder, reason=reason)
    heads = (getattr(network, "projector", None), getattr(network, "classifier", None))
    if not all(isinstance(head, nn.Linear) for head in heads):
        kind = type(network).__name__
        raise CheckpointError(folder=folder, reason=f"{kind} does not classify by a mean over time")
    if extractor.sampling_rate != SAMPLE_RATE_HZ:
        reason = f"it hears {extractor.sampling_rate} Hz instead of {SAMPLE_RATE_HZ} Hz"
        raise CheckpointError(folder=folder, reason=reason)
    check_finite(network.state_dict(), folder, "fp32")
    return network.eval(), extractor


class _silent:
    """Keeps transformers from reporting on stderr what is reported here."""

    def __init__(self, logging_of_theirs: Any) -> None:
        self._logging = logging_of_theirs

    def __enter__(self) -> None:
        self._level = self._logging.get_verbosity()
        self._bars: Callable[[], None] = (
            self._logging.enable_progress_bar
            if self._logging.is_progress_bar_enabled()
            else self._logging.disable_progress_bar
        )
        self._logging.set_verbosity_error()
        self._logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        self._logging.set_verbosity(self._level)
        self._bars()


def _conv_layers(config: Any) -> ConvLayers:
    if config.model_type == _WHISPER:
        return _WHISPER_FRAMES
    dims = getattr(config, "conv_dim", None) or ()
    kernels, strides = getattr(config, "conv_kernel", ()), getattr(config, "conv_stride", ())
    sizes = zip(dims, kernels, strides, strict=True)
    return tuple((int(c), int(k), int(s)) for c, k, s in sizes)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
