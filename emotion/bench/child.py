"""One engine measured in a fresh process: ``python -m emotion.bench.child SPEC``.

Prints one JSON line. Moments are on the system's monotonic clock, which the parent shares.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotion.bench.engines import Backend, Samples, open_backend
from emotion.core.config import SAMPLE_RATE_HZ, Precision

_GEMM = 2048
_PRODUCTS = 4  # at a time, of which the first is not counted


@dataclass(frozen=True)
class Spec:
    """What a child measures.

    Attributes:
        engine: As `open_backend` takes it.
        model: The checkpoint's folder.
        device: Where it runs.
        precision: Number format asked for.
        clips_s: Lengths for the warm latency.
        repeats: Runs a length, after one that is not counted.
        many: Clips of 2 to 6 s for the throughput; 0 leaves it out.
    """

    engine: str
    model: str
    device: str
    precision: Precision
    clips_s: tuple[float, ...]
    repeats: int
    many: int


def sound(seconds: float, seed: int) -> Samples:
    """Seeded noise with a speech-like rhythm: float32, (samples,), 16 kHz."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    rhythm = 0.5 + 0.5 * np.sin(2 * np.pi * 3.0 * t)
    return np.asarray(0.1 * rhythm * rng.standard_normal(t.size), np.float32)


def measure(spec: Spec) -> dict[str, Any]:
    """Loads the engine and measures it; see the keys below."""
    backend = open_backend(spec.engine, Path(spec.model), spec.device, spec.precision)
    ready_at = time.monotonic()
    answer = backend.infer(sound(3.0, 0))
    first_at = time.monotonic()
    latencies = {}
    for seconds in spec.clips_s:
        clip = sound(seconds, 1)
        backend.infer(clip)
        times = []
        for _ in range(spec.repeats):
            began = time.perf_counter()
            backend.infer(clip)
            times.append(time.perf_counter() - began)
        latencies[f"{seconds:g}"] = statistics.median(times)
    throughput = None
    if spec.many:
        lengths = np.random.default_rng(7).uniform(2, 6, spec.many)
        clips = [sound(float(s), i) for i, s in enumerate(lengths)]
        began = time.perf_counter()
        backend.infer_many(clips)
        throughput = float(lengths.sum()) / (time.perf_counter() - began)
    # Imports torch, which must not come before the measurement.
    from emotion.inference.device import peak_gpu_bytes, peak_resident_bytes

    peak_bytes, vram_bytes = peak_resident_bytes(), peak_gpu_bytes()  # without the matrix products
    rate, count = machine_rate(backend, counted_clip(spec.clips_s), spec)
    return {
        "ready_at": ready_at,
        "first_at": first_at,
        "latency_s": latencies,
        "throughput": throughput,
        "peak_bytes": peak_bytes,
        "vram_bytes": vram_bytes,
        "gemm_flops": rate,
        "gemm_operations": count,
        "precision": backend.precision,
        "answer": asdict(answer),
    }


def counted_clip(clips_s: Sequence[float]) -> float:
    """The length whose operations are counted: the one nearest to 10 s."""
    return min(clips_s, key=lambda seconds: abs(seconds - 10.0))


def machine_rate(backend: Backend, seconds: float, spec: Spec) -> tuple[float, float]:
    """What the machine's matrix products do, measured between passes over a clip.

    Side by side, because the rate of a shared machine changes from minute to minute.

    Returns:
        Operations a second, and operations in the time of one pass; medians over the passes.
    """
    clip = sound(seconds, 1)
    rates = [gemm_rate(backend.precision, spec.device)]
    counts = []
    for _ in range(spec.repeats):
        began = time.perf_counter()
        backend.infer(clip)
        took = time.perf_counter() - began
        rates.append(gemm_rate(backend.precision, spec.device))
        counts.append(took * statistics.mean(rates[-2:]))
    return statistics.median(rates), statistics.median(counts)


def gemm_rate(precision: str, device: str) -> float:
    """Operations a second of 2048 x 2048 x 2048 matrix products: what the machine can do now."""
    import torch

    from emotion.models.numerics import DTYPES

    cuda = device != "cpu" and torch.cuda.is_available()
    place = torch.device("cuda" if cuda else "cpu")
    times: list[float] = []

    def multiply() -> None:
        matrix = torch.randn(_GEMM, _GEMM).to(place, DTYPES[precision])
        for _ in range(_PRODUCTS):
            began = time.perf_counter()
            matrix @ matrix
            if cuda:
                torch.cuda.synchronize()
            times.append(time.perf_counter() - began)

    # In a thread that ends: OpenMP's workers for it would slow those of the engine down.
    thread = threading.Thread(target=multiply)
    thread.start()
    thread.join()
    return 2 * _GEMM**3 / statistics.median(times[1:])


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    told["clips_s"] = tuple(told["clips_s"])
    record = measure(Spec(**told))
    sys.stdout.write("\n" + json.dumps(record) + "\n")  # engines may print without a line's end
