"""``emotion bench``: speed, memory and parity beside other engines."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from emotion.cli import options
from emotion.core.config import SAMPLE_RATE_HZ, Config, Precision
from emotion.core.errors import ConfigError

if TYPE_CHECKING:
    from emotion.bench.runner import Plan


def add(commands: Any) -> None:
    """Adds the command."""
    text = "Compare speed and memory with other engines."
    parents = [options.common()]
    parser = commands.add_parser("bench", help=text, description=text, parents=parents)
    parser.add_argument("--model", type=Path, required=True, metavar="DIR", help="a checkpoint")
    text = "funasr, hf:DIR, or tree:DIR for another version of this package"
    parser.add_argument("--against", action="append", metavar="ENGINE", help=text)
    parser.add_argument("--device", default="cpu", metavar="DEVICE", help="cpu, cuda or cuda:N")
    text = "this package's number format (a tree's, too); fp32 and auto by default"
    parser.add_argument("--precision", choices=get_args(Precision), help=text)
    parser.add_argument("--clips", default="3,10,30", metavar="S,S", help="lengths in seconds")
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="processes of each engine"
    )
    parser.add_argument(
        "--many", type=int, default=64, metavar="N", help="clips for the throughput"
    )
    parser.add_argument("--cold", action="store_true", help="read the checkpoint from the disk")
    parser.add_argument("--app", action="store_true", help="measure the web app too")
    text = "measure the memory of a recording of so many hours too"
    parser.add_argument("--long", type=float, metavar="HOURS", help=text)
    parser.add_argument(
        "--speech", type=Path, metavar="DIR", help="compare labels on recordings too"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the table as Markdown")
    parser.set_defaults(command=run)


def run(args: argparse.Namespace, _: Config) -> int:
    """Prints a table; all figures as one JSON object on the last line."""
    from emotion.bench import agreement, app, report, runner
    from emotion.bench.child import counted_clip
    from emotion.models.checkpoint import read_config, read_tokens

    folder: Path = args.model
    plan = _plan(args)
    shape = read_config(folder, num_tokens=len(read_tokens(folder)))
    speech = agreement.recordings(args.speech) if args.speech is not None else []
    record = runner.run(plan)
    counted = counted_clip(plan.clips_s)
    count = runner.operations(shape, int(counted * SAMPLE_RATE_HZ))
    record["operations"] = {"clip": f"{counted:g}", "count": count}
    if speech:
        record["agreement"] = agreement.compare(plan, speech)
    if args.app:
        record["app"] = app.measure_app(folder, args.rounds)
    if args.long:
        record["long"] = app.measure_long(folder, args.long)
    print(report.table(record))
    text = json.dumps(record)
    print(text)
    if args.json is not None:
        args.json.write_text(text + "\n", encoding="utf-8")
    if args.report is not None:
        command = f"python -m emotion {' '.join(sys.argv[1:])}"
        args.report.write_text(report.markdown(record, command), encoding="utf-8")
    return 0


def _plan(args: argparse.Namespace) -> Plan:
    from emotion.bench.runner import Plan

    try:
        clips = tuple(float(text) for text in args.clips.split(","))
    except ValueError as e:
        raise ConfigError(option="clips", value=args.clips, expected="seconds, say 3,10") from e
    return Plan(
        model=args.model,
        against=tuple(args.against or ("funasr",)),
        device=args.device,
        precisions=(args.precision,) if args.precision else ("fp32", "auto"),
        clips_s=clips,
        rounds=args.rounds,
        many=args.many,
        cold=args.cold,
    )
