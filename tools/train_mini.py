"""Trains, tests and exports ``emotion2vec_mini``. Run from the repository's root.

One model, with a fifth of each corpus's speakers held out and tested::

    python -m tools.train_mini --manifest manifest.csv --out runs/one --folds 5 --fold 0

Cross-validation, one fold after the other, and the pooled report::

    python -m tools.train_mini --manifest manifest.csv --out runs/cv --folds 5
    python -m tools.train_mini --report runs/cv
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import torch

from tools.mini.clip_targets import Described, describe_all
from tools.mini.data import Clip, assign_folds, read_audio, read_manifest
from tools.mini.evaluate import fit_temperature, load_predictions, predict, report
from tools.mini.export import export
from tools.mini.head import fit_head
from tools.mini.training import Batches, Recipe, Trainer
from tools.mini.voices import all_voices, voices_key

logger = logging.getLogger("train_mini")

PREDICTIONS = "predictions.npz"
TRAINING = "training.pt"


def parse_arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--manifest", type=Path, help="CSV: path, label, speaker, corpus")
    parser.add_argument("--out", type=Path, help="folder of the run")
    parser.add_argument("--folds", type=int, help="folds to deal the speakers out to")
    parser.add_argument("--fold", type=int, help="the one held out; all in turn if not given")
    parser.add_argument("--holdout-speakers", nargs="+", default=[], help="speakers held out")
    parser.add_argument("--all", action="store_true", help="train on all speakers, test nothing")
    parser.add_argument("--temperature", type=float, help="fold this one, not a fitted one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=float, help="for a trial")
    parser.add_argument("--voices", type=Path, default=Path("runs/voices"), help="made once, kept")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="go on where a run was stopped")
    parser.add_argument("--report", type=Path, help="pool the predictions under this folder")
    args = parser.parse_args(argv)
    if args.report is None:
        if args.manifest is None or args.out is None:
            parser.error("--manifest and --out are needed")
        if (args.folds is not None) + bool(args.holdout_speakers) + args.all != 1:
            parser.error("choose one of --folds, --holdout-speakers and --all")
    return args


def held_out_sets(clips: Sequence[Clip], args: argparse.Namespace) -> list[tuple[Path, set[str]]]:
    """Folder and held-out speakers of every model to train.

    Raises:
        ValueError: A speaker or fold that does not exist.
    """
    if args.all:
        return [(args.out, set())]
    if args.holdout_speakers:
        unknown = set(args.holdout_speakers) - {clip.speaker for clip in clips}
        if unknown:
            raise ValueError(f"no speakers {sorted(unknown)} in the manifest")
        return [(args.out, set(args.holdout_speakers))]
    fold_of = assign_folds(clips, args.folds, seed=0)
    folds = [{s for s, k in fold_of.items() if k == fold} for fold in range(args.folds)]
    if args.fold is None:
        return [(args.out / f"fold{fold}", speakers) for fold, speakers in enumerate(folds)]
    if not 0 <= args.fold < args.folds:
        raise ValueError(f"fold {args.fold} of {args.folds}, counted from 0")
    return [(args.out, folds[args.fold])]


def make_batches(
    clips: Sequence[Clip], held_out: set[str], recipe: Recipe, folder: Path
) -> Batches:
    """The batches, of the speakers who are not held out; voices are kept in a folder."""
    rows = [k for k, clip in enumerate(clips) if clip.speaker not in held_out]
    processes = os.cpu_count() or 1
    voices = all_voices(clips, recipe.voices, folder, processes)
    described = describe_all(voices, folder, voices_key(clips), processes)
    described = [Described(d.figures[rows], [d.pitch[k] for k in rows]) for d in described]
    own = [[voice[k] for k in rows] for voice in voices]
    return Batches([clips[k] for k in rows], own, described, recipe)


def train_network(
    clips: Sequence[Clip],
    held_out: set[str],
    folder: Path,
    recipe: Recipe,
    args: argparse.Namespace,
) -> Trainer:
    """Trains to the end of the schedule; ``folder`` keeps the training checkpoint."""
    kept = folder / TRAINING
    trainer = Trainer(make_batches(clips, held_out, recipe, args.voices), recipe)
    if args.resume and kept.exists():
        trainer.load(kept)
    trainer.run(kept)
    return trainer


def train_one(
    clips: Sequence[Clip], held_out: set[str], folder: Path, args: argparse.Namespace
) -> None:
    """Trains and exports one model to ``folder``, and tests it on the speakers held out."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = Recipe(seed=args.seed)
    if args.epochs is not None:
        recipe = replace(recipe, epochs=args.epochs)
    seen = [clip for clip in clips if clip.speaker not in held_out]
    unseen = [clip for clip in clips if clip.speaker in held_out]
    logger.info("%d clips to train on, held out: %s", len(seen), sorted(held_out))
    trainer = train_network(clips, held_out, folder, recipe, args)
    model = trainer.result()
    fit_head(model, seen, [read_audio(clip.path) for clip in seen], recipe)
    temperature = args.temperature or 1.0
    if unseen:
        predictions = predict(model, unseen, [read_audio(clip.path) for clip in unseen])
        predictions.save(folder / PREDICTIONS)
        temperature = args.temperature or fit_temperature(predictions)
        (folder / "report.md").write_text(report(predictions), encoding="utf-8")
        sys.stdout.write(report(predictions))
    export(model, folder, temperature)
    facts = {
        **asdict(recipe),
        "steps": trainer.step,
        "elapsed_s": round(trainer.elapsed_s),
        "held_out": sorted(held_out),
        "temperature": temperature,
    }
    (folder / "run.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    args = parse_arguments(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    try:
        if args.report is not None:
            paths = sorted(args.report.rglob(PREDICTIONS))
            sys.stdout.write(report(load_predictions(paths)))
            return 0
        clips = read_manifest(args.manifest)
        for folder, held_out in held_out_sets(clips, args):
            if not (args.resume and (folder / "run.json").exists()):
                train_one(clips, held_out, folder, args)
    except (OSError, ValueError) as e:
        logger.error("%s", e)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
