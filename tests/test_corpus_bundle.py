from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from emotion.core.errors import OutputError, RunNotFoundError
from emotion.corpus.bundle import folder_of, write_bundle
from emotion.corpus.rows import Record
from tests.export_results import result

DONE = Record("sub/a.wav", result().to_dict(), run_id="run_a")
OTHER = Record("sub/a.wav", result().to_dict(), run_id="run_b")
GONE = Record("c.wav", result().to_dict(), run_id="deleted")
FAILED = Record("b.wav", error={"code": "x", "message": "is empty", "hint": ""})


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for run_id in ("run_a", "run_b"):
        folder = tmp_path / "runs" / run_id
        folder.mkdir(parents=True)
        (folder / "result.json").write_text(run_id)
        (folder / "processed_audio.wav").write_bytes(b"RIFF" * 100)
    return tmp_path / "runs"


def _bundle(path: Path, runs: Path) -> zipfile.ZipFile:
    def files_of(run_id: str) -> Sequence[Path]:
        if not (runs / run_id).is_dir():
            raise RunNotFoundError(run_id=run_id)
        return sorted((runs / run_id).iterdir())

    write_bundle(path, lambda: [DONE, OTHER, GONE, FAILED], ["x"], files_of)
    return zipfile.ZipFile(path)


def test_tables_and_runs_under_the_names_of_the_recordings(tmp_path: Path, runs: Path) -> None:
    with _bundle(tmp_path / "all.zip", runs) as bundle:
        assert bundle.testzip() is None
        assert bundle.namelist() == [
            "results.csv",
            "results.jsonl",
            "results.parquet",
            "recordings/sub/a.wav/processed_audio.wav",
            "recordings/sub/a.wav/result.json",
            "recordings/sub/a.wav (2)/processed_audio.wav",
            "recordings/sub/a.wav (2)/result.json",
        ]
        assert bundle.read("recordings/sub/a.wav (2)/result.json") == b"run_b"
        rows = bundle.read("results.csv").decode("utf-8-sig").splitlines()
        assert [row.split(",")[0] for row in rows] == [
            "file", "sub/a.wav", "sub/a.wav", "c.wav", "b.wav"
        ]  # fmt: skip
        kinds = {info.filename[-3:]: info.compress_type for info in bundle.infolist()}
        assert (kinds["wav"], kinds["csv"]) == (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def test_nothing_but_the_bundle_is_left(tmp_path: Path, runs: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    _bundle(folder / "all.zip", runs).close()
    assert [path.name for path in folder.iterdir()] == ["all.zip"]


def test_a_bundle_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "all.zip"
    path.write_text("old")

    def broken() -> Iterator[Record]:
        yield DONE
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="No space left"):
        write_bundle(path, broken, [], lambda run_id: [])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("a/b.wav", "a/b.wav"),
        ("/etc/a.wav", "etc/a.wav"),
        ("../../a.wav", "a.wav"),
        ("C:\\x\\a.wav", "C__x_a.wav"),
        ('a<b>:"|?*.wav', "a_b______.wav"),
        ("录音.wav", "录音.wav"),
        ("..", "recording"),
    ],
)
def test_folders_are_safe_on_every_system(name: str, folder: str) -> None:
    assert folder_of(name, set()) == folder


def test_folders_that_differ_in_case_only_are_kept_apart() -> None:
    taken: set[str] = set()
    assert [folder_of(name, taken) for name in ("a.wav", "A.wav", "a.wav")] == [
        "a.wav",
        "A.wav (2)",
        "a.wav (3)",
    ]
