"""Sends damaged, disguised and hostile files to a server of its own: a result or a 4xx for each.

Real recordings are put into some 25 formats and mutated (`tools.reliability.mutations`). Each goes
to ``POST /api/v1/recognize`` as multipart, raw body or JSON. Playlists name files that lie here and
a listener that counts who comes. At the end nothing may lie where it should not, and the server
must be alive. All is seeded; ``--only N`` makes one case again, and ``--save DIR`` keeps its file::

    python -m tools.fuzz_inputs --count 1000 --seed 0
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import secrets
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from emotion.core.labels import LABELS
from emotion.core.paths import PROJECT_DIR
from emotion.core.registry import EMBEDDED
from tools.reliability.mutations import KINDS, Mutated, Targets, mutated
from tools.reliability.recordings import FORMATS, Recordings, choose, wav
from tools.reliability.sending import TRANSPORTS, Answer, Sent, ask, recognition
from tools.reliability.server import (
    Check,
    OwnServer,
    differences,
    final_checks,
    listed,
    listing,
)

CLIPS = 8
SERVER_TIMEOUT_S = 60.0
CLIENT_TIMEOUT_S = 90.0
PROBLEM = "application/problem+json"
_OPTIONS: tuple[dict[str, str], ...] = (
    *({},) * 6,
    {"granularity": "segment"},
    {"granularity": "frame", "extract_embedding": "true"},
    {"extract_embedding": "true", "embedding_format": "base64"},
    {"exports": "all"},
)


@dataclass(frozen=True)
class Case:
    """One file and how it is sent."""

    number: int
    file: Mutated
    transport: str
    sent: Sent


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes:
        number: Of the case.
        kind: Of the mutation.
        what: What was done.
        transport: How it was sent.
        status: HTTP status; 0 where there was no answer.
        code: Of the problem.
        took_s: Seconds until the answer.
        wrong: What is wrong with it; empty where nothing is.
    """

    number: int
    kind: str
    what: str
    transport: str
    status: int
    code: str
    took_s: float
    wrong: str = ""


@dataclass
class Report:
    """What came of all.

    Attributes:
        seed: Of everything.
        outcomes: One for each case that was sent.
        checks: What must hold in the end.
        took_s: Seconds in all.
        missing: Formats that no FFmpeg here writes.
    """

    seed: int
    outcomes: list[Outcome] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    took_s: float = 0.0
    missing: list[str] = field(default_factory=list)

    @property
    def failed(self) -> list[Outcome]:
        """Cases that were answered as they must not be."""
        return [outcome for outcome in self.outcomes if outcome.wrong]

    @property
    def ok(self) -> bool:
        """Whether all holds."""
        return not self.failed and all(check.ok for check in self.checks)


class Canary:
    """What playlists name: a text with a secret, a recording, and a listener that counts visits.

    Args:
        folder: Where the files are made.
        clip: A real recording.
    """

    def __init__(self, folder: Path, clip: Path) -> None:
        folder.mkdir()
        self.secret = secrets.token_hex(16)
        text, sound = folder / "secret.txt", folder / "secret.wav"
        text.write_text(self.secret + "\n", "utf-8")
        sound.write_bytes(wav(clip))
        self.visits = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.targets = Targets(("/etc/passwd", str(text), str(sound)), address)
        self._files = (text, sound)
        for path in self._files:  # with this, the next read sets the time of the last read
            os.utime(path, (0, time.time()))
        self._passwd = Path("/etc/passwd")
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            self.visits += 1
            connection.close()

    def close(self) -> None:
        """Ends the listener."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def read(self) -> list[str]:
        """Which of the files were read since; none where the file system does not keep that."""
        return [path.name for path in self._files if path.stat().st_atime]

    def leaks(self, text: str) -> bool:
        """Whether a text tells the secret, or a line of ``/etc/passwd``."""
        first = self._passwd.read_text("utf-8").splitlines()[0] if self._passwd.exists() else ""
        return self.secret in text or bool(first and first in text)


def make_case(number: int, seed: int, recordings: Recordings, targets: Targets) -> Case:
    """A case, the same for the same number, seed and recordings but for the targets' names."""
    rng = random.Random(f"{seed}:{number}")
    file = mutated(rng, recordings, targets)
    transport = rng.choices(TRANSPORTS, (50, 30, 20))[0]
    options = {**rng.choice(_OPTIONS), "store": rng.choice(("true", "true", "false"))}
    if "exports" in options:
        options["store"] = "true"
    sent = recognition(transport, file.name, file.data, options, raw_name=rng.random() < 0.5)
    return Case(number, file, transport, sent)


