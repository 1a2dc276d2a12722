from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotion.cli import main
from emotion.core.corpus_errors import ManifestError
from emotion.core.labels import LABELS
from emotion.corpus.remote import Remote
from emotion.corpus.rows import Record
from emotion.corpus.tables import write_table
from emotion.evaluation.child import Spec
from emotion.evaluation.predictions import read_predictions
from emotion.evaluation.samples import Labelled, Sample
from tests.export_results import result
from tests.fakes import CPU

Wav = Callable[..., Path]


@pytest.fixture
def manifest(wav: Wav, tmp_path: Path) -> Path:
    """Four recordings, parts of one, and a broken one."""
    (tmp_path / "broken.wav").write_text("x")
    rows = [f"{wav(1.0, f'{k}.wav', seed=k).name},{('sad', 'happy')[k % 2]},," for k in range(4)]
    rows += [
        "0.wav,sad,0,0.5",
        "0.wav,happy,0.5,",
        "broken.wav,sad,,",
        f"{tmp_path.as_uri()}/1.wav,sad,,",
    ]
    path = tmp_path / "m.csv"
    path.write_text("path,label,start,end\n" + "\n".join(rows))
    return path


def _figures(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert main(["evaluate", *map(str, arguments), "--json"]) == 1  # one is broken
    return dict(json.loads(capsys.readouterr().out))


def test_several_workers_find_what_one_finds(
    manifest: Path, tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = (manifest, "--model", tiny_checkpoint, "--device", "cpu")
    alone = _figures(capsys, *given)
    out = tmp_path / "out"
    shared = _figures(capsys, *given, "--workers", 2, "--part-size", 3, "--out", out)
    assert shared["model"]["device"] == "2 processes"
    assert shared["overall"] == alone["overall"] and shared["overall"]["num"] == 7
    assert shared["failed"] == alone["failed"]
    assert {path.name for path in (out / "answers").glob("part-*")} == {
        f"part-0000{k}.jsonl" for k in range(3)
    }
    (out / "answers" / "part-00001.jsonl").unlink()
    again = _figures(capsys, *given, "--workers", 1, "--part-size", 3, "--out", out, "--resume")
    assert again["overall"] == alone["overall"]
    read = _figures(capsys, manifest, "--predictions", out / "answers")
    assert read["overall"]["num"] == 7 and read["overall"]["wa"] == alone["overall"]["wa"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--workers", "2", "--models", "a,b"), "left out with --models"),
        (("--workers", "2", "--predictions", "p.csv"), "left out with --predictions"),
        (("--resume",), "given together with --out and --workers"),
        (("--workers", "2", "--resume"), "given together with --out and --workers"),
    ],
)
def test_options_that_do_not_go_together(
    manifest: Path, options: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(manifest), *options]) == 2
    assert told in capsys.readouterr().err


def test_answers_in_a_folder_of_a_batch(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "_SUCCESS").write_text("")
    with pytest.raises(ManifestError, match="no file in it is of a batch"):
        read_predictions(folder, [])
    error = {"code": "x", "message": "broken", "hint": ""}
    write_table(folder / "part-00000.parquet", [Record("a", result().to_dict())])
    write_table(folder / "part-00001.parquet", [Record("b", error=error)])
    samples = [Sample(name, Path(name), "sad") for name in "abc"]
    first, second, third = read_predictions(folder, samples)
    assert first.scores is not None and LABELS[int(np.argmax(first.scores))] == result().emotion
    assert second.error == "broken"
    assert "no row for it" in str(third.error)
    (folder / "part-00002.parquet").write_text("x")
    with pytest.raises(ManifestError, match="no table of a batch"):
        read_predictions(folder, samples)


def test_a_child_is_told_of_addresses() -> None:
    samples = (Sample("a", Remote("s3://b/a.wav", 9), "sad"), Sample("b", Path("b.wav"), "sad"))
    spec = Spec("mini", LABELS, Labelled(samples, ("sad", "sad"), ()), replace(CPU))
    assert Spec.loads(spec.dumps()).labelled.samples == samples
