from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from emotion.analysis.comparison import Wanted, compare
from emotion.analysis.items import Compared
from emotion.core.errors import ConfigError, OutputError
from emotion.corpus.comparison_files import write_comparison
from tests.test_map_svg import comparison


def _rows(path: Path) -> list[list[str]]:
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_all_files(tmp_path: Path) -> None:
    found = comparison(room=["A", "A", "B", "", "A", "B"])
    paths = write_comparison(found, tmp_path / "out", "room")
    assert [path.name for path in paths] == [
        "comparison.json", "similarity.csv", "map.csv", "map.svg"
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        path.name for path in paths
    )
    assert json.loads(paths[0].read_text(encoding="utf-8")) == json.loads(
        json.dumps(found.to_dict())
    )
    header, *rows = _rows(paths[1])
    assert header[1:] == [row[0] for row in rows]
    values = np.array([[float(cell) for cell in row[1:]] for row in rows])
    np.testing.assert_allclose(values, found.embedding_similarity, atol=1e-6)
    header, first, *_ = _rows(paths[2])
    assert header == ["name", "x", "y", "cluster", "emotion", "confidence", "room"]
    assert (first[0], first[4], first[6]) == ("clip 0 <&>.wav", "sad", "A")
    assert paths[3].read_text(encoding="utf-8").startswith("<svg")


def test_without_a_map_there_are_two_files(tmp_path: Path) -> None:
    items = [Compared("a", [1.0, 0.0]), Compared("b", [0.0, 1.0])]
    found = compare(items, Wanted(projection="none", clustering="none"))
    names = [path.name for path in write_comparison(found, tmp_path, "emotion")]
    assert names == ["comparison.json", "similarity.csv"]


def test_a_wrong_column_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        write_comparison(comparison(), tmp_path / "out", "floor")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(OutputError, match="cannot be written"):
        write_comparison(comparison(), tmp_path / "out", "emotion")
