"""A server in a process of its own, with private folders, whose memory and files are watched."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import httpx
import psutil

from emotion.core.paths import PROJECT_DIR
from emotion.core.registry import EMBEDDED

START_S = 180.0
STOP_S = 60.0
_BEAT_S = 0.05
_RUNNING = re.compile(r"Running on (http://\S+)")
_UNWATCHED = {".git", ".venv", "__pycache__", "outputs", "build"}
_CACHES = "_cache"

Listing = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Check:
    """Something that must be so.

    Attributes:
        name: What.
        ok: Whether it is.
        detail: The figures, or what is wrong.
    """

    name: str
    ok: bool
    detail: str = ""


class OwnServer:
    """``emotion serve`` on a free port of the loopback interface; a context manager.

    Args:
        root: An empty folder; the server's temporary folder, outputs, home and working directory
            are made in it.
        model: What answers.
        options: More of the command line.

    Attributes:
        address: ``http://127.0.0.1:PORT``.
        outputs: Where runs go.
        temporary: Its ``TMPDIR``.
        work: Its working directory.
        log_path: What it logs.
        exit_code: Of its process, once it has ended.
    """

    def __init__(self, root: Path, model: str = EMBEDDED, options: Sequence[str] = ()) -> None:
        self.root = root
        self.outputs, self.temporary = root / "outputs", root / "temporary"
        self.work, self._home = root / "work", root / "home"
        self.log_path = root / "server.log"
        self._command = [
            *(sys.executable, "-m", "emotion", "serve", "--host", "127.0.0.1", "--port", "0"),
            *("--model", model, "--offline", *options),
        ]
        self.address = ""
        self.exit_code: int | None = None

    def __enter__(self) -> OwnServer:
        for folder in (self.outputs, self.temporary, self.work, self._home):
            folder.mkdir(parents=True)
        env = {name: value for name, value in os.environ.items() if "EMOTION_" not in name}
        env |= {
            "EMOTION_OUTPUTS_DIR": str(self.outputs),
            "HOME": str(self._home),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(PROJECT_DIR),
            "TMPDIR": str(self.temporary),
            "XDG_CACHE_HOME": str(self._home / ".cache"),
        }
        with self.log_path.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self.work, env=env, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            self._await_ready()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_S
        while not self.ready():
            if not self.alive() or self._has_failed() or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{self.log()[-2000:]}")
            time.sleep(_BEAT_S)

    def ready(self) -> bool:
        """Whether it says that it is ready."""
        if not self.address:
            found = _RUNNING.search(self.log())
            self.address = found[1] if found else ""
        try:
            url = f"{self.address}/readyz"
            return bool(self.address) and httpx.get(url, timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    def _has_failed(self) -> bool:
        """Whether the model could not be loaded."""
        try:
            status = (
                httpx.get(f"{self.address}/api/v1/status", timeout=10) if self.address else None
            )
            return status is not None and status.json()["phase"] == "failed"
        except httpx.TransportError:
            return False

    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process.poll() is None

    def log(self) -> str:
        """All that it logged."""
        return self.log_path.read_text("utf-8", "replace")

    def resident_bytes(self) -> int:
        """Resident memory of its process and of those that it started, in bytes."""
        total = 0
        server = psutil.Process(self._process.pid)
        for process in (server, *server.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total

    def children(self) -> list[str]:
        """Names of the processes that it started and that run."""
        return [child.name() for child in psutil.Process(self._process.pid).children(True)]

    def leftovers(self) -> list[str]:
        """Files in its temporary folder, those that Gradio keeps for its page left out."""
        return [
            str(path.relative_to(self.temporary))
            for path in sorted(self.temporary.rglob("*"))
            if not path.is_dir() and not path.relative_to(self.temporary).parts[0].startswith(
                "emotion-uploads-"
            )
        ]  # fmt: skip

    def await_idle(self, timeout_s: float = 30.0) -> None:
        """Waits until it has neither temporary files nor processes, at most so long."""
        deadline = time.monotonic() + timeout_s
        while (self.leftovers() or self.children()) and time.monotonic() < deadline:
            time.sleep(_BEAT_S)

    def stop(self) -> None:
        """Asks it to stop, and ends it where it does not."""
        if self.exit_code is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self.exit_code = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            self.exit_code = -int(signal.SIGKILL)


def listing(*folders: Path, left_out: Sequence[Path] = ()) -> Listing:
    """Size and time of change, in nanoseconds, of each file below some folders."""
    found: Listing = {}
    for folder in folders:
        for place, inner, names in os.walk(folder):
            inner[:] = [
                name
                for name in inner
                if name not in _UNWATCHED
                and not name.endswith(_CACHES)
                and Path(place, name) not in left_out
            ]
            for name in names:
                path = Path(place, name)
                if path not in left_out:
                    with contextlib.suppress(FileNotFoundError):
                        status = path.lstat()
                        found[str(path)] = status.st_size, status.st_mtime_ns
    return found


def differences(before: Listing, after: Listing) -> list[str]:
    """What was made, changed or removed."""
    return [
        f"{'removed' if path not in after else 'changed' if path in before else 'made'}: {path}"
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]


def incomplete_runs(outputs: Path) -> list[str]:
    """What lies in a folder of runs and is neither a complete run nor the index."""
    wrong = []
    for path in sorted(outputs.iterdir()):
        if path.is_dir():
            try:
                whole = bool(json.loads((path / "result.json").read_text("utf-8"))["emotion"])
                whole = whole and (path / "processed_audio.wav").stat().st_size > 44
            except (OSError, ValueError, KeyError):
                whole = False
            if not whole:
                wrong.append(path.name)
        elif not path.name.startswith("."):
            wrong.append(path.name)
    return wrong


def final_checks(server: OwnServer) -> Iterator[Check]:
    """What must hold once all is answered; the last of them after the server was asked to stop."""
    server.await_idle()
    alive = server.alive()
    yield Check("the server is alive and ready", alive and server.ready())
    left = [*server.leftovers(), *(server.children() if alive else [])]
    yield Check("no temporary files, no processes left", not left, listed(left))
    wrong = incomplete_runs(server.outputs)
    yield Check("every run folder is complete", not wrong, listed(wrong))
    traces = server.log().count("Traceback (most recent call last)")
    yield Check("no traceback in the log", not traces, f"{traces}" if traces else "")
    server.stop()
    code = server.exit_code
    ended = code in (0, -signal.SIGTERM)  # uvicorn stops in order, then hands the signal on
    yield Check(f"SIGTERM ends it within {STOP_S:.0f} s", ended, f"exit code {code}")
    rest = [path.name for path in server.temporary.iterdir()]
    yield Check("its temporary folder is empty then", not rest, listed(rest))


def listed(items: Sequence[str], most: int = 5) -> str:
    """The first of some items in one line."""
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if items[most:] else "")
