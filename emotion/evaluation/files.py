"""An evaluation as files."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from emotion.core.labels import LABELS
from emotion.evaluation.evaluation import Evaluation
from emotion.evaluation.pictures import confusion_svg, coverage_svg, reliability_svg
from emotion.evaluation.report import About, html, markdown
from emotion.storage.whole_files import write_whole


def write_evaluation(
    evaluation: Evaluation, about: About, data: Mapping[str, Any], folder: Path
) -> list[Path]:
    """Writes ``evaluation.json``, two reports, ``predictions.csv`` and three pictures.

    Args:
        evaluation: What was found.
        about: What it is of.
        data: What the JSON file holds.
        folder: Where the files go; made where it is not there.

    Raises:
        OutputError: A file cannot be written.
    """
    overall = evaluation.overall
    texts = {
        "report.md": markdown(evaluation, about),
        "report.html": html(evaluation, about),
        "confusion.svg": confusion_svg(overall.figures.confusion),
        "reliability.svg": reliability_svg(evaluation.reliability, overall.ece),
        "coverage.svg": coverage_svg(evaluation.coverage),
        "evaluation.json": json.dumps(data, ensure_ascii=False, allow_nan=False, indent=2) + "\n",
    }
    table = write_whole(folder / "predictions.csv", partial(_predictions, evaluation))
    return [*write_texts(folder, texts), table]


def write_texts(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Writes text files by their names.

    Raises:
        OutputError: One cannot be written.
    """
    return [write_whole(folder / name, partial(_text, text)) for name, text in texts.items()]


def _text(text: str, file: TextIO) -> None:
    file.write(text)


def _predictions(evaluation: Evaluation, file: TextIO) -> None:
    """A row a recording, which ``--predictions`` reads again."""
    writer = csv.writer(file)
    writer.writerow(["file", "status", "reference", "emotion", "confidence", "error", *LABELS])
    labelled = evaluation.labelled
    for sample, emotion, answer in zip(
        labelled.samples, labelled.emotions, evaluation.answers, strict=True
    ):
        if answer.scores is None:
            writer.writerow([sample.name, "failed", emotion, "", "", answer.error])
            continue
        best = int(answer.scores.argmax())
        scores = [round(float(score), 6) for score in answer.scores]
        writer.writerow([sample.name, "done", emotion, LABELS[best], scores[best], "", *scores])
