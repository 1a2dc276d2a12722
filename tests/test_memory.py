from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion.core import memory
from emotion.core.errors import AudioNotFoundError
from emotion.core.memory import Trimmer, few_arenas
from emotion.core.paths import PROJECT_DIR
from emotion.services.recognitions import JobRequest, RecognitionService
from tests.api import WAIT_S

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not glibc")

# Threads allocate blocks below the size that glibc maps, and free all but a few.
CODE = """
import threading
import psutil
from emotion.core.memory import _trim, few_arenas

def rss():
    return psutil.Process().memory_info().rss

def work(kept):
    blocks = [bytearray(60_000) for _ in range(500)]
    kept.append(blocks[-1])

def arenas():
    with open("/proc/self/maps", encoding="ascii") as maps:
        starts = [int(line.partition("-")[0], 16) for line in maps if line.endswith(" 0 \\n")]
    return sum(start % (64 << 20) == 0 for start in starts)

print(few_arenas())
kept = []
meet = threading.Barrier(8)
threads = [threading.Thread(target=lambda: (meet.wait(), work(kept), meet.wait())) for _ in "x" * 8]
for thread in threads: thread.start()
for thread in threads: thread.join()
before = rss()
_trim()
print(arenas(), before - rss())
"""


def test_kernels_are_bounded_unless_the_operator_says_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.delenv(name, raising=False)
    memory.few_kernels()
    assert os.environ[name] == "256"
    monkeypatch.setenv(name, "7")
    memory.few_kernels()
    assert os.environ[name] == "7"


@glibc
def test_threads_share_arenas_and_freed_memory_goes_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], check=True, cwd=PROJECT_DIR, capture_output=True, text=True
    )
    possible, arenas, freed_bytes = done.stdout.split()
    assert possible == "True" and int(arenas) <= 2
    assert int(freed_bytes) > 1_000_000


def test_it_is_given_back_once_for_many_jobs() -> None:
    trims: list[int] = []
    trimmed = threading.Event()
    trimmer = Trimmer(lambda: (trims.append(len(trims)), trimmed.set()), 0.05)
    for expected in (1, 2):
        for _ in range(10):
            trimmer()
        assert trimmed.wait(WAIT_S)
        trimmed.clear()
        assert len(trims) == expected


def test_nothing_is_given_back_after_the_end() -> None:
    trims: list[int] = []
    trimmer = Trimmer(lambda: trims.append(1), 1000.0)
    trimmer()
    (timer,) = (t for t in threading.enumerate() if isinstance(t, threading.Timer))
    trimmer.close()
    timer.join(WAIT_S)
    trimmer()
    assert trims == [] and not timer.is_alive()


def test_other_systems_have_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert few_arenas() is False
    memory._trim()


def test_each_job_may_give_memory_back(
    service: RecognitionService, wav: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(Trimmer, "__call__", lambda trimmer: calls.append("trim"))
    for _ in range(2):
        service.jobs.submit(JobRequest(wav(1.0), store=False)).result(30)
    with pytest.raises(AudioNotFoundError):
        service.jobs.submit(JobRequest(Path("none.wav"), store=False)).result(30)
    assert calls == ["trim"] * 3