def judge(case: Case, answer: Answer, canary: Canary) -> Outcome:
    """What is to be said of an answer."""
    file = case.file
    return Outcome(
        case.number, file.kind, file.what, case.transport, answer.status, answer.code,
        round(answer.took_s, 3), _wrong(file, answer, canary),
    )  # fmt: skip


def _wrong(file: Mutated, answer: Answer, canary: Canary) -> str:
    if answer.status == 0:
        return f"no answer: {answer.text}"
    if canary.leaks(answer.text):
        return "the answer tells what a named file holds"
    if answer.status == 200:
        if file.expected == "refusal":
            return "it was recognised"
        scores = (answer.body or {}).get("scores", {})
        whole = set(scores) == set(LABELS) and math.isclose(sum(scores.values()), 1, abs_tol=1e-4)
        return "" if whole else "the result is not whole"
    if not 400 <= answer.status < 500:
        return f"status {answer.status}: {answer.text[:300]}"
    if file.expected == "result":
        return f"it was refused: {answer.text[:300]}"
    return "" if answer.media_type == PROBLEM and answer.code else f"no problem: {answer.text[:99]}"


async def send_all(
    cases: Iterator[Case], address: str, clients: int, deadline: float, canary: Canary
) -> list[Outcome]:
    """Sends cases from several clients until none is left or time is up."""
    outcomes: list[Outcome] = []

    async def work(client: httpx.AsyncClient) -> None:
        while time.monotonic() < deadline:
            case = await asyncio.to_thread(next, cases, None)
            if case is None:
                return
            outcomes.append(judge(case, await ask(client, case.sent), canary))

    timeout = httpx.Timeout(CLIENT_TIMEOUT_S)
    async with httpx.AsyncClient(base_url=address, timeout=timeout, trust_env=False) as client:
        await asyncio.gather(*(work(client) for _ in range(clients)))
    return sorted(outcomes, key=lambda outcome: outcome.number)


class _Cases:
    """The cases, one after the other, for several clients."""

    def __init__(
        self, numbers: Sequence[int], seed: int, recordings: Recordings, targets: Targets
    ) -> None:
        self._numbers = iter(numbers)
        self._parts = (seed, recordings, targets)
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Case]:
        return self

    def __next__(self) -> Case:
        with self._lock:
            return make_case(next(self._numbers), *self._parts)


def run(
    numbers: Sequence[int], seed: int, recordings: Recordings, root: Path, *,
    model: str = EMBEDDED, clients: int = 4, minutes: float = 30.0,
) -> Report:  # fmt: skip
    """Starts a server, sends the cases and checks what is left.

    Args:
        numbers: Of the cases.
        seed: Of everything.
        recordings: What files are made of.
        root: An empty folder.
        model: What answers.
        clients: Requests at once.
        minutes: The longest that sending may take.
    """
    report, began = Report(seed), time.monotonic()
    canary = Canary(root / "named", recordings.clips[0])
    options = ["--request-timeout", str(SERVER_TIMEOUT_S)]
    with OwnServer(root / "server", model, options) as server:
        unwatched = (server.outputs, server.temporary, server.log_path)
        before = listing(root, PROJECT_DIR, left_out=unwatched)
        cases = _Cases(numbers, seed, recordings, canary.targets)
        deadline = began + 60 * minutes
        sending = send_all(cases, server.address, clients, deadline, canary)
        report.outcomes = asyncio.run(sending)
        missed = len(numbers) - len(report.outcomes)
        report.checks = [
            Check(
                "all cases were sent in time", not missed, f"{missed} were not" if missed else ""
            ),
            *final_checks(server),
        ]
        changed = differences(before, listing(root, PROJECT_DIR, left_out=unwatched))
        report.checks += [
            Check("nothing was written elsewhere", not changed, listed(changed)),
            Check("no named file was read", not canary.read(), listed(canary.read())),
            Check("no named address was called", not canary.visits, f"{canary.visits} times"),
        ]
    canary.close()
    report.took_s = round(time.monotonic() - began, 1)
    report.missing = sorted(recordings.missing)
    return report


