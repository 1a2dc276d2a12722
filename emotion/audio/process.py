"""A decoder in a process of its own: bounded in every way, read through two pipes.

It is bounded in time, processor time and memory, and writes no file: neither a product nor a core
dump. Its number of processes is not bounded, because `RLIMIT_NPROC` does not do that: it counts all
threads of the user, wherever they came from, and none of root's. When this process is killed, what
the decoder writes next ends it; until then its processor time is bounded.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from emotion.core.errors import CancelledError, DecoderMissingError

try:
    import resource
except ImportError:  # not a Unix
    resource = None  # type: ignore[assignment]

_BEAT_S = 0.05
_LOG_BYTES = 1 << 19
_READ_BYTES = 1 << 16
_THREADS = 2  # that compute at once: FFmpeg decodes and filters
_ADDRESS_SPACE_BYTES = 6 << 30  # silence of 4 h between two timestamps fits


@dataclass
class Piped:
    """A running decoder.

    Attributes:
        stdout: What it writes.
        code: Its exit code, once the context has ended without an error.
        log: What it wrote to standard error: the beginning and the end.
        timed_out: Whether it was stopped for taking too long.
    """

    stdout: IO[bytes]
    code: int = 0
    log: str = ""
    timed_out: bool = False


@contextlib.contextmanager
def piped(
    command: Sequence[str],
    timeout_s: float,
    stdin: IO[bytes] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[Piped]:
    """Runs a decoder; what it has not written when the context ends is lost.

    Args:
        command: Program and arguments.
        timeout_s: It is stopped after so many seconds.
        stdin: An open file; nothing by default.
        cancelled: Asked while it runs; true stops it, even where it writes nothing.

    Raises:
        CancelledError: ``cancelled`` said so.
        DecoderMissingError: The program cannot be run.
    """
    ended, withdrawn = threading.Event(), threading.Event()
    process = _start(command, stdin)
    assert process.stdout is not None and process.stderr is not None  # opened as pipes
    run, log = Piped(process.stdout), _Log(process.stderr)
    try:
        _bound(process.pid, timeout_s)
        log.start()
        watched = (process, run, timeout_s, cancelled, ended, withdrawn)
        threading.Thread(target=_watch, args=watched, name="decoder-watch", daemon=True).start()
        yield run
        if not run.stdout.read(1):  # it has written all, so it ends by itself
            process.wait()
        if withdrawn.is_set():
            raise CancelledError()
    finally:
        ended.set()
        process.kill()
        run.code = process.wait()
        process.stdout.close()
        run.log = log.text()


def _start(command: Sequence[str], stdin: IO[bytes] | None) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a Ctrl-C at the terminal is ours to handle
        )
    except OSError as e:  # removed since it was found, or no program
        raise DecoderMissingError(reason=f"{command[0]}: {e.strerror}") from e


def _watch(
    process: subprocess.Popen[bytes],
    run: Piped,
    timeout_s: float,
    cancelled: Callable[[], bool],
    ended: threading.Event,
    withdrawn: threading.Event,
) -> None:
    deadline = time.monotonic() + timeout_s
    while not ended.wait(min(_BEAT_S, timeout_s)):
        run.timed_out = time.monotonic() > deadline
        if cancelled():
            withdrawn.set()
        if run.timed_out or withdrawn.is_set():
            process.kill()
            return


def _bound(pid: int, timeout_s: float) -> None:
    if resource is None or not hasattr(resource, "prlimit"):  # not Linux
        return
    limits = (
        # A file may claim a gap of years, which FFmpeg would fill with silence in memory.
        (resource.RLIMIT_AS, _ADDRESS_SPACE_BYTES),
        (resource.RLIMIT_CPU, math.ceil(_THREADS * timeout_s) + 1),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),  # pipes are no files
    )
    for kind, limit in limits:
        with contextlib.suppress(OSError, ValueError):  # it may have ended, or have a lower limit
            resource.prlimit(pid, kind, (limit, limit))


class _Log:
    """Reads what a process writes to standard error: keeps the beginning and the end."""

    def __init__(self, stderr: IO[bytes]) -> None:
        self._stderr = stderr
        self._head = bytearray()
        self._tail = bytearray()
        self._cut = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begins to read, in a thread."""
        thread = threading.Thread(target=self._read, name="decoder-log", daemon=True)
        thread.start()
        self._thread = thread

    def _read(self) -> None:
        while data := self._stderr.read1(_READ_BYTES):  # type: ignore[attr-defined]
            room = _LOG_BYTES - len(self._head)
            self._head += data[:room]
            self._tail += data[room:]
            if len(self._tail) > 2 * _LOG_BYTES:
                del self._tail[:-_LOG_BYTES]
                self._cut = True

    def text(self) -> str:
        """All that was kept; waits for the process's end."""
        if self._thread is not None:
            self._thread.join()
        self._stderr.close()
        tail = self._tail[-_LOG_BYTES:]
        gap = b"\n" if self._cut or len(self._tail) > len(tail) else b""
        return bytes(self._head + gap + tail).decode("utf-8", "replace")
