"""How the throughput of ``emotion batch`` grows with workers: the figures of docs/scaling.md.

Each plan is a fresh command on the same recordings. ``steady`` counts recordings from the moment
that the first part of the table appears until the last one does, so without start-up.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emotion.corpus.tables import outcomes_of

_AUDIO: Final = re.compile(r"(\d+) recordings, ([\d.]+) min of audio")
PLANS: Final = "one,workers:1,workers:2,ray:1,ray:2"


@dataclass(frozen=True)
class Measured:
    """What a plan took.

    Attributes:
        plan: ``one``, ``workers:N`` or ``ray:N``.
        recordings: How many.
        audio_s: Their length together.
        wall_s: Of the whole command.
        steady: Recordings a second after the first part; None without parts.
    """

    plan: str
    recordings: int
    audio_s: float
    wall_s: float
    steady: float | None

    def row(self, alone: Measured) -> str:
        """A row of the table; ``alone`` is the plan that others are compared with."""
        steady = "" if self.steady is None else f"{self.steady:.1f}"
        return (
            f"| {self.plan} | {self.wall_s:.1f} s | {self.recordings / self.wall_s:.1f} | {steady} "
            f"| {self.audio_s / self.wall_s:.0f}× | {alone.wall_s / self.wall_s:.2f}× |"
        )


def command(plan: str, inputs: str, out: Path, options: list[str], part: int) -> list[str]:
    """The command line of a plan.

    Raises:
        ValueError: There is no such plan.
    """
    base = [sys.executable, "-m", "emotion", "batch", inputs, *options, "--out"]
    kind, _, count = plan.partition(":")
    if plan == "one":
        return [*base, str(out / "table.parquet")]
    if kind not in ("workers", "ray") or not count.isdecimal() or not int(count):
        raise ValueError(f"{plan} is none of one, workers:N and ray:N")
    shared = [str(out / "table"), "--part-size", str(part), "--workers", count]
    if kind == "ray":
        cpus = max(1, (os.cpu_count() or 1) // int(count))
        shared += ["--ray", "--worker-cpus", str(cpus)]
    return [*base, *shared]


def measure(plan: str, inputs: str, options: list[str], part: int) -> Measured:
    """Runs a plan.

    Raises:
        RuntimeError: The command failed.
    """
    with tempfile.TemporaryDirectory() as made:
        out = Path(made)
        began = time.perf_counter()
        done = subprocess.run(
            command(plan, inputs, out, options, part), capture_output=True, text=True, check=False
        )
        wall_s = time.perf_counter() - began
        found = _AUDIO.search(done.stderr)
        if done.returncode not in (0, 1) or found is None:
            raise RuntimeError(f"{plan}: {done.stderr[-2000:]}")
        return Measured(plan, int(found[1]), float(found[2]) * 60, wall_s, steady_of(out / "table"))


def steady_of(folder: Path) -> float | None:
    """Recordings a second between the first and the last part of a table; None without parts."""
    parts = sorted(folder.glob("part-*"), key=lambda path: path.stat().st_mtime_ns)
    if len(parts) < 2:
        return None
    took_s = (parts[-1].stat().st_mtime_ns - parts[0].stat().st_mtime_ns) / 1e9
    return sum(len(list(outcomes_of(path))) for path in parts[1:]) / max(took_s, 1e-9)


def main() -> int:
    """Measures all plans and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--input", required=True, help="what `batch` takes: a folder, a list")
    parser.add_argument("--plans", default=PLANS, help=f"comma-separated ({PLANS})")
    parser.add_argument("--part-size", type=int, default=64, metavar="N")
    parser.add_argument("--option", action="append", default=[], metavar="X", help="for `batch`")
    args = parser.parse_args()
    options = [part for option in args.option for part in option.split()]
    plans = args.plans.split(",")
    found = []
    print("| plan | whole command | recordings a second | steady | real time | speed-up |")
    print("| --- | --- | --- | --- | --- | --- |")
    for plan in plans:
        found.append(measure(plan, args.input, options, args.part_size))
        print(found[-1].row(found[0]), flush=True)
    print(f"\n{found[0].recordings} recordings, {found[0].audio_s / 60:.0f} min of audio")
    return 0


if __name__ == "__main__":
    sys.exit(main())
