"""Kills a working server again and again, and looks at what is left.

    python -m tools.kill_server --times 50 --signal KILL
    python -m tools.kill_server --times 20 --signal TERM

Each round starts a server with the embedded model on a free port of the loopback, sends it
recordings of several kinds, a live recording and an upload that never ends, and in every second
round has it download a model from a hub on the loopback. At a random moment it is killed. Then:

- no half run is visible, and after a SIGTERM no hidden one is there either;
- no process that the server started is left (they are known by a variable in their environment);
- every answer that came was one that the API documents;
- the next server is ready, recognises a recording, and finishes the download;
- nothing is left of the killed one: no hidden run, no temporary file.

Prints a line a round and a summary; the exit code is 1 if anything was not so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from emotion.audio import ffmpeg_path
from emotion.core.paths import PROJECT_DIR
from emotion.core.registry import DEFAULT, EMBEDDED
from emotion.storage.run_store import AUDIO_FILE, RESULT_FILE, run_ids
from tests.hub_server import HubServer
from tools.reliability.busy import STOP_S, Work

MARK = "EMOTION_KILL_SERVER"
MINI = PROJECT_DIR / "models" / EMBEDDED
BY_DESIGN = (200, 201, 499, 503)  # of valid requests, while the server works or stops
READY_S = 120.0
ORPHANS_S = 20.0  # a decoder whose reader was killed ends when it writes next
_MOMENT_S = 2.5


@dataclass
class Round:
    """What one round showed.

    Attributes:
        moment_s: When the server was killed, from the first request on.
        busy: What was under way at that moment.
        statuses: How often each answer came.
        stopped_s: From the signal to the end of the process.
        faults: What was not as it must be.
    """

    moment_s: float
    busy: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    stopped_s: float = 0.0
    faults: list[str] = field(default_factory=list)


class Server:
    """A server process with folders of its own.

    Args:
        work: The folder for runs, models and temporary files.
        hub: Where it downloads the default model from; None has it offline.
    """

    def __init__(self, work: Path, hub: HubServer | None) -> None:
        self.log = work / "server.log"
        own = {
            MARK: str(work),
            "TMPDIR": str(work / "tmp"),
            "XDG_CACHE_HOME": str(work / "cache"),
            "NO_PROXY": "127.0.0.1",
        }
        command = [sys.executable, "-m", "emotion", "serve", "--port", "0", "--device", "cpu"]
        command += ["--output-dir", str(work / "outputs"), "--models-dir", str(work / "models")]
        if hub is None:
            command += ["--model", EMBEDDED, "--offline"]
        else:
            own["MODELSCOPE_DOMAIN"] = hub.address
            command += ["--hub", "ms"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, **own}, stdout=log, stderr=log, cwd=PROJECT_DIR
            )
        self.address = self._address()

    def _address(self) -> str:
        word = "Running on "

        def told() -> bool:
            return word in self.log.read_text("utf-8")

        if not until(lambda: told() or self.process.poll() is not None, READY_S) or not told():
            raise RuntimeError(f"no server: {self.log.read_text('utf-8')}")
        return self.log.read_text("utf-8").partition(word)[2].split()[0]

    def ready(self) -> bool:
        """Waits until it says that it is ready."""

        def asked() -> bool:
            try:
                return httpx.get(f"{self.address}/readyz", timeout=READY_S).status_code == 200
            except httpx.TransportError:
                return False

        return until(asked, READY_S)

    def end(self, number: signal.Signals) -> float:
        """Sends a signal; the seconds until the process has ended."""
        began = time.monotonic()
        self.process.send_signal(number)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return STOP_S
        return time.monotonic() - began


def until(condition: Callable[[], bool], limit_s: float) -> bool:
    """Waits until something is so; whether it came to be."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def recordings(folder: Path) -> list[Path]:
    """Speech of several lengths and codings, made of the examples."""
    speech = sorted(path for path in (PROJECT_DIR / "examples").iterdir() if path.suffix == ".ogg")
    made = speech[:3]
    for name, seconds in (
        ("short.wav", 3),
        ("long.mp3", 900),
        ("long.flac", 600),
        ("call.wav", 90),
    ):
        target = folder / name
        command = [ffmpeg_path(), "-v", "error", "-nostdin", "-stream_loop", "-1"]
        command += ["-i", str(speech[0]), "-t", str(seconds), "-ar", "16000", str(target)]
        subprocess.run(command, check=True)
        made.append(target)
    return made


