"""The engines that are compared, behind one small interface. Each runs in a process of its own."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emotion.core.config import SAMPLE_RATE_HZ, EngineConfig, Precision
from emotion.core.errors import ConfigError
from emotion.core.labels import LABELS, parse_token

if TYPE_CHECKING:
    from emotion.inference.engine_base import FrameOutput

Samples = NDArray[np.float32]

# The first call is slow for every engine; `Engine.load` begins with one about as short.
_WARM_UP = np.zeros(SAMPLE_RATE_HZ // 5, np.float32)


@dataclass(frozen=True)
class Answer:
    """What an engine says of a clip.

    Attributes:
        scores: By label; the labels are the engine's own.
        embedding: (D,), mean of the frame features; empty where the engine gives none.
    """

    scores: dict[str, float]
    embedding: list[float]


class Backend(Protocol):
    """An engine, loaded and ready."""

    precision: str

    def infer(self, samples: Samples) -> Answer:
        """One clip: float32, (samples,), 16 kHz."""

    def infer_many(self, clips: list[Samples]) -> list[Answer]:
        """Many clips at once, as this engine does it best; in their order."""


def open_backend(engine: str, model: Path, device: str, precision: Precision) -> Backend:
    """Loads an engine.

    Args:
        engine: ``emotion`` (this package), ``funasr`` or ``hf`` (a transformers classifier).
        model: The checkpoint's folder.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        precision: Number format, for this package only; the others run in float32.

    Raises:
        ConfigError: No such engine.
    """
    if engine == "emotion":
        return _Emotion(model, device, precision)
    if engine == "funasr":
        return _Funasr(model, _plain(device))
    if engine == "hf":
        return _HuggingFace(model, _plain(device))
    raise ConfigError(option="against", value=engine, expected="funasr, hf:DIR or tree:DIR")


def _plain(device: str) -> str:
    import torch

    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    return device


class _Emotion:
    def __init__(self, model: Path, device: str, precision: Precision) -> None:
        from emotion.recognition.opening import load_engine  # other engines must not wait for it

        config = EngineConfig(engine="native", device=device, precision=precision)
        self._engine, _ = load_engine(model, config)
        self.precision = self._engine.placement.precision

    def infer(self, samples: Samples) -> Answer:
        return self._answer(self._engine.infer(samples))

    def infer_many(self, clips: list[Samples]) -> list[Answer]:
        # Frame features are let go of as soon as they are pooled.
        answers = {i: self._answer(output) for i, output in self._engine.infer_many(clips)}
        return [answers[i] for i in range(len(clips))]

    @staticmethod
    def _answer(output: FrameOutput) -> Answer:
        from emotion.recognition.aggregation import softmax

        scores = softmax(output.logits.mean(0, dtype=np.float64))
        embedding = output.features.mean(0, dtype=np.float64)
        return Answer(dict(zip(LABELS, scores.tolist(), strict=True)), embedding.tolist())


class _Funasr:
    precision = "fp32"

    def __init__(self, model: Path, device: str) -> None:
        from funasr import AutoModel

        self._model: Any = AutoModel(
            model=str(model),
            device=device,
            ncpu=os.cpu_count(),  # its default of 4 is slower on two cores
            disable_update=True,
            disable_pbar=True,
            disable_log=True,
        )
        self.infer(_WARM_UP)

    def infer(self, samples: Samples) -> Answer:
        return self._answers(samples)[0]

    def infer_many(self, clips: list[Samples]) -> list[Answer]:
        return self._answers(clips)

    def _answers(self, sounds: Samples | list[Samples]) -> list[Answer]:
        answers = []
        for found in self._model.generate(sounds, granularity="utterance", extract_embedding=True):
            pairs = zip(found["labels"], found["scores"], strict=True)
            scores = {parse_token(label) or label: float(score) for label, score in pairs}
            answers.append(Answer(scores, [float(value) for value in found["feats"]]))
        return answers


class _HuggingFace:
    precision = "fp32"

    def __init__(self, model: Path, device: str) -> None:
        from transformers import pipeline

        self._pipe: Any = pipeline("audio-classification", model=str(model), device=device)
        self.infer(_WARM_UP)

    def infer(self, samples: Samples) -> Answer:
        return _scores_of(self._pipe({"raw": samples, "sampling_rate": SAMPLE_RATE_HZ}, top_k=None))

    def infer_many(self, clips: list[Samples]) -> list[Answer]:
        rows = [{"raw": clip, "sampling_rate": SAMPLE_RATE_HZ} for clip in clips]
        return [_scores_of(found) for found in self._pipe(rows, top_k=None, batch_size=8)]


def _scores_of(found: list[dict[str, Any]]) -> Answer:
    return Answer({str(label["label"]): float(label["score"]) for label in found}, [])
