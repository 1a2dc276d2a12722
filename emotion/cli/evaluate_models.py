"""``emotion evaluate --models``: several models side by side."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion.cli.stopping import stoppable
from emotion.core.config import Config
from emotion.core.errors import ConfigError
from emotion.core.options import RecognitionOptions

if TYPE_CHECKING:
    from emotion.evaluation.comparison import Row
    from emotion.evaluation.samples import Labelled


def compare(
    args: argparse.Namespace,
    labelled: Labelled,
    wanted: RecognitionOptions,
    about: dict[str, Any],
    config: Config,
) -> int:
    """Measures the models that are asked for, one after the other, prints and writes."""
    from emotion.evaluation.comparison import compare_models
    from emotion.evaluation.stored import store

    names = [name.strip() for name in args.models.split(",") if name.strip()]
    if len(names) < 2 or args.predictions is not None or args.model is not None:
        expected = "two or more, comma-separated, without --model and --predictions"
        raise ConfigError(option="models", value=args.models, expected=expected)
    say = sys.stderr if args.json else sys.stdout

    def told(row: Row) -> None:
        print(f"{row.title}: {row.error or 'measured'}", file=sys.stderr)

    with stoppable():
        rows = compare_models(names, labelled, config, wanted.labels, told)
    data = {**about, "labels": list(wanted.labels), "rows": [row.to_dict() for row in rows]}
    data["machine"] = _machine()
    if args.json:
        print(json.dumps(data, ensure_ascii=False, allow_nan=False))
    else:
        _print(rows)
    store(data, config)
    if args.out is not None:
        for path in _write(rows, data, args.out):
            print(path, file=say)
    return 1 if any(row.error or (row.evaluation and row.evaluation.failed) for row in rows) else 0


def _print(rows: Sequence[Row]) -> None:
    from emotion.evaluation.comparison import confusions
    from emotion.evaluation.models_report import text_table

    print("\n".join(text_table(rows)))
    for row in rows:
        if row.evaluation is not None and row.facts is not None:
            told = ", ".join(
                f"{one['reference']} heard as {one['predicted']} {one['share']:.0%}"
                for one in confusions(row.evaluation)
            )
            print(f"\n{row.title}: {told or 'no confusions'}")
            print(f"  languages {row.facts['languages']}; licence {row.facts['licence']}")


def _write(rows: Sequence[Row], data: dict[str, Any], folder: Path) -> list[Path]:
    from emotion.evaluation.files import write_texts
    from emotion.evaluation.models_report import html, markdown

    title = f"Models on {Path(data['manifest']).name}"
    notes = (
        f"{len(rows)} models on the same recordings of one machine in one run, each in a process "
        f"of its own: {data['machine']}; emotion {data['version']}, {data['made']}.",
        "UA is the mean recall of the reference classes, with its 95 % interval; ECE the expected "
        "calibration error. The first load counts from the start of the process, imports included; "
        "a recording is the mean of single ones, decoding included; all is all of them as fast as "
        "the model can. The baseline's first load includes its training.",
    )
    return write_texts(
        folder,
        {
            "models.md": markdown(rows, title, notes),
            "models.html": html(rows, title, notes),
            "models.json": json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2) + "\n",
        },
    )


def _machine() -> str:
    import os
    import platform

    import psutil

    memory = psutil.virtual_memory().total / 2**30
    name = platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}"
