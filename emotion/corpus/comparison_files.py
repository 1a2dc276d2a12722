"""A comparison as files: matrix, map, picture, and all of it as JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Final, TextIO

from emotion.analysis.comparison import Comparison
from emotion.corpus.map_svg import map_svg
from emotion.storage.whole_files import write_whole

_DECIMALS: Final = 6


def write_comparison(comparison: Comparison, folder: Path, colour_by: str) -> list[Path]:
    """Writes ``comparison.json``, ``similarity.csv`` and, with a map, ``map.csv``, ``map.svg``.

    Args:
        comparison: What was found.
        folder: Where the files go; made where it is not there.
        colour_by: What the picture is coloured by (`emotion.corpus.map_svg`).

    Raises:
        ConfigError: There is no such column.
        OutputError: A file cannot be written.
    """
    writers: dict[str, Callable[[TextIO], object]] = {
        "comparison.json": lambda file: json.dump(
            comparison.to_dict(), file, ensure_ascii=False, allow_nan=False
        ),
        "similarity.csv": lambda file: _matrix(comparison, file),
    }
    if comparison.projection is not None:
        picture = map_svg(comparison, colour_by)
        writers["map.csv"] = lambda file: _map(comparison, file)
        writers["map.svg"] = lambda file: file.writelines([picture])
    return [write_whole(folder / name, write) for name, write in writers.items()]


def _matrix(comparison: Comparison, file: TextIO) -> None:
    writer = csv.writer(file)
    names = [item.name for item in comparison.items]
    writer.writerow(["", *names])
    for name, row in zip(names, comparison.embedding_similarity.tolist(), strict=True):
        writer.writerow([name, *(round(value, _DECIMALS) for value in row)])


def _map(comparison: Comparison, file: TextIO) -> None:
    assert comparison.projection is not None
    items, clusters = comparison.items, comparison.clusters
    columns = list(dict.fromkeys(name for item in items for name in item.columns))
    writer = csv.writer(file)
    writer.writerow(["name", "x", "y", "cluster", "emotion", "confidence", *columns])
    for place, (item, point) in enumerate(
        zip(items, comparison.projection.points.tolist(), strict=True)
    ):
        own = [item.columns.get(name, "") for name in columns]
        cluster = "" if clusters is None else clusters.labels[place]
        x, y = (round(value, _DECIMALS) for value in point)
        writer.writerow([item.name, x, y, cluster, item.emotion, item.confidence, *own])