def table(report: Report) -> Iterator[str]:
    """Lines of Markdown: for each kind how many were answered with which status."""
    statuses = sorted({outcome.status for outcome in report.outcomes})
    yield "| kind | cases | " + " | ".join(str(status) for status in statuses) + " | slowest |"
    yield "|---" + "|--:" * (len(statuses) + 2) + "|"
    for kind in [*KINDS, "all"]:
        own = [o for o in report.outcomes if kind in (o.kind, "all")]
        if own:
            counts = Counter(outcome.status for outcome in own)
            cells = " | ".join(str(counts[status] or "") for status in statuses)
            slowest_s = max(outcome.took_s for outcome in own)
            yield f"| {kind} | {len(own)} | {cells} | {slowest_s:.1f} s |"


def show(report: Report, again: str) -> Iterator[str]:
    """The report as text; ``again`` is the command without ``--only``."""
    yield from table(report)
    yield ""
    for outcome in report.failed:
        yield f"FAILED {outcome.number} [{outcome.kind}, {outcome.transport}] {outcome.what}"
        yield f"       {outcome.wrong}"
        yield f"       again: {again} --only {outcome.number}"
    for check in report.checks:
        yield f"{'ok    ' if check.ok else 'FAILED'} {check.name}" + (
            f": {check.detail}" if check.detail and not check.ok else ""
        )
    if report.missing:
        yield f"formats that no FFmpeg here writes: {', '.join(report.missing)}"
    yield f"{len(report.outcomes)} cases, {len(report.failed)} failed, {report.took_s:.0f} s"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description="Send damaged and hostile files to a server.")
    parser.add_argument("--count", type=int, default=1000, help="cases (1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, metavar="N", help="send one case, and show the answer")
    parser.add_argument("--speech", type=Path, metavar="DIR", help="recordings (the examples)")
    parser.add_argument("--model", default=EMBEDDED)
    parser.add_argument("--clients", type=int, default=4, help="requests at once (4)")
    parser.add_argument("--minutes", type=float, default=30.0, help="the longest it may take (30)")
    parser.add_argument("--save", type=Path, metavar="DIR", help="keep the file of --only here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report as JSON too")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 where something failed."""
    options = parse(arguments)
    recordings = Recordings(choose(options.speech, CLIPS, options.seed), tuple(FORMATS))
    numbers = range(options.count) if options.only is None else [options.only]
    with tempfile.TemporaryDirectory(prefix="emotion-fuzz-") as folder:
        if options.save is not None and options.only is not None:
            nowhere = Targets(("/etc/passwd",), "http://127.0.0.1:9")
            case = make_case(options.only, options.seed, recordings, nowhere)
            options.save.mkdir(parents=True, exist_ok=True)
            (options.save / f"case-{options.only}").write_bytes(case.file.data)
        report = run(
            numbers, options.seed, recordings, Path(folder), model=options.model,
            clients=options.clients, minutes=options.minutes,
        )  # fmt: skip
    again = f"python -m tools.fuzz_inputs --seed {options.seed}"
    if options.speech is not None:
        again += f" --speech {options.speech}"
    print("\n".join(show(report, again)))
    if options.only is not None:
        print(json.dumps(asdict(report.outcomes[0]), indent=2, ensure_ascii=True))
    if options.json is not None:
        options.json.write_text(json.dumps(as_json(report), indent=2) + "\n", "utf-8")
    return 0 if report.ok else 1


def as_json(report: Report) -> dict[str, Any]:
    """The report for programs."""
    return {**asdict(report), "ok": report.ok}


if __name__ == "__main__":
    sys.exit(main())
