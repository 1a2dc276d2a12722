"""How fast `batch` is, beside a plain loop of `recognize` and FunASR's own batching.

Each way reads the same files and runs in a process of its own, in turn, so that none warms another
up::

    python -m tools.batch_bench --speech DIR --model models/emotion2vec_mini --rounds 1

Only the time after loading and a first recording counts. The network is busy while it computes a
batch; FunASR does not tell that. The labels of all ways are compared with those of `batch`, too.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import soundfile

from emotion.core.labels import parse_token
from emotion.corpus.inputs import Input, find_inputs

FUNASR_BATCH: Final = 16


@dataclass(frozen=True)
class Timed:
    """One way to recognise all recordings.

    Attributes:
        took_s: Seconds for all of them, without loading.
        busy: Share of that time in which the network computed; None where that is not known.
        labels: The label of each recording; None where it has none.
    """

    took_s: float
    busy: float | None
    labels: list[str | None]


def batch(model: Path, items: Sequence[Input]) -> Timed:
    """As `batch` does it."""
    from emotion.core.options import RecognitionOptions
    from emotion.corpus.executor import Executor, Work
    from emotion.recognition.recognizer import Recognizer
    from emotion.storage.run_store import RunStore

    loaded = Recognizer.load(str(model)).model
    labels: list[str | None] = [None] * len(items)
    with tempfile.TemporaryDirectory() as folder:
        work = Work(loaded, RecognitionOptions(), RunStore(Path(folder)))
        with Executor(work) as executor:
            executor.recognise(items[0])
            before, began = loaded.engine.stats.counts().took_s, time.perf_counter()
            for index, record in executor.run(enumerate(items)):
                labels[index] = record.result["emotion"] if record.result else None
            took_s = time.perf_counter() - began
    busy_s = loaded.engine.stats.counts().took_s.since(before).total
    return Timed(took_s, busy_s / took_s, labels)


def loop(model: Path, items: Sequence[Input]) -> Timed:
    """One recording after the other with `Recognizer.recognize`."""
    from emotion.recognition.recognizer import Recognizer

    recognizer = Recognizer.load(str(model))
    recognizer.recognize(_path(items[0]))
    before, began = recognizer.model.engine.stats.counts().took_s, time.perf_counter()
    labels: list[str | None] = [recognizer.recognize(_path(item)).result.emotion for item in items]
    took_s = time.perf_counter() - began
    busy_s = recognizer.model.engine.stats.counts().took_s.since(before).total
    return Timed(took_s, busy_s / took_s, labels)


def funasr(model: Path, items: Sequence[Input]) -> Timed:
    """FunASR's AutoModel with the list of files and its own batches."""
    from funasr import AutoModel

    loaded: Any = AutoModel(
        model=str(model), device="cpu", ncpu=os.cpu_count(),
        disable_update=True, disable_pbar=True, disable_log=True,
    )  # fmt: skip
    paths = [str(_path(item)) for item in items]
    loaded.generate(paths[:1], granularity="utterance")
    began = time.perf_counter()
    found = loaded.generate(paths, granularity="utterance", batch_size=FUNASR_BATCH)
    took_s = time.perf_counter() - began
    return Timed(took_s, None, [_best(one) for one in found])


WAYS: Final[dict[str, Callable[[Path, Sequence[Input]], Timed]]] = {
    "batch": batch,
    "loop": loop,
    "funasr": funasr,
}


def _path(item: Input) -> Path:
    assert isinstance(item.source, Path)
    return item.source


def _best(found: dict[str, Any]) -> str:
    scores = dict(zip(found["labels"], found["scores"], strict=True))
    best = max(scores, key=scores.__getitem__)
    return parse_token(best) or best


def _recordings(folder: Path, limit: int | None) -> list[Input]:
    return list(find_inputs([str(folder)]).items[:limit])


def _in_own_process(way: str, args: argparse.Namespace) -> Timed:
    command = [
        sys.executable, "-m", "tools.batch_bench", "--speech", str(args.speech),
        "--model", str(args.model), "--way", way,
    ]  # fmt: skip
    if args.limit:
        command += ["--limit", str(args.limit)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return Timed(**json.loads(done.stdout.splitlines()[-1]))


def _report(found: dict[str, list[Timed]], audio_s: float) -> list[str]:
    count = len(found["batch"][0].labels)
    fastest = statistics.median(one.took_s for one in found["batch"])
    lines = [
        f"{count} recordings, {audio_s / 60:.1f} min of audio; medians of {len(found['batch'])}",
        "",
        "| way | seconds | a second | × real time | time of batch | network busy | same labels |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for way, runs in found.items():
        took_s = statistics.median(one.took_s for one in runs)
        busy = runs[0].busy
        same = sum(a == b for a, b in zip(runs[0].labels, found["batch"][0].labels, strict=True))
        cells = (
            way,
            f"{took_s:.1f}",
            f"{count / took_s:.1f}",
            f"{audio_s / took_s:.0f}",
            f"{took_s / fastest:.2f}×",
            "not known" if busy is None else f"{busy:.0%}",
            f"{same / count:.2%}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main(argv: Sequence[str] | None = None) -> int:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--speech", type=Path, required=True, help="a folder of recordings")
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint's folder")
    parser.add_argument("--limit", type=int, help="only so many recordings")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--ways", default=",".join(WAYS), help="comma-separated")
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    items = _recordings(args.speech, args.limit)
    if args.way:
        print(json.dumps(asdict(WAYS[args.way](args.model.resolve(), items))))
        return 0
    audio_s = sum(soundfile.info(_path(item)).duration for item in items)
    found: dict[str, list[Timed]] = {way: [] for way in args.ways.split(",")}
    for _ in range(args.rounds):
        for way, runs in found.items():
            runs.append(_in_own_process(way, args))
    print("\n".join(_report(found, audio_s)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
