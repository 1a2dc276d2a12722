"""The web app and long recordings, measured from outside, with the checkpoint that is given."""

from __future__ import annotations

import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from emotion.audio import write_wav
from emotion.bench.child import sound
from emotion.core.errors import ModelError
from emotion.core.paths import PROJECT_DIR

_LIMIT_S = 120.0
_POLL_S = 0.05  # each question takes time from the server that starts


def measure_app(model: Path, rounds: int) -> dict[str, Any]:
    """Starts the server afresh and asks it.

    Args:
        model: The checkpoint's folder.
        rounds: Fresh servers.

    Returns:
        Medians: ``page_s`` and ``ready_s`` from the process's start, ``overhead_s`` of a request
        over HTTP (5 s WAV) minus the network's own time.

    Raises:
        ModelError: The server or a run failed.
    """
    starts = [_start(model) for _ in range(rounds)]
    return {key: statistics.median([start[key] for start in starts]) for key in starts[0]}


def measure_long(model: Path, hours: float) -> dict[str, float]:
    """Peak memory of one recording with frame granularity and embedding.

    Args:
        model: The checkpoint's folder.
        hours: Length of the long recording.

    Returns:
        ``hours``, and ``short_bytes`` and ``long_bytes`` of 30 s and of so many hours.

    Raises:
        ModelError: A run failed.
    """
    short, long = _peak_bytes(model, 30.0), _peak_bytes(model, 3600.0 * hours)
    return {"hours": hours, "short_bytes": short, "long_bytes": long}


def _start(model: Path) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, _serving(model, Path(folder)) as (address, began):
        page = requests.get(f"{address}/", timeout=_LIMIT_S)
        page.raise_for_status()
        page_s = time.monotonic() - began
        session = requests.Session()
        while session.get(f"{address}/readyz", timeout=_LIMIT_S).status_code != requests.codes.ok:
            time.sleep(_POLL_S)
        ready_s = time.monotonic() - began
        clip = Path(folder) / "clip.wav"
        write_wav(clip, sound(5.0, 3))
        overheads = [_ask(session, address, clip) for _ in range(6)][1:]
        session.close()
    return {"page_s": page_s, "ready_s": ready_s, "overhead_s": statistics.median(overheads)}


@contextmanager
def _serving(model: Path, folder: Path) -> Iterator[tuple[str, float]]:
    # Port 0: the server takes a free one and tells it.
    options = ["--model", str(model), "--port", "0", "--output-dir", str(folder / "outputs")]
    command = [sys.executable, "-m", "emotion", "serve", *options]
    env = {**os.environ, "PYTHONPATH": str(PROJECT_DIR)}
    began = time.monotonic()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
    try:
        yield _address(process), began
    finally:
        process.terminate()
        process.communicate()


def _address(process: subprocess.Popen[str]) -> str:
    for line in process.stderr or ():
        if found := re.search(r"Running on (\S+)", line):
            return found[1]
    raise ModelError(reason="the server ended before it told its address")


def _ask(session: requests.Session, address: str, clip: Path) -> float:
    began = time.perf_counter()
    with clip.open("rb") as file:
        (path,) = session.post(f"{address}/gradio_api/upload", files={"files": file}).json()
    audio = {"path": path, "meta": {"_type": "gradio.FileData"}}
    call = f"{address}/gradio_api/call/recognize"
    event = session.post(call, json={"data": [audio, "utterance", False]}).json()["event_id"]
    answer = session.get(f"{call}/{event}", timeout=_LIMIT_S).text
    took_s = time.perf_counter() - began
    found = re.search(r"^event: complete\s+data: (.*)$", answer, re.MULTILINE)
    if found is None:
        raise ModelError(reason=f"the server answered {answer[:200]!r}")
    inference_s: float = json.loads(found[1])[0]["timing"]["inference_s"]
    return took_s - inference_s


def _peak_bytes(model: Path, seconds: float) -> int:
    code = (
        "import sys; from emotion.cli import main; code = main(sys.argv[1:])\n"
        "from emotion.inference.device import peak_resident_bytes\n"
        "sys.stderr.write('\\n%d' % peak_resident_bytes())\n"
        "sys.exit(code)"
    )
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "long.wav"
        minutes = range(math.ceil(seconds / 60))
        write_wav(clip, (sound(min(60.0, seconds - 60 * i), i) for i in minutes))
        options = ["--model", str(model), "--granularity", "frame", "--embedding"]
        options += ["--output-dir", folder, str(clip)]
        command = [sys.executable, "-c", code, "recognize", *options]
        env = {**os.environ, "PYTHONPATH": str(PROJECT_DIR)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        raise ModelError(reason=f"a recording of {seconds:.0f} s failed: {done.stderr[-300:]}")
    return int(done.stderr.strip().splitlines()[-1])
