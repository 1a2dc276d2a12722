"""Many clients at once, a tenth of them broken, against a server of its own.

First each clip is recognised alone, by each granularity. Then all clients send requests: clips in
several formats as multipart, raw body or JSON, stored or not; some are broken on purpose. A result
must be that of the single request. Batching packs clips end to end. A matrix library may then take
another kernel, which adds up in another order: scores may differ by some units of float32's last
place, after all layers by about 1e-6. `SCORES` allows ten times as much. Memory is read at rest:
some seconds after the first requests, and after the last::

    python -m tools.soak --requests 2000 --clients 64 --broken 0.1 --seed 0
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from emotion.core.registry import EMBEDDED
from tools.reliability.breaking import GONE, cut, wrong_answer
from tools.reliability.planning import Planned, options_of, plan
from tools.reliability.recordings import Recording, Recordings, choose
from tools.reliability.same import difference
from tools.reliability.sending import Answer, ask, recognition
from tools.reliability.server import Check, OwnServer, final_checks, listed

CLIPS = 12
FORMATS = ("wav", "wav-24bit-stereo", "mp3", "ogg", "opus", "flac", "m4a", "silk")
FIRST = 200
GROWTH = 0.05
SCORES = 1e-5
EMBEDDINGS = 1e-4  # relative to the embedding's length
TIMEOUT_S = 120.0
SETTLE_S = 7.0  # after it a server has given back what requests left
BY_DESIGN = (503, 504)


@dataclass
class Tally:
    """What came of the requests.

    Attributes:
        statuses: How many answers with each status; 0 for none.
        broken: How many of each kind of broken requests.
        busy: How many times the server was busy (429).
        took_s: Of each recognition, the seconds of its last try.
        total_s: Of each recognition, the seconds of all tries.
        audio_s: Seconds of audio recognised.
        off: The largest difference of a score from the single request's.
        embedding_off: The same of an embedding, relative to its length.
        compared: Results that were compared.
        runs: Ids of runs that were answered.
        wrong: What is wrong, a line each.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    busy: int = 0
    took_s: list[float] = field(default_factory=list)
    total_s: list[float] = field(default_factory=list)
    audio_s: float = 0.0
    off: float = 0.0
    embedding_off: float = 0.0
    compared: int = 0
    runs: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Soak:
    """Sends the requests and judges the answers.

    Args:
        server: The server.
        recordings: The clips.
        seed: Of everything.
        share: Of broken requests.
        clients: Requests at once.
    """

    def __init__(
        self, server: OwnServer, recordings: Recordings, seed: int, share: float, clients: int
    ) -> None:
        self.tally = Tally()
        self._server, self._recordings = server, recordings
        self._seed, self._share, self._clients = seed, share, clients
        self._pool = [
            (clip, form)
            for clip in range(len(recordings.clips))
            for form in recordings.formats
            if recordings.get(clip, form) is not None
        ]
        self._singles: dict[str, dict[str, Any]] = {}
        limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
        self._client = httpx.AsyncClient(
            base_url=server.address, timeout=TIMEOUT_S, limits=limits, trust_env=False
        )

    async def close(self) -> None:
        """Ends all connections."""
        await self._client.aclose()

    async def single(self, first: int, last: int) -> None:
        """Recognises alone what some requests will ask for."""
        for number in range(first, last):
            key = self._plan(number).key
            if key and key not in self._singles:
                clip, form, granularity = key.split()
                found = self._recordings.get(int(clip), form)
                assert found is not None
                self._singles[key] = await self._recognised(found, granularity)

    async def _recognised(self, found: Recording, granularity: str) -> dict[str, Any]:
        options = options_of(granularity, stored=False, embedding=True)
        answer = await ask(self._client, recognition("raw", found.name, found.data, options))
        if answer.status != 200 or answer.body is None:
            raise RuntimeError(f"{found.name} alone: {answer.status} {answer.text[:300]}")
        return answer.body

    async def send(self, first: int, last: int) -> None:
        """Sends requests from all clients."""
        numbers = iter(range(first, last))

        async def work() -> None:
            for number in numbers:  # shared by all
                await self._one(self._plan(number))

        await asyncio.gather(*(work() for _ in range(self._clients)))

    def _plan(self, number: int) -> Planned:
        return plan(number, self._seed, self._recordings, self._share, self._pool)

    async def _one(self, planned: Planned) -> None:
        if planned.broken:
            self.tally.broken[planned.broken] += 1
        if planned.broken in GONE:
            await cut(planned.broken, self._server.address, planned.sent)
            return
        answer = await ask(self._client, planned.sent)
        self.tally.statuses[answer.status] += 1
        self.tally.busy += answer.busy
        wrong = self._judge(planned, answer)
        if wrong:
            name = planned.broken or planned.key
            self.tally.wrong.append(f"request {planned.number} ({name}): {wrong}")

    def _judge(self, planned: Planned, answer: Answer) -> str:
        if answer.status in BY_DESIGN and answer.code:
            return ""
        if planned.broken:
            return wrong_answer(planned.broken, answer)
        if answer.status != 200 or answer.body is None:
            return f"{answer.status} {answer.text[:300]}"
        self._count(answer, answer.body)
        off, embedding_off = difference(answer.body, self._singles[planned.key])
        self.tally.compared += 1
        self.tally.off = max(self.tally.off, off)
        self.tally.embedding_off = max(self.tally.embedding_off, embedding_off)
        if off > SCORES or embedding_off > EMBEDDINGS:
            return f"{off:.2g} from the scores alone, {embedding_off:.2g} from the embedding"
        if planned.stored != bool(answer.body["run_id"]):
            return "it was not stored as asked"
        return ""

    def _count(self, answer: Answer, result: Mapping[str, Any]) -> None:
        self.tally.took_s.append(answer.took_s)
        self.tally.total_s.append(answer.total_s)
        self.tally.audio_s += result["audio"]["duration_s"]
        if result["run_id"]:
            self.tally.runs.append(result["run_id"])


