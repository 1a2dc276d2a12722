"""A decoder in a process of its own: bounded in time and memory, read through a pipe."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
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
    with tempfile.TemporaryFile() as log:
        ended, withdrawn = threading.Event(), threading.Event()
        process = _start(command, stdin, log)
        assert process.stdout is not None  # opened as a pipe
        run = Piped(process.stdout)
        try:
            _bound_memory(process.pid)
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
            run.log = _read_log(log)


def _start(
    command: Sequence[str], stdin: IO[bytes] | None, log: IO[bytes]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=stdin if stdin is not None else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
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


def _bound_memory(pid: int) -> None:
    # A file may claim a gap of years, which FFmpeg would fill with silence in memory.
    if resource is not None and hasattr(resource, "prlimit"):
        with contextlib.suppress(OSError, ValueError):  # it may have ended, or have a lower limit
            limit = (_ADDRESS_SPACE_BYTES, _ADDRESS_SPACE_BYTES)
            resource.prlimit(pid, resource.RLIMIT_AS, limit)


def _read_log(log: IO[bytes]) -> str:
    size = log.seek(0, 2)
    log.seek(0)
    text = log.read(_LOG_BYTES)
    if size > _LOG_BYTES:
        log.seek(max(_LOG_BYTES, size - _LOG_BYTES))
        text += b"\n" + log.read(_LOG_BYTES)
    return text.decode("utf-8", "replace")
