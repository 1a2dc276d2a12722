"""What the REST API costs: over the inference of one clip, and over that of many at once.

A server is started on a free port of this machine, with its run folders in a temporary folder.
Measured are, after a warm-up:

- ``POST /api/v1/recognize`` with a WAV of 5 s over a connection that stays open, with and without
  a run folder, less the engine's own time for the same samples; medians.
- 64 clips in one ``POST /api/v1/jobs`` whose results come in the same request, until the last line
  is there, beside the engine's own time for the same samples in one call; medians.

The engine is measured in this process, before the server starts. Clips are the example clips of
the page, again and again, or WAV files of a folder::

    python -m tools.http_bench --model emotion2vec_mini
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from emotion.audio import Samples, decode, write_wav
from emotion.core.config import SAMPLE_RATE_HZ, AudioConfig
from emotion.core.paths import examples_dir
from emotion.inference.engine_base import EngineBase
from emotion.recognition.recognizer import Recognizer
from tools.reliability.server import OwnServer

CLIP_S = 5.0


@dataclass(frozen=True)
class Overhead:
    """One recording in one request.

    Attributes:
        store: Whether a run folder is written.
        request_ms: Until the answer is there.
        engine_ms: The engine's own time.
    """

    store: bool
    request_ms: float
    engine_ms: float

    @property
    def overhead_ms(self) -> float:
        """What the request adds."""
        return self.request_ms - self.engine_ms


@dataclass(frozen=True)
class Throughput:
    """Many recordings in one request.

    Attributes:
        store: Whether run folders are written.
        clips: How many.
        audio_s: Seconds of audio in all.
        request_s: Until the last result is there.
        engine_s: The engine's own time.
    """

    store: bool
    clips: int
    audio_s: float
    request_s: float
    engine_s: float

    @property
    def ratio(self) -> float:
        """The share of the engine's own throughput."""
        return self.engine_s / self.request_s


def median_s(work: Callable[[], object], repeats: int) -> float:
    """Seconds that something takes: the median after one run that does not count."""
    taken = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:])


def clips_of(folder: Path, count: int) -> list[Samples]:
    """So many clips, those of a folder again and again: float32, (samples,), 16 kHz.

    Raises:
        ValueError: The folder has no recordings.
    """
    files = [f for f in sorted(folder.iterdir()) if f.suffix in (".wav", ".flac", ".mp3", ".ogg")]
    if not files:
        raise ValueError(f"no recordings in {folder}")
    found = [decode(file, AudioConfig()).samples for file in files[:count]]
    return [found[number % len(found)] for number in range(count)]


def of_length(samples: Samples, seconds: float) -> Samples:
    """A clip of so many seconds, repeated or cut."""
    return np.resize(samples, round(seconds * SAMPLE_RATE_HZ))


def wav_of(samples: Samples, folder: Path) -> bytes:
    """A clip as the bytes of a WAV file."""
    path = folder / "clip.wav"
    write_wav(path, samples)
    return path.read_bytes()


def measure_one(client: httpx.Client, engine_s: float, wav: bytes, repeats: int) -> list[Overhead]:
    """One recording in one request, with and without a run folder."""
    found = []
    for store in (False, True):
        fields = {"store": str(store).lower()}

        def ask(fields: dict[str, str] = fields) -> None:
            files = {"file": ("clip.wav", io.BytesIO(wav))}
            client.post("/api/v1/recognize", files=files, data=fields).raise_for_status()

        found.append(Overhead(store, 1000 * median_s(ask, repeats), 1000 * engine_s))
    return found


def measure_many(
    client: httpx.Client, engine_s: float, wavs: Sequence[bytes], audio_s: float, repeats: int
) -> list[Throughput]:
    """Many recordings in one request, with and without run folders.

    Raises:
        RuntimeError: Not all of them have a result.
    """
    headers = {"Accept": "application/x-ndjson"}
    found = []
    for store in (False, True):
        fields = {"store": str(store).lower()}

        def ask(fields: dict[str, str] = fields) -> None:
            files = [("file", (f"{n:03}.wav", io.BytesIO(wav))) for n, wav in enumerate(wavs)]
            answer = client.post("/api/v1/jobs", files=files, data=fields, headers=headers)
            lines = [json.loads(line) for line in answer.raise_for_status().text.splitlines()]
            if [line["status"] for line in lines] != ["done"] * len(wavs):
                raise RuntimeError(f"{len(wavs)} clips gave: {lines[-1]}")

        taken_s = median_s(ask, repeats)
        found.append(Throughput(store, len(wavs), audio_s, taken_s, engine_s))
    return found


def engine_times(
    engine: EngineBase, single: Samples, clips: Sequence[Samples], repeats: int, rounds: int
) -> tuple[float, float]:
    """The engine's own seconds for one clip, and for many in one call."""
    one_s = median_s(lambda: engine.infer(single), repeats)
    return one_s, median_s(lambda: list(engine.infer_many(list(clips))), rounds)


def table(overheads: Sequence[Overhead], throughputs: Sequence[Throughput]) -> str:
    """Both for people."""
    rows = ["| one clip of 5 s | request | engine | overhead |", "|---|---|---|---|"]
    rows += [
        f"| {_kept(one.store)} | {one.request_ms:.1f} ms | {one.engine_ms:.1f} ms "
        f"| {one.overhead_ms:.1f} ms |"
        for one in overheads
    ]
    rows += ["", "| many clips in one request | request | engine | of its throughput |"]
    rows += ["|---|---|---|---|"]
    rows += [
        f"| {one.clips} clips, {one.audio_s:.0f} s, {_kept(one.store)} | {one.request_s:.3f} s "
        f"| {one.engine_s:.3f} s | {one.ratio:.2f} |"
        for one in throughputs
    ]
    return "\n".join(rows)


def _kept(store: bool) -> str:
    return "run folder" if store else "nothing stored"


def as_json(overheads: Sequence[Overhead], throughputs: Sequence[Throughput]) -> dict[str, Any]:
    """Both for programs."""
    return {
        "one": [{**asdict(one), "overhead_ms": one.overhead_ms} for one in overheads],
        "many": [{**asdict(one), "ratio": one.ratio} for one in throughputs],
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m tools.http_bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", default="emotion2vec_mini", help="a name or a folder")
    parser.add_argument("--clips", type=Path, default=examples_dir(), help="a folder of recordings")
    parser.add_argument("--count", type=int, default=64, help="clips in one request")
    parser.add_argument("--repeats", type=int, default=50, help="requests with one clip")
    parser.add_argument("--rounds", type=int, default=7, help="requests with many clips")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(argv)
    clips = clips_of(asked.clips, asked.count)
    single = of_length(clips[0], CLIP_S)
    engine = Recognizer.load(asked.model, offline=True).model.engine
    one_s, many_s = engine_times(engine, single, clips, asked.repeats, asked.rounds)
    del engine
    with tempfile.TemporaryDirectory() as name, OwnServer(Path(name), asked.model) as server:
        folder = Path(name)
        wavs = [wav_of(clip, folder) for clip in clips]
        audio_s = sum(clip.size for clip in clips) / SAMPLE_RATE_HZ
        with httpx.Client(base_url=server.address, timeout=600, trust_env=False) as client:
            ones = measure_one(client, one_s, wav_of(single, folder), asked.repeats)
            many = measure_many(client, many_s, wavs, audio_s, asked.rounds)
    print(json.dumps(as_json(ones, many)) if asked.json else table(ones, many))
    return 0


if __name__ == "__main__":
    sys.exit(main())
