"""Answers that a batch has given before, or that any other program writes in such a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotion.core.corpus_errors import ManifestError
from emotion.core.labels import LABELS
from emotion.core.results import readable
from emotion.corpus.manifests import read_text
from emotion.evaluation.answers import Answer, scores_of
from emotion.evaluation.samples import Sample


def read_predictions(
    path: Path, samples: Sequence[Sample], labels: Sequence[str] = LABELS
) -> list[Answer]:
    """The answers to recordings in a table, by their names.

    Args:
        path: ``.csv`` or ``.jsonl`` as ``emotion batch`` writes them: a column ``file`` and one
            for the score of each emotion.
        samples: The recordings.
        labels: The emotions that compete; their scores are made to add up to 1.

    Returns:
        (samples,); those that the table lacks have failed.

    Raises:
        AudioNotFoundError: It cannot be opened.
        ManifestError: It is no such table.
    """
    rows = _read_jsonl(path) if path.suffix.lower() == ".jsonl" else _read_csv(path)
    known = dict(rows)
    competing = np.array([label in labels for label in LABELS])
    found = []
    for sample in samples:
        answer = known.get(sample.name) or known.get(sample.path.as_posix())
        if answer is None:
            answer = Answer(error=f"{readable(path.name)} has no row for it")
        elif answer.scores is not None and not competing.all():
            kept = np.where(competing, answer.scores, 0.0)
            if kept.any():
                answer = Answer(kept / kept.sum())
            else:
                answer = Answer(error="all emotions that compete have a score of 0")
        found.append(answer)
    return found


def _read_csv(path: Path) -> Iterable[tuple[str, Answer]]:
    reader = csv.DictReader(read_text(path).splitlines())
    columns = reader.fieldnames or ()
    if "file" not in columns or not any(label in columns for label in LABELS):
        reason = "it lacks the column file or the columns of scores, such as angry"
        raise ManifestError(file=readable(path.name), reason=reason)
    for number, row in enumerate(reader, 2):
        if row.get("status", "done") == "failed":
            yield row["file"], Answer(error=row.get("error") or "failed")
        else:
            yield row["file"], _answer(row, path, number)


def _read_jsonl(path: Path) -> Iterable[tuple[str, Answer]]:
    for number, line in enumerate(read_text(path).splitlines(), 1):
        try:
            data: dict[str, Any] = json.loads(line)
            file, result, error = data["file"], data.get("result"), data.get("error")
            scores = result["scores"] if result else {}
        except (ValueError, KeyError, TypeError):
            reason = f"line {number} is no line of a batch"
            raise ManifestError(file=readable(path.name), reason=reason) from None
        if result:
            yield file, _answer(scores, path, number)
        else:
            yield file, Answer(error=(error or {}).get("message") or "failed")


def _answer(scores: Mapping[str, Any], path: Path, number: int) -> Answer:
    try:
        row = scores_of(scores)
    except ValueError:
        row = np.zeros(0)
    if not row.size or not np.isfinite(row).all() or row.min() < 0 or not row.any():
        reason = f"line {number} has scores that are none"
        raise ManifestError(file=readable(path.name), reason=reason)
    return Answer(row)
