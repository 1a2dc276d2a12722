"""``emotion evaluate``: how good models are on labelled recordings."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from emotion import __version__
from emotion.cli import evaluate_sharded, options
from emotion.cli.counting import several
from emotion.cli.evaluate_models import compare
from emotion.cli.quiet import quiet
from emotion.cli.status_line import StatusLine
from emotion.cli.stopping import stoppable
from emotion.cli.workers import add_workers, asked_workers
from emotion.core.config import Config
from emotion.core.errors import ConfigError
from emotion.core.labels import LABEL_SETS
from emotion.core.options import RecognitionOptions, parse_labels

if TYPE_CHECKING:
    from emotion.evaluation.answers import Answer
    from emotion.evaluation.evaluation import Evaluation
    from emotion.evaluation.samples import Labelled, Manifest

_SHOWN: Final = 5
_CORPUS: Final = "corpus"


def add(commands: Any) -> None:
    """Adds the command."""
    text = "Measure how good a model is on labelled recordings."
    parents = [options.common(), options.model(), options.hub(), options.audio()]
    parser = commands.add_parser("evaluate", help=text, description=text, parents=parents)
    text = (
        "a table with columns path or file and label or emotion (also speaker, start, end, …), an "
        "audformat table, EmoBox's .jsonl or its folder of folds, a Kaldi folder, a folder with "
        "metadata.csv, a folder of RAVDESS, EMO-DB or CREMA-D, or a folder for each class"
    )
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help=text)
    text = "the folder that paths in the manifest count from; its own by default"
    parser.add_argument("--root", type=Path, metavar="DIR", help=text)
    parser.add_argument("--label-column", metavar="NAME", help="the column with the labels")
    parser.add_argument("--speaker-column", metavar="NAME", help="the column with the speakers")
    text = "your own table of labels: lines of label,emotion or a JSON object; - leaves a label out"
    parser.add_argument("--label-map", type=Path, metavar="FILE", help=text)
    text = "figures for each value of this column too; may be given several times (corpus)"
    parser.add_argument("--group", action="append", metavar="COLUMN", help=text)
    text = f"emotions that compete: {', '.join(LABEL_SETS)}, or a comma-separated list"
    parser.add_argument("--labels", metavar="NAMES", default="all", help=text)
    text = "say what is left of recordings below this confidence, 0 to 1"
    parser.add_argument("--min-confidence", type=float, metavar="SCORE", default=0.0, help=text)
    text = (
        "take the answers of `batch` instead of a model: a .csv, .jsonl or .parquet file, or a "
        "folder of these"
    )
    parser.add_argument("--predictions", type=Path, metavar="PATH", help=text)
    text = (
        "measure several models side by side: known names, folders, funasr:NAME or funasr:DIR for "
        "FunASR's AutoModel, opensmile-svm:MANIFEST for the baseline trained on that manifest; "
        "comma-separated"
    )
    parser.add_argument("--models", metavar="A,B,…", help=text)
    text = "only the first N labelled recordings"
    parser.add_argument("--limit", type=int, metavar="N", help=text)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    text = (
        "write evaluation.json, report.md, report.html, predictions.csv and pictures into this "
        "folder"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help=text)
    text = "with --out and workers: continue an unfinished evaluation"
    parser.add_argument("--resume", action="store_true", help=text)
    add_workers(parser)
    parser.set_defaults(command=run)


def run(args: argparse.Namespace, config: Config) -> int:
    """Reads the manifest, recognises, prints and writes."""
    from emotion.evaluation.evaluation import Evaluation

    wanted = RecognitionOptions(
        labels=parse_labels(args.labels), min_confidence=args.min_confidence
    )
    if args.limit is not None and args.limit < 1:
        raise ConfigError(option="limit", value=args.limit, expected="1 or more")
    workers = asked_workers(args)
    evaluate_sharded.check(args, workers)
    manifest, labelled = _read(args, wanted)
    groups = _groups(args, labelled)
    say = sys.stderr if args.json else sys.stdout
    _print_mapping(manifest, labelled, say)
    if args.models is not None:
        return compare(args, labelled, wanted, _about(args, manifest), config)
    if args.predictions is None:
        with stoppable(), quiet(args.verbose):
            if workers is None:
                model, answers = _recognise(labelled, wanted, config)
            else:
                model, answers = evaluate_sharded.recognise(args, config, wanted, labelled, workers)
    else:
        from emotion.evaluation.predictions import read_predictions

        answers = read_predictions(args.predictions, labelled.samples, wanted.labels)
        model = {"name": args.predictions.name, "device": "", "precision": "", "engine": ""}
    evaluation = Evaluation(labelled, answers, wanted.labels, groups, wanted.min_confidence)
    _check(evaluation)
    data = {**_about(args, manifest), "model": model, **evaluation.to_dict()}
    if args.json:
        print(json.dumps(data, ensure_ascii=False, allow_nan=False))
    else:
        _print(evaluation)
    if args.out is not None:
        from emotion.evaluation.files import write_evaluation
        from emotion.evaluation.report import About

        title = model["name"] + (f" ({model['device']})" if model["device"] else "")
        about = About(manifest.name, manifest.kind, title, data["made"], __version__)
        for path in write_evaluation(evaluation, about, data, args.out):
            print(path, file=say)
    return 1 if evaluation.failed else 0


def _read(args: argparse.Namespace, wanted: RecognitionOptions) -> tuple[Manifest, Labelled]:
    """The manifest and those of its recordings whose emotions compete.

    Raises:
        NoLabelsError: No label is one of the nine emotions.
    """
    from emotion.core.corpus_errors import NoLabelsError
    from emotion.evaluation.manifests import Reading, read_manifest
    from emotion.evaluation.samples import label, read_label_map

    own = read_label_map(args.label_map) if args.label_map else None
    reading = Reading(args.root, args.label_column, args.speaker_column)
    manifest = read_manifest(args.manifest, reading)
    labelled = label(manifest.samples, own).among(wanted.labels)
    if args.limit is not None:
        labelled = labelled.first(args.limit)
    if not labelled.samples:
        raise NoLabelsError(given=manifest.name)
    return manifest, labelled


def _groups(args: argparse.Namespace, labelled: Labelled) -> list[str]:
    """The columns that make groups.

    Raises:
        ConfigError: The manifest has no such column.
    """
    columns = dict.fromkeys(name for one in labelled.samples for name in one.columns)
    for name in args.group or ():
        if name not in columns:
            expected = (
                f"one of {', '.join(columns)}" if columns else "left out: there are no columns"
            )
            raise ConfigError(option="group", value=name, expected=expected)
    return list(args.group or ([_CORPUS] if _CORPUS in columns else []))


def _recognise(
    labelled: Labelled, wanted: RecognitionOptions, config: Config
) -> tuple[dict[str, str], list[Answer]]:
    from emotion.corpus.executor import Executor, Work
    from emotion.evaluation.answers import Batched, answer_all
    from emotion.recognition.opening import open_model
    from emotion.storage.run_store import RunStore

    model = open_model(config, StatusLine().show)
    work = Work(model, wanted, RunStore(config.server.outputs_dir))
    with Executor(work) as executor, _progress(len(labelled.samples)) as bar:

        def told(sample: Any, answer: Answer) -> None:
            if answer.error:
                named = answer.error.startswith(sample.name)
                text = answer.error if named else f"{sample.name}: {answer.error}"
                bar.write(text, file=sys.stderr)
            bar.update()

        answers = answer_all(Batched(executor), labelled.samples, told)
    info = model.info
    about = {
        "name": info.name, "device": info.device, "precision": info.precision,
        "engine": info.engine,
    }  # fmt: skip
    return about, answers


def _progress(total: int) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, unit="file", disable=None, smoothing=0.1)


def _check(evaluation: Evaluation) -> None:
    """Refuses an evaluation of nothing.

    Raises:
        CorpusError: No recording was recognised.
    """
    if not evaluation.samples:
        from emotion.core.corpus_errors import CorpusError

        name, why = evaluation.failed[0]
        raise CorpusError(reason=f"no recording could be recognised; the first, {name}: {why}")


def _about(args: argparse.Namespace, manifest: Manifest) -> dict[str, Any]:
    return {
        "manifest": str(args.manifest),
        "kind": manifest.kind,
        "made": datetime.now().strftime("%Y-%m-%d %H:%M"),
        "version": __version__,
    }


def _print_mapping(manifest: Manifest, labelled: Labelled, file: Any) -> None:
    print(
        f"{manifest.name}: {manifest.kind}, {several(len(manifest.samples), 'recording')}",
        file=file,
    )
    width = max(len(name) for name, _, _ in labelled.mapped)
    for name, emotion, count in labelled.mapped:
        told = emotion or "– none of the nine emotions, left out"
        print(f"  {name or '(empty)':<{width}} {count:6}  {told}", file=file)
    if labelled.outside:
        print(f"  {labelled.outside} left out: --labels excludes their emotions", file=file)
    print(file=file)


def _print(evaluation: Evaluation) -> None:
    overall = evaluation.overall
    found, bounds = overall.figures, overall.intervals
    print(
        f"{several(found.num, 'recording')}, {len(evaluation.failed)} failed, "
        f"{evaluation.labelled.unmapped} left out"
    )
    for title, value, name in (
        ("UA (mean recall)", found.ua, "ua"),
        ("WA (accuracy)", found.wa, "wa"),
        ("macro F1", found.macro_f1, "macro_f1"),
        ("weighted F1", found.weighted_f1, ""),
    ):
        told = f"   95 %: {bounds[name][0]:.3f} to {bounds[name][1]:.3f}" if name else ""
        print(f"  {title:<18} {value:.3f}{told}")
    print(f"  {'calibration error':<18} {overall.ece:.3f}")
    print(f"  (intervals: {overall.drawn} {overall.units} drawn with replacement)\n")
    _print_confusion(evaluation)
    for column, groups in evaluation.groups.items():
        print(f"By {column}")
        for name, one in groups.items():
            low, high = one.intervals["ua"]
            print(
                f"  {name:<18} {one.figures.num:6}  UA {one.figures.ua:.3f} ({low:.3f} to "
                f"{high:.3f})  WA {one.figures.wa:.3f}  ECE {one.ece:.3f}"
            )
        print()
    if evaluation.kept is not None:
        kept = evaluation.kept
        print(
            f"At a confidence of {kept.min_confidence:g} or more: {kept.coverage:.1%} of the "
            f"recordings, WA {kept.accuracy:.3f}, UA {kept.ua:.3f}\n"
        )
    print("Most confident mistakes" if evaluation.mistakes else "No mistakes")
    for wrong in evaluation.mistakes[:_SHOWN]:
        heard = f"{wrong.reference} heard as {wrong.predicted}"
        print(f"  {wrong.confidence:.1%}  {heard}  {wrong.sample.name}")


def _print_confusion(evaluation: Evaluation) -> None:
    data = evaluation.overall.figures.to_dict()["confusion"]
    print("Confusions, rows are references")
    print(" " * 12 + "".join(f"{name[:9]:>10}" for name in data["predicted"]) + "    recall")
    report = evaluation.overall.figures.classes
    for name, row in zip(data["reference"], data["counts"], strict=True):
        print(
            f"  {name:<10}"
            + "".join(f"{count:10}" for count in row)
            + f"{report[name].recall:10.3f}"
        )
    print()
