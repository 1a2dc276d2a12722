"""How long the list of stored runs takes: the first page and its filters, over HTTP.

Run folders are made in a temporary folder, and a server is started on it. Measured are:

- how long the index of all runs takes to build, in this process; the server does that in the
  background when it starts,
- the first answer of the server, asked as soon as it is ready, without an index from before,
- the first page, a later one, and the filters of the page's history; medians over a connection
  that stays open::

    python -m tools.history_bench --runs 10000
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from emotion.core.labels import LABELS
from emotion.storage.run_index import INDEX_FILE
from emotion.storage.run_store import RESULT_FILE, RunStore
from tools.http_bench import median_s
from tools.reliability.server import OwnServer

URL: Final = "/api/v1/runs"
NEWEST: Final = datetime(2026, 6, 30, 18, 0, 0)
EVERY: Final = timedelta(minutes=17)  # so 10,000 runs are four months
MODELS: Final = ("emotion2vec_plus_large", "emotion2vec_mini", "my_model")
# What the page asks, by what a visitor does.
QUERIES: Final[dict[str, dict[str, Any]]] = {
    "first page": {},
    "page in the middle": {"offset": 5000},
    "one emotion": {"emotion": "angry"},
    "one model": {"model": MODELS[1]},
    "part of a name": {"name": "call 77"},
    "a month": {"since": "2026-05-01", "until": "2026-05-31"},
    "all filters": {
        "emotion": "sad", "model": MODELS[0], "name": "call", "since": "2026-04-01",
    },
}  # fmt: skip


def make_runs(folder: Path, count: int) -> None:
    """Fills a folder with runs of different names, times, emotions and models.

    Args:
        folder: Made if absent.
        count: How many.
    """
    chance = random.Random(0)
    for number in range(count):
        moment = NEWEST - number * EVERY
        run = folder / moment.strftime("outputs_%Y%m%d_%H%M%S")
        run.mkdir(parents=True)
        text = json.dumps(result_of(number, moment, chance), ensure_ascii=False, indent=2)
        (run / RESULT_FILE).write_text(text, "utf-8")


def result_of(number: int, moment: datetime, chance: random.Random) -> dict[str, Any]:
    """What ``result.json`` of one run holds."""
    weights = [chance.random() ** 3 for _ in LABELS]
    scores = {label: weight / sum(weights) for label, weight in zip(LABELS, weights, strict=True)}
    emotion = max(scores, key=scores.__getitem__)
    name = MODELS[min(int(chance.expovariate(1.0)), len(MODELS) - 1)]
    return {
        "emotion": emotion,
        "confidence": scores[emotion],
        "scores": scores,
        "granularity": chance.choice(("utterance", "segment", "frame")),
        "timestamp": moment.strftime("%Y-%m-%d %H:%M:%S"),
        "schema_version": 1,
        "secondary": {label: score for label, score in scores.items() if label != emotion},
        "audio": {
            "file": f"录音 call {number:05}.wav", "duration_s": chance.uniform(1, 600),
            "sample_rate_hz": 16000, "channels": 1, "codec": "pcm_s16le", "container": "wav",
            "size_bytes": 64_000,
        },
        "model": {"name": name, "title": name, "device": "cpu", "precision": "fp32"},
        "timing": {"decode_s": 0.1, "inference_s": 0.2, "total_s": 0.3},
        "warnings": [],
    }  # fmt: skip


def index_s(folder: Path) -> float:
    """Seconds that the index takes to build; it is removed again."""
    started = time.perf_counter()
    RunStore(folder).search()
    taken_s = time.perf_counter() - started
    (folder / INDEX_FILE).unlink()
    return taken_s


def measure(client: httpx.Client, repeats: int) -> dict[str, float]:
    """Milliseconds of each question, and of the very first one."""

    def ask(query: dict[str, Any]) -> None:
        client.get(URL, params={"limit": 50, **query}).raise_for_status()

    started = time.perf_counter()
    ask({})
    found = {"first answer": 1000 * (time.perf_counter() - started)}
    for name, query in QUERIES.items():
        found[name] = 1000 * median_s(lambda query=query: ask(query), repeats)  # type: ignore[misc]
    return found


def table(count: int, built_s: float, found: dict[str, float]) -> str:
    """For people."""
    rows = [f"| {count} runs |  |", "| --- | --- |", f"| building the index | {built_s:.2f} s |"]
    return "\n".join([*rows, *(f"| {name} | {ms:.0f} ms |" for name, ms in found.items())])


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="python -m tools.history_bench", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--runs", type=int, default=10_000, help="how many there are")
    parser.add_argument("--repeats", type=int, default=20, help="times that each is asked")
    parser.add_argument("--model", default="emotion2vec_mini", help="a name or a folder")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "runs"
        make_runs(folder, asked.runs)
        built_s = index_s(folder)
        options = ["--output-dir", str(folder)]
        with (
            OwnServer(Path(name) / "server", asked.model, options) as server,
            httpx.Client(base_url=server.address, timeout=600, trust_env=False) as client,
        ):
            found = measure(client, asked.repeats)
    if asked.json:
        print(json.dumps({"runs": asked.runs, "index_s": built_s, "ms": found}))
    else:
        print(table(asked.runs, built_s, found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
