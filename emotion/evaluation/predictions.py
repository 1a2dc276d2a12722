"""Answers that a batch has given before, or that any other program writes in such a table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotion.core.corpus_errors import ManifestError
from emotion.core.errors import AudioNotFoundError
from emotion.core.labels import LABELS
from emotion.core.results import readable
from emotion.corpus.manifests import read_text
from emotion.corpus.shards import is_part
from emotion.corpus.tables import read_parquet
from emotion.evaluation.answers import Answer, scores_of
from emotion.evaluation.samples import Sample


def read_predictions(
    path: Path, samples: Sequence[Sample], labels: Sequence[str] = LABELS
) -> list[Answer]:
    """The answers to recordings in a table, by their names.

    Args:
        path: ``.csv``, ``.jsonl`` or ``.parquet`` as ``emotion batch`` writes them, or a folder
            of such: a column ``file`` and one for the score of each emotion.
        samples: The recordings.
        labels: The emotions that compete; their scores are made to add up to 1.

    Returns:
        (samples,); those that the table lacks have failed.

    Raises:
        AudioNotFoundError: It cannot be opened.
        ManifestError: It is no such table.
    """
    known = dict(_read(path))
    competing = np.array([label in labels for label in LABELS])
    found = []
    for sample in samples:
        answer = known.get(sample.name) or known.get(str(sample.path).replace("\\", "/"))
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


def _read(path: Path) -> Iterator[tuple[str, Answer]]:
    if path.is_dir():
        parts = sorted(one for one in path.iterdir() if is_part(one))
        if not parts:
            raise ManifestError(file=readable(path.name), reason="no file in it is of a batch")
        for part in parts:
            yield from _read(part)
    elif path.suffix.lower() == ".jsonl":
        yield from _read_jsonl(path)
    elif path.suffix.lower() == ".parquet":
        yield from _read_parquet(path)
    else:
        yield from _read_csv(path)


def _read_parquet(path: Path) -> Iterator[tuple[str, Answer]]:
    try:
        for number, row in enumerate(read_parquet(path), 1):
            if row["status"] == "failed":
                yield row["file"], Answer(error=row["error"] or "failed")
            else:
                yield row["file"], _answer(row, path, number)
    except OSError as e:
        raise AudioNotFoundError(file=readable(path), reason=e.strerror or str(e)) from e
    except (ValueError, KeyError) as e:
        reason = f"it is no table of a batch: {e}"
        raise ManifestError(file=readable(path.name), reason=reason) from e


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
