"""Models side by side on the same recordings, each in a process of its own, one after the other."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from emotion.core.config import Config
from emotion.core.labels import LABELS
from emotion.core.paths import PROJECT_DIR
from emotion.evaluation.answers import Answer
from emotion.evaluation.child import Spec
from emotion.evaluation.evaluation import Evaluation
from emotion.evaluation.samples import Labelled

logger = logging.getLogger(__name__)

_CONFUSIONS: Final = 3
_WORDS: Final = 300  # characters of what a process said last


@dataclass(frozen=True)
class Row:
    """One model of a comparison.

    Attributes:
        model: What was asked for.
        error: Why there are no figures; None where there are.
        public: The same for visitors, without paths: ``zh`` and ``en``; None where it has none.
        load_s: From the start of the process until the model was ready, imports included.
        latency_s: Mean of single recordings, decoding included.
        took_s: All recordings together, as fast as the model can.
        peak_bytes: Most memory of its process.
        gpu_bytes: Most memory that it reserved on the GPU; None on a CPU.
        facts: As of `emotion.evaluation.contenders.Facts`.
        evaluation: How good it is.
    """

    model: str
    error: str | None = None
    public: Mapping[str, str] | None = None
    load_s: float | None = None
    latency_s: float | None = None
    took_s: float | None = None
    peak_bytes: int | None = None
    gpu_bytes: int | None = None
    facts: Mapping[str, Any] | None = None
    evaluation: Evaluation | None = None

    @property
    def title(self) -> str:
        """Its name for people."""
        return str(self.facts["title"]) if self.facts else self.model

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists; of the evaluation what a table of models needs."""
        found: dict[str, Any] = {
            "model": self.model,
            "title": self.title,
            "error": self.error,
            "public": self.public,
        }
        if self.evaluation is None:
            return found
        measured = {
            "load_s": self.load_s,
            "latency_s": self.latency_s,
            "took_s": self.took_s,
            "peak_bytes": self.peak_bytes,
            "gpu_bytes": self.gpu_bytes,
        }
        return {
            **found,
            **measured,
            **dict(self.facts or {}),
            "failed": len(self.evaluation.failed),
            "overall": self.evaluation.overall.to_dict(),
            "confusions": confusions(self.evaluation),
        }


def confusions(evaluation: Evaluation, most: int = _CONFUSIONS) -> list[dict[str, Any]]:
    """The most frequent confusions, by their share of the reference class.

    Args:
        evaluation: Of one model.
        most: How many.
    """
    counts = evaluation.overall.figures.confusion
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    np.fill_diagonal(shares, 0)
    order = np.argsort(-shares, axis=None, kind="stable")[:most]
    places = zip(*np.unravel_index(order, shares.shape), strict=True)
    return [
        {"reference": LABELS[i], "predicted": LABELS[k], "share": float(shares[i, k])}
        for i, k in places
        if shares[i, k] > 0
    ]


def compare_models(
    models: Sequence[str],
    labelled: Labelled,
    config: Config,
    labels: Sequence[str] = LABELS,
    told: Callable[[Row], None] = lambda row: None,
) -> list[Row]:
    """Measures models on the same recordings; one that fails is a row that says so.

    Args:
        models: As `emotion.evaluation.contenders.opened` takes them.
        labelled: The recordings.
        config: Device, precision, folder of models and limits.
        labels: The emotions that compete.
        told: Told each row as it comes.
    """
    rows = []
    for name in models:
        spec = Spec(name, labels, labelled, config)
        began = time.monotonic()
        found = _child(spec)
        row = _row(name, found, began, labelled, labels)
        rows.append(row)
        told(row)
    return rows


def _row(
    name: str, found: Mapping[str, Any], began: float, labelled: Labelled, labels: Sequence[str]
) -> Row:
    if "error" in found:
        return Row(name, error=str(found["error"]), public=found.get("public"))
    answers = [
        Answer(error=one) if isinstance(one, str) else Answer(np.array(one))
        for one in found["answers"]
    ]
    evaluation = Evaluation(labelled, answers, labels)
    if not evaluation.samples:
        return Row(name, error=f"no recording could be recognised: {evaluation.failed[0][1]}")
    return Row(
        name,
        load_s=found["ready_at"] - began,
        latency_s=found["latency_s"],
        took_s=found["took_s"],
        peak_bytes=found["peak_bytes"],
        gpu_bytes=found["gpu_bytes"],
        facts=found["facts"],
        evaluation=evaluation,
    )


def _child(spec: Spec) -> dict[str, Any]:
    command = [sys.executable, "-m", "emotion.evaluation.child"]
    path = os.pathsep.join(filter(None, (str(PROJECT_DIR), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        command, input=spec.dumps(), capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return {"error": f"its process ended with {done.returncode}: {last[:_WORDS]}"}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
