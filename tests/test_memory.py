from __future__ import annotations

import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion.core import memory
from emotion.core.errors import AudioNotFoundError
from emotion.core.memory import INTERVAL_S, Trimmer, few_arenas
from emotion.core.paths import PROJECT_DIR
from emotion.services.recognitions import JobRequest, RecognitionService

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="not glibc")

# Threads allocate blocks below the size that glibc maps, and free all but a few.
CODE = """
import threading
import psutil
from emotion.core.memory import Trimmer, few_arenas

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
clock = iter([0.0, 10.0])
Trimmer(clock=lambda: next(clock))()
print(arenas(), before - rss())
"""


@glibc
def test_threads_share_arenas_and_freed_memory_goes_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], check=True, cwd=PROJECT_DIR, capture_output=True, text=True
    )
    possible, arenas, freed_bytes = done.stdout.split()
    assert possible == "True" and int(arenas) <= 2
    assert int(freed_bytes) > 1_000_000


def test_it_is_given_back_now_and_then() -> None:
    trims: list[float] = []
    times = iter([0.0, 1.0, INTERVAL_S, INTERVAL_S + 1, 2 * INTERVAL_S, 3 * INTERVAL_S])
    now = 0.0

    def clock() -> float:
        nonlocal now
        now = next(times)
        return now

    trimmer = Trimmer(lambda: trims.append(now), clock)
    for _ in range(5):
        trimmer()
    assert trims == [INTERVAL_S, 2 * INTERVAL_S, 3 * INTERVAL_S]


def test_other_systems_have_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert few_arenas() is False
    memory._trim()


def test_each_job_may_give_memory_back(
    service: RecognitionService, wav: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(service, "_trim", lambda: calls.append("trim"))
    for _ in range(2):
        service.jobs.submit(JobRequest(wav(1.0), store=False)).result(30)
    with pytest.raises(AudioNotFoundError):
        service.jobs.submit(JobRequest(Path("none.wav"), store=False)).result(30)
    assert calls == ["trim"] * 3
