"""Processes that decode: bounds, logs, and the SILK decoder's own program."""

from __future__ import annotations

import ast
import io
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import psutil
import pysilk
import pytest

from emotion.audio import process, silk
from emotion.audio.process import piped
from emotion.core.config import AudioConfig
from emotion.core.errors import (
    AudioDecodeError,
    CancelledError,
    DecoderMissingError,
    DecoderTimeoutError,
    OutputError,
)

PYTHON = [sys.executable, "-I", "-c"]
# A process begins before its limits are set; this waits for the last of them.
LIMITED_FIRST = "import resource, sys\nwhile resource.getrlimit(resource.RLIMIT_FSIZE)[0]: pass\n"


def test_a_process_that_ends_by_itself() -> None:
    code = "import sys; sys.stdout.write('a' * 100); sys.stderr.write('words'); sys.exit(3)"
    with piped([*PYTHON, code], 60) as run:
        assert run.stdout.read() == b"a" * 100
    assert (run.code, run.log, run.timed_out) == (3, "words", False)


def test_a_program_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    program = tmp_path / "ffmpeg"
    with pytest.raises(DecoderMissingError, match="ffmpeg: No such file"), piped([str(program)], 9):
        pass
    program.write_text("no program")
    program.chmod(0o755)
    with pytest.raises(DecoderMissingError, match="ffmpeg: Exec format"), piped([str(program)], 9):
        pass


def test_a_process_that_cannot_be_watched_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(process, "_bound", lambda pid, timeout_s: started.append(pid))
    monkeypatch.setattr(threading.Thread, "start", refuse)
    command = [*PYTHON, "import time; time.sleep(60)"]
    with pytest.raises(RuntimeError, match="new thread"), piped(command, 60):
        pass
    assert not psutil.pid_exists(started[0])


def test_a_process_that_is_left_early_is_ended() -> None:
    code = "import sys\nwhile True: sys.stdout.write('a' * 4096)"
    with piped([*PYTHON, code], 60) as run:
        assert run.stdout.read(10) == b"a" * 10
    assert run.code != 0 and not run.timed_out


def test_a_process_that_takes_too_long_is_ended() -> None:
    with piped([*PYTHON, "import time; time.sleep(60)"], 0.2) as run:
        assert run.stdout.read() == b""
    assert run.timed_out and run.code != 0


def test_a_process_that_writes_nothing_is_ended_when_nobody_waits() -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 2

    with (
        pytest.raises(CancelledError),
        piped([*PYTHON, "import time; time.sleep(60)"], 60, cancelled=cancelled) as run,
    ):
        run.stdout.read()
    assert len(asked) == 3


def test_a_long_log_keeps_its_beginning_and_its_end() -> None:
    code = "import sys; sys.stderr.write('begin' + 'x' * (3 << 20) + 'end')"
    with piped([*PYTHON, code], 60) as run:
        run.stdout.read()
    assert run.log.startswith("begin") and run.log.endswith("end") and len(run.log) < 2 << 20


@pytest.mark.skipif(process.resource is None, reason="no limits of memory on this system")
def test_memory_is_bounded() -> None:
    code = LIMITED_FIRST + "sys.stdout.write(str(len(bytearray(7 << 30))))"
    with piped([*PYTHON, code], 60) as run:
        assert run.stdout.read() == b""
    assert run.code == 1 and "MemoryError" in run.log


LIMITED = pytest.mark.skipif(
    not hasattr(process.resource, "prlimit"), reason="no limits for other processes on this system"
)


@LIMITED
def test_every_limit_is_set() -> None:
    names = ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_CORE")
    code = (
        f"{LIMITED_FIRST}print([resource.getrlimit(getattr(resource, name)) for name in {names}])"
    )
    with piped([*PYTHON, code], 60) as run:
        found = ast.literal_eval(run.stdout.read().decode())
    assert found == [(6 << 30, 6 << 30), (121, 121), (0, 0), (0, 0)]


@LIMITED
def test_no_file_is_written(tmp_path: Path) -> None:
    target = tmp_path / "product"
    code = f"{LIMITED_FIRST}open({str(target)!r}, 'wb', 0).write(b'a')"
    with piped([*PYTHON, code], 60) as run:
        assert run.stdout.read() == b""
    assert "File too large" in run.log and target.read_bytes() == b""