@dataclass
class Report:
    """What came of all.

    Attributes:
        seed: Of everything.
        requests: How many.
        clients: At once.
        tally: The counts.
        took_s: Seconds for all requests, without those that were sent alone.
        memory_mb: Resident memory by the number of requests that were answered.
        checks: What must hold.
    """

    seed: int
    requests: int
    clients: int
    tally: Tally = field(default_factory=Tally)
    took_s: float = 0.0
    memory_mb: dict[int, float] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all holds."""
        return all(check.ok for check in self.checks)


def run(
    requests: int, clients: int, share: float, seed: int, recordings: Recordings, root: Path, *,
    model: str = EMBEDDED, settle_s: float = SETTLE_S,
) -> Report:  # fmt: skip
    """Starts a server, sends the requests and checks what came.

    Args:
        requests: How many.
        clients: At once.
        share: Of broken requests.
        seed: Of everything.
        recordings: The clips.
        root: An empty folder.
        model: What answers.
        settle_s: Seconds between the last answer and reading the memory.
    """
    report = Report(seed, requests, clients)
    with OwnServer(root, model, ["--request-timeout", str(TIMEOUT_S / 2)]) as server:
        asyncio.run(_send_all(server, report, recordings, share, settle_s))
        report.checks = [*_checks(report, server.outputs), *final_checks(server)]
    return report


async def _send_all(
    server: OwnServer, report: Report, recordings: Recordings, share: float, settle_s: float
) -> None:
    soak = Soak(server, recordings, report.seed, share, report.clients)
    report.tally = soak.tally
    first = min(FIRST, report.requests // 2)
    # Read six times in all, so that growth is seen as it comes.
    stops = sorted({first, *(first + (report.requests - first) * k // 5 for k in range(1, 6))})
    try:
        await soak.single(0, report.requests)
        done = 0
        for stop in stops:
            began = time.perf_counter()
            await soak.send(done, stop)
            report.took_s += time.perf_counter() - began
            await asyncio.to_thread(server.await_idle)
            await asyncio.sleep(settle_s)
            report.memory_mb[stop] = round(server.resident_bytes() / 1e6, 1)
            done = stop
    finally:
        await soak.close()


def _checks(report: Report, outputs: Path) -> Iterator[Check]:
    tally = report.tally
    cut_off = sum(tally.broken[kind] for kind in GONE)
    answered = sum(count for status, count in tally.statuses.items() if status)
    detail = f"{answered} answered, {cut_off} cut off by the client"
    yield Check("every request is answered", answered + cut_off == report.requests, detail)
    failed = sum(n for status, n in tally.statuses.items() if status >= 500)
    failed -= sum(tally.statuses[status] for status in BY_DESIGN)
    yield Check("no 5xx but 503 and 504 by design", not failed, f"{failed}")
    yield Check("answers are as they should be", not tally.wrong, listed(tally.wrong, 20))
    detail = (
        f"{tally.compared} compared; scores within {tally.off:.1e} (allowed {SCORES:.0e}), "
        f"embeddings within {tally.embedding_off:.1e} (allowed {EMBEDDINGS:.0e})"
    )
    same = tally.off <= SCORES and tally.embedding_off <= EMBEDDINGS
    yield Check("results are those of single requests", same, detail)
    memory = list(report.memory_mb.values())
    growth = memory[-1] / memory[0] - 1
    detail = f"{memory[0]:.0f} MB, then {memory[-1]:.0f} MB: {growth:+.1%}"
    first = next(iter(report.memory_mb))
    yield Check(f"memory within {GROWTH:.0%} of that after {first}", growth <= GROWTH, detail)
    missing = [run_id for run_id in tally.runs if not (outputs / run_id / "result.json").is_file()]
    twice = len(tally.runs) - len(set(tally.runs))
    detail = f"{len(tally.runs)} runs, {len(missing)} missing, {twice} named twice"
    yield Check("every run that was named is there", not missing and not twice, detail)


def show(report: Report) -> Iterator[str]:
    """The report as text."""
    tally = report.tally
    statuses = ", ".join(f"{status}: {n}" for status, n in sorted(tally.statuses.items()))
    yield f"{report.requests} requests from {report.clients} clients in {report.took_s:.1f} s"
    yield f"answers by status: {statuses}; busy (429) and tried again: {tally.busy}"
    kinds = ", ".join(f"{kind}: {n}" for kind, n in sorted(tally.broken.items()))
    yield f"broken on purpose: {sum(tally.broken.values())} ({kinds})"
    rate = len(tally.took_s) / report.took_s
    yield (
        f"{rate:.1f} recognitions a second, {tally.audio_s / report.took_s:.0f} s of audio a second"
    )
    yield ""
    yield "| seconds | p50 | p95 | p99 | most |"
    yield "|---|--:|--:|--:|--:|"
    for name, times in (("the last try", tally.took_s), ("with waiting for 429", tally.total_s)):
        cells = np.percentile(times or [math.nan], (50, 95, 99, 100))
        yield f"| {name} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |"
    memory = ", ".join(f"{n}: {mb:.0f}" for n, mb in report.memory_mb.items())
    yield ""
    yield f"resident memory in MB after so many requests: {memory}"
    for check in report.checks:
        yield f"{'ok    ' if check.ok else 'FAILED'} {check.name}" + (
            f": {check.detail}" if check.detail else ""
        )


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs."""
    tally = {name: _plain(value) for name, value in vars(report.tally).items()}
    checks = [asdict(check) for check in report.checks]
    return {**vars(report), "tally": tally, "checks": checks, "ok": report.ok}


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Counter) else value


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description="Many clients at once, some of them broken.")
    parser.add_argument("--requests", type=int, default=2000, help="how many (2000)")
    parser.add_argument("--clients", type=int, default=64, help="at once (64)")
    parser.add_argument("--broken", type=float, default=0.1, help="share of broken ones (0.1)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--speech", type=Path, metavar="DIR", help="recordings (the examples)")
    parser.add_argument("--model", default=EMBEDDED)
    text = "seconds at rest before memory is read (7)"
    parser.add_argument("--settle", type=float, metavar="S", default=SETTLE_S, help=text)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where a check failed."""
    options = parse(arguments)
    recordings = Recordings(choose(options.speech, CLIPS, options.seed), FORMATS)
    with tempfile.TemporaryDirectory(prefix="emotion-soak-") as folder:
        report = run(
            options.requests, options.clients, options.broken, options.seed, recordings,
            Path(folder), model=options.model, settle_s=options.settle,
        )  # fmt: skip
    print("\n".join(show(report)))
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(report), indent=2) + "\n", "utf-8")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
