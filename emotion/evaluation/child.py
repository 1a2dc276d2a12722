"""One model measured in a fresh process: ``python -m emotion.evaluation.child``, told on stdin.

Prints one JSON line: what was found, or ``error``. Moments are on the system's monotonic clock,
which the parent shares.
"""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from emotion.core.config import AudioConfig, Config, EngineConfig
from emotion.core.errors import EmotionError
from emotion.core.i18n import public_pair
from emotion.corpus.remote import Remote
from emotion.evaluation.answers import answer_all
from emotion.evaluation.contenders import opened
from emotion.evaluation.samples import Labelled, Sample

ALONE: Final = 20  # recordings whose latency is measured, one at a time


@dataclass(frozen=True)
class Spec:
    """What a child measures.

    Attributes:
        model: As `emotion.evaluation.contenders.opened` takes it.
        labels: The emotions that compete.
        labelled: The recordings.
        config: ``audio`` and ``engine`` count.
    """

    model: str
    labels: Sequence[str]
    labelled: Labelled
    config: Config

    def dumps(self) -> str:
        """As one line of JSON."""
        data = {
            "model": self.model,
            "labels": list(self.labels),
            "samples": [asdict(sample) for sample in self.labelled.samples],
            "emotions": self.labelled.emotions,
            "audio": asdict(self.config.audio),
            "engine": asdict(self.config.engine),
        }
        return json.dumps(data, default=str)

    @classmethod
    def loads(cls, text: str) -> Spec:
        """The inverse of `dumps`; without the table of labels."""
        data = json.loads(text)
        samples = tuple(_sample(one) for one in data["samples"])
        engine = {**data["engine"], "models_dir": Path(data["engine"]["models_dir"])}
        config = Config(audio=AudioConfig(**data["audio"]), engine=EngineConfig(**engine))
        labelled = Labelled(samples, tuple(data["emotions"]), ())
        return cls(data["model"], tuple(data["labels"]), labelled, config)


def _sample(data: Mapping[str, Any]) -> Sample:
    path = data["path"]
    place = Remote(**path) if isinstance(path, dict) else Path(path)
    return Sample(**{**data, "path": place})


def measure(spec: Spec) -> dict[str, Any]:
    """Loads the model, times single recordings, and recognises all.

    Returns:
        ``ready_at``, ``latency_s`` (mean of single recordings, decoding included; None where all
        of those failed), ``took_s`` (of all together), ``peak_bytes``, ``gpu_bytes``, ``facts`` and
        ``answers`` (scores, or the error of each recording).
    """
    with opened(spec.model, spec.config, spec.labels) as contender:
        ready_at = time.monotonic()
        latencies = []
        samples = spec.labelled.samples
        whole = [one.path for one in samples if isinstance(one.path, Path) and not one.is_part]
        for number, path in enumerate(whole[: ALONE + 1]):
            began = time.perf_counter()
            try:
                recognised = contender.one(path)
            except EmotionError:
                continue  # it will be told among the answers
            if number and recognised:  # the first call is slower for every engine
                latencies.append(time.perf_counter() - began)
        began = time.perf_counter()
        answers = answer_all(contender.answerer, spec.labelled.samples)
        took_s = time.perf_counter() - began
        # Imports torch, which must not come before the measurement.
        from emotion.inference.device import peak_resident_bytes

        return {
            "ready_at": ready_at,
            "latency_s": statistics.mean(latencies) if latencies else None,
            "took_s": took_s,
            "peak_bytes": peak_resident_bytes(),
            "gpu_bytes": _gpu_bytes(contender.facts.device),
            "facts": asdict(contender.facts),
            "answers": [
                one.error if one.scores is None else one.scores.tolist() for one in answers
            ],
        }


def _gpu_bytes(device: str) -> int | None:
    if not device.startswith("cuda"):
        return None
    from emotion.inference.device import peak_gpu_bytes

    return peak_gpu_bytes()


def main() -> int:
    """Reads the spec, prints the result."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    out, sys.stdout = sys.stdout, sys.stderr  # other packages print
    try:
        found = measure(Spec.loads(sys.stdin.read()))
    except EmotionError as e:
        zh, en = public_pair(e)
        found = {"error": str(e), "public": {"zh": zh, "en": en}}
    out.write(json.dumps(found) + "\n")
    out.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
