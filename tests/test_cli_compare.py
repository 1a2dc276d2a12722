from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity

from emotion.cli import main

Wav = Callable[..., Path]
Compare = Callable[..., int]


@pytest.fixture
def compare(tiny_checkpoint: Path, tmp_path: Path) -> Compare:
    def run(*arguments: object) -> int:
        options = ["--model", tiny_checkpoint, "--device", "cpu", "--output-dir", tmp_path / "runs"]
        return main(["compare", *map(str, options), *map(str, arguments)])

    return run


@pytest.fixture
def folder(wav: Wav, tmp_path: Path) -> Path:
    made = tmp_path / "in"
    made.mkdir()
    for seed in range(3):
        wav(0.6, f"{seed}.wav", seed).rename(made / f"{seed}.wav")
    return made


def _vectors(tmp_path: Path, count: int, width: int = 8) -> list[Path]:
    rng = np.random.default_rng(0)
    folder = tmp_path / "vectors"
    folder.mkdir(exist_ok=True)
    for k in range(count):
        group = np.eye(width)[k % 3] * 10
        np.save(folder / f"v{k:02}.npy", (rng.normal(size=width) * 0.1 + group).astype("f4"))
    return sorted(folder.iterdir())


def test_recordings_as_json(
    compare: Compare, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(folder, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["names"] == ["0.wav", "1.wav", "2.wav"]
    assert [item["emotion"] for item in found["items"]] != [None] * 3
    assert np.diag(found["embedding_similarity"]).tolist() == [1.0] * 3
    assert found["score_similarity"] is not None


def test_runs_embeddings_and_recordings_together(
    compare: Compare,
    tiny_checkpoint: Path,
    folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ("--model", str(tiny_checkpoint), "--output-dir", str(tmp_path / "runs"))
    clip = str(folder / "0.wav")
    assert main(["recognize", *options, "--embedding", clip]) == 0
    (run,) = [path for path in (tmp_path / "runs").iterdir() if path.is_dir()]
    capsys.readouterr()
    assert compare(tmp_path / "runs", run, run / "embedding.npy", clip, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["names"] == ["0.wav", "0.wav", "embedding.npy", clip]
    np.testing.assert_allclose(found["embedding_similarity"], 1.0, atol=1e-6)
    assert found["score_similarity"] is None


def test_a_matrix_for_few(
    compare: Compare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = _vectors(tmp_path, 4)
    assert compare(*paths) == 0
    printed = capsys.readouterr().out
    expected = cosine_similarity([np.load(path) for path in paths])
    assert f"{expected[0, 3]:7.3f}" in printed.splitlines()[2]
    assert "v03.npy" in printed and "Groups" not in printed


def test_groups_and_pairs_for_many_and_files(
    compare: Compare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _vectors(tmp_path, 30)
    table = tmp_path / "t.csv"
    table.write_text("file,room\n" + "".join(f"v{k:02}.npy,{'AB'[k % 2]}\n" for k in range(30)))
    options = ("--table", table, "--color-by", "room", "--neighbours-of", "v04.npy")
    assert compare(f"{tmp_path}/vectors/*.npy", *options, "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "0: 10 recordings" in printed and "2: 10 recordings" in printed
    assert "Most alike" in printed and "Most like v04.npy" in printed
    near = printed.partition("Most like v04.npy")[2].split()[1:10:2]
    assert all(int(name[1:3]) % 3 == 1 for name in near)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"comparison.json", "similarity.csv", "map.csv", "map.svg"}
    assert ">A (15)<" in (tmp_path / "out" / "map.svg").read_text(encoding="utf-8")


def test_mood_over_time(
    compare: Compare, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("file,date,speaker\n1.wav,2026-01-01,Ann\n0.wav,2026-02-01,Ann\n")
    assert compare(folder, "--table", table) == 0
    printed = capsys.readouterr().out.partition("Over time, Ann:")[2].splitlines()
    assert [line.split()[0] for line in printed[1:3]] == ["2026-01-01", "2026-02-01"]
    assert printed[1].endswith("1.wav") and printed[2].endswith("0.wav")


def test_a_broken_recording_is_told_and_the_rest_goes_on(
    compare: Compare, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.wav").write_text("x")
    assert compare(folder, "--json") == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["names"] == ["0.wav", "1.wav", "2.wav"]
    assert "broken.wav: cannot be read as audio" in printed.err


def test_different_widths_are_refused_with_both(
    compare: Compare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = _vectors(tmp_path, 1)
    np.save(tmp_path / "wide.npy", np.ones(9, "f4"))
    assert compare(path, tmp_path / "wide.npy") == 1
    assert "(v00.npy: 8, wide.npy: 9)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--clusters", "0"), "clusters is 0"),
        (("--seed", "-1"), "seed is -1"),
        (("--color-by", "room"), "one of emotion, cluster"),
        (("--neighbours-of", "x.npy"), "neighbours-of is 'x.npy'"),
    ],
)
def test_wrong_options(
    compare: Compare,
    tmp_path: Path,
    options: tuple[str, ...],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert compare(*_vectors(tmp_path, 3), *options, "--out", tmp_path / "out") == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_one_recording_has_nothing_beside_it(
    compare: Compare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compare(*_vectors(tmp_path, 1)) == 2
    assert "items is 1, but must be 2 to 2000" in capsys.readouterr().err
