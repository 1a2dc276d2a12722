"""The tutorial does what it says."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from praatio import textgrid

from emotion.core.paths import PROJECT_DIR, examples_dir


@pytest.fixture
def tutorial() -> Any:
    spec = importlib.util.spec_from_file_location("tutorial", PROJECT_DIR / "docs" / "tutorial.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_that_it_names() -> None:
    command = [sys.executable, "-m", "docs.tutorial", "--help"]
    done = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=True)
    assert "--second-model" in done.stdout


def test_a_study(
    tutorial: Any, tiny_checkpoint: Path, mini_checkpoint: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = tmp_path / "recordings"
    folder.mkdir()
    for number, clip in enumerate(sorted(examples_dir().glob("*.ogg"))[:4]):
        shutil.copy(clip, folder / f"{('Ann', 'Bob')[number % 2]}_{number}.ogg")
    (folder / "Bob_broken.wav").write_bytes(b"x" * 99)
    out = tmp_path / "study"
    models = ["--model", str(mini_checkpoint), "--second-model", str(tiny_checkpoint)]
    assert tutorial.main([str(folder), "--out", str(out), *models]) == 0
    printed = capsys.readouterr().out
    assert "4 recordings labelled, 1 could not be read" in printed
    assert "Bob_broken.wav" in printed
    table = pd.read_csv(out / "emotions.csv")
    assert table["speaker"].tolist() == ["Ann", "Ann", "Bob", "Bob"]
    shares = pd.read_csv(out / "shares.csv", index_col="speaker")
    assert shares.sum(axis=1).tolist() == pytest.approx([1, 1])
    ElementTree.parse(out / "map.svg")
    (grid,) = out.glob("*.TextGrid")
    assert textgrid.openTextgrid(str(grid), includeEmptyIntervals=False).tierNames
    differ = pd.read_csv(out / "disagreements.csv")
    assert (differ["first"] != differ["second"]).all()
    agreed = f"The models agree on {1 - len(differ) / 4:.0%}"
    assert agreed in printed