def half_runs(outputs: Path) -> list[str]:
    """The visible runs that are not whole."""
    half = []
    for run_id in run_ids(outputs):
        try:
            result = json.loads((outputs / run_id / RESULT_FILE).read_text("utf-8"))
            with wave.open(str(outputs / run_id / AUDIO_FILE)) as audio:
                frames, rate_hz = audio.getnframes(), audio.getframerate()
                whole = len(audio.readframes(frames)) == 2 * frames
            if not whole or abs(frames / rate_hz - result["audio"]["duration_s"]) > 0.01:
                half.append(run_id)
        except (OSError, ValueError, KeyError, EOFError, wave.Error):
            half.append(run_id)
    return half


def hidden_runs(outputs: Path) -> list[str]:
    """Runs in the making."""
    return [path.name for path in outputs.glob(".partial-*")]


def offspring(work: Path) -> list[str]:
    """Processes that a server with these folders started, and it itself."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(work) and process.status() != "zombie":
                found.append(" ".join(process.cmdline()[:1]) or process.name())
        except psutil.Error:  # ended, or not ours
            continue
    return found


def play(
    work: Path, files: list[Path], hub: HubServer | None, number: signal.Signals, seed: float
) -> Round:
    """One round.

    Args:
        work: An empty folder.
        files: What is sent; the last one is WAV.
        hub: Stalls in the middle of a model; None for a round without a download.
        number: The signal.
        seed: Of all that is chosen.
    """
    rng = random.Random(seed)
    for name in ("tmp", "outputs", "models"):
        (work / name).mkdir()
    seen = Round(rng.uniform(0, _MOMENT_S))
    server = Server(work, hub)
    if rng.random() < 0.8:  # else from the first moment on
        server.ready()
    if hub is not None and not hub.stalled.wait(READY_S):
        seen.faults.append("the download did not begin")
    sent = Work(server.address, files, rng)
    time.sleep(seen.moment_s)
    seen.busy = Counter(Path(name).name for name in offspring(work))
    seen.busy["half runs"] = len(hidden_runs(work / "outputs"))
    seen.stopped_s = server.end(number)
    dead = server.process.pid
    _look(work, number, seen)
    if not sent.stop():
        seen.faults.append("a request was never answered")
    seen.statuses = sent.statuses
    seen.faults += [f"status {code}" for code in sent.statuses if code not in BY_DESIGN]
    if hub is not None:
        hub.go_on.set()
    _restart(work, files[-1], hub, dead, seen)
    return seen


def _look(work: Path, number: signal.Signals, seen: Round) -> None:
    """After the end: no process, no half run."""
    if seen.stopped_s >= STOP_S:
        seen.faults.append(f"not ended within {STOP_S:.0f} s")
    if not until(lambda: not offspring(work), 0.5 if number == signal.SIGTERM else ORPHANS_S):
        seen.faults.append(f"left running: {', '.join(offspring(work))}")
    if half := half_runs(work / "outputs"):
        seen.faults.append(f"half runs: {', '.join(half)}")
    if number == signal.SIGTERM:
        left = hidden_runs(work / "outputs") + [path.name for path in (work / "tmp").iterdir()]
        seen.faults += [f"left after SIGTERM: {name}" for name in left]


def _restart(work: Path, recording: Path, hub: HubServer | None, dead: int, seen: Round) -> None:
    """The next server serves at once, and nothing is left of the one before."""
    server = Server(work, hub)
    try:
        if not server.ready():
            seen.faults.append("not ready again")
        content = recording.read_bytes()
        answer = httpx.post(f"{server.address}/api/v1/recognize", content=content, timeout=READY_S)
        if answer.status_code != 200:
            seen.faults.append(f"after the restart: {answer.status_code} {answer.text}")
        if hub is not None:
            whole = work / "models" / DEFAULT / "model.pt"
            if not until(whole.exists, READY_S):
                seen.faults.append("the download was not finished")
            elif whole.read_bytes() != hub.files["model.pt"]:
                seen.faults.append("the downloaded model is damaged")
        left = [path.name for path in (work / "tmp").iterdir()] + hidden_runs(work / "outputs")
        seen.faults += [f"left behind: {name}" for name in left if f"-{dead}-" in name]
        mine = [name for name in left if f"-{server.process.pid}-" in name]
        seen.faults += [
            f"nobody's: {name}" for name in set(left) - set(mine) if str(dead) not in name
        ]
    finally:
        server.end(signal.SIGTERM)


@contextmanager
def _hub(rng: random.Random) -> Iterator[HubServer]:
    """A hub that gives the embedded model under the default's name, and stalls in the middle."""
    names = ("config.yaml", "tokens.txt", "configuration.json", "model.pt")
    with HubServer({name: (MINI / name).read_bytes() for name in names}) as hub:
        hub.faults.stall["model.pt"] = rng.randrange(1, len(hub.files["model.pt"]))
        yield hub