@LIMITED
def test_the_processor_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    # Ended by its limit: the time that the watcher waits for is longer.
    monkeypatch.setattr(process, "_THREADS", 0)
    with piped([*PYTHON, "while True: pass"], 60) as run:
        run.stdout.read()
    assert -run.code in (signal.SIGXCPU, signal.SIGKILL) and not run.timed_out


def test_limits_that_cannot_be_set_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    if process.resource is not None:
        monkeypatch.setattr(process.resource, "prlimit", refuse, raising=False)
    with piped([*PYTHON, "print('done')"], 60) as run:
        assert run.stdout.read() == b"done\n"
    assert run.code == 0


def test_a_log_that_never_ends_is_read_and_forgotten() -> None:
    code = "import sys\nfor i in range(9000): sys.stderr.write(f'{i} ' * 200)"
    with piped([*PYTHON, code], 60) as run:
        run.stdout.read()
    assert run.log.startswith("0 0 ") and run.log.endswith(" 8999 ") and len(run.log) == 2**20 + 1


def message(seconds: float = 1.0) -> bytes:
    out = io.BytesIO()
    noise = np.random.default_rng(0).integers(-9000, 9000, int(16000 * seconds))
    pysilk.encode(io.BytesIO(noise.astype("<i2").tobytes()), out, 16000, 24000)
    return out.getvalue()


def packets(tmp_path: Path, data: bytes) -> silk.Packets:
    path = tmp_path / "voice.silk"
    path.write_bytes(data)
    return silk.read_packets(path, AudioConfig())


def decoded(found: silk.Packets) -> bytes:
    return b"".join(silk.decode_packets(found, "voice.silk", AudioConfig(), lambda: False))


def test_packets_are_read_whole_or_not_at_all(tmp_path: Path) -> None:
    whole = message()
    found = packets(tmp_path, whole)
    assert len(found.content) == 50 and not found.truncated
    cut = packets(tmp_path, whole[:-1])
    assert len(cut.content) == 49 and cut.truncated
    assert packets(tmp_path, whole[1:] + b"\xff\xff" + b"more") == found
    for head in (b"", b"\x02", b"\x02#!SILK_V2", b"#!SILK"):
        with pytest.raises(AudioDecodeError, match="SILK"):
            packets(tmp_path, head)
    with pytest.raises(AudioDecodeError, match="SILK"):
        packets(tmp_path, whole[:10] + b"\x00\x40" + bytes(0x4000))


def test_an_empty_packet_is_20_ms_of_silence(tmp_path: Path) -> None:
    found = packets(tmp_path, message())
    gap = silk.Packets((*found.content[:10], b"", b"", *found.content[10:]), truncated=False)
    samples = np.frombuffer(decoded(gap), "<i2")
    assert samples.size == np.frombuffer(decoded(found), "<i2").size + 640
    assert not samples[3200:3840].any() and samples[:3200].any()
    assert decoded(silk.Packets((b"",) * 3, truncated=False)) == bytes(3 * 640)


def test_the_decoder_is_stopped_with_its_caller(tmp_path: Path) -> None:
    found = packets(tmp_path, message())
    with pytest.raises(CancelledError):
        list(silk.decode_packets(found, "voice.silk", AudioConfig(), lambda: True))
    with pytest.raises(DecoderTimeoutError):
        list(silk.decode_packets(found, "v", AudioConfig(decode_timeout_s=1e-9), lambda: False))


def test_packets_that_cannot_be_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    found = packets(tmp_path, message())
    monkeypatch.setattr(silk.tempfile, "TemporaryFile", full)
    with pytest.raises(OutputError, match="No space left on device"):
        decoded(found)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = packets(tmp_path, message())
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with pytest.raises(AudioDecodeError, match="needs the package silk-python"):
        decoded(found)


def test_random_packets_never_harm_the_caller(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        junk = tuple(rng.bytes(int(size)) for size in rng.integers(0, 640, 20))
        with pytest.raises(AudioDecodeError, match="a damaged SILK voice message"):
            decoded(silk.Packets(junk, truncated=False))


def test_the_program_says_when_it_fails() -> None:
    data = (5).to_bytes(2, "little") + b"short"
    done = subprocess.run(
        [sys.executable, "-I", silk.__file__.replace("silk.py", "silk_child.py"), "0"],
        input=data,
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0 and done.stdout == b""