def run(times: int, number: signal.Signals, seed: int, limit_s: float) -> list[Round]:
    """Plays so many rounds, or fewer where time is up; prints a line of each."""
    rng = random.Random(seed)
    deadline = time.monotonic() + limit_s
    rounds: list[Round] = []
    with tempfile.TemporaryDirectory(prefix="kill-server-") as own:
        files = recordings(Path(own))
        while len(rounds) < times and time.monotonic() < deadline:
            work = Path(tempfile.mkdtemp(dir=own))
            with _hub(rng) if len(rounds) % 2 else nullcontext() as hub:
                rounds.append(play(work, files, hub, number, rng.random()))
            shutil.rmtree(work, ignore_errors=True)
            _tell(len(rounds), rounds[-1])
    return rounds


def _tell(number: int, seen: Round) -> None:
    busy = ", ".join(f"{count} {name}" for name, count in sorted(seen.busy.items()) if count)
    verdict = "; ".join(seen.faults) or "fine"
    kind = "offline" if number % 2 else "download"
    when = f"after {seen.moment_s:4.2f} s ({busy}), stopped in {seen.stopped_s:.1f} s"
    print(f"{number:3} {kind:8} {when}: {verdict}", flush=True)


def main(argv: list[str] | None = None) -> int:
    """Runs from the command line."""
    parser = argparse.ArgumentParser(description="Kills a working server again and again.")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--signal", choices=("KILL", "TERM"), default="KILL")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit-s", type=float, default=3600.0, help="no round begins after this")
    args = parser.parse_args(argv)
    number = signal.Signals[f"SIG{args.signal}"]
    rounds = run(args.times, number, args.seed, args.limit_s)
    faulty = [seen for seen in rounds if seen.faults]
    statuses = sum((seen.statuses for seen in rounds), Counter[int]())
    busy = sum((seen.busy for seen in rounds), Counter[str]())
    print(
        f"\n{len(rounds)} of {args.times} rounds with SIG{args.signal}, {len(faulty)} with faults"
    )
    print(f"answers by status: {dict(sorted(statuses.items()))}")
    print(f"under way when killed, over all rounds: {dict(sorted(busy.items()))}")
    print(f"longest stop: {max((seen.stopped_s for seen in rounds), default=0.0):.1f} s")
    return 1 if faulty or len(rounds) < args.times else 0


if __name__ == "__main__":
    sys.exit(main())
