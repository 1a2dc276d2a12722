from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emotion.analysis.files import WIDEST, is_embedding, read_embedding
from emotion.core.similarity_errors import EmbeddingFileError


def saved(tmp_path: Path, array: object, name: str = "e.npy") -> Path:
    path = tmp_path / name
    with path.open("wb") as file:
        np.save(file, array)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize("kind", ["<f4", ">f8", "<f2", "<i4", "u1"])
@pytest.mark.parametrize("shape", [(3,), (1, 3)])
def test_one_row_of_any_numbers(tmp_path: Path, kind: str, shape: tuple[int, ...]) -> None:
    found = read_embedding(saved(tmp_path, np.array([1, 2, 3]).astype(kind).reshape(shape)))
    assert found.dtype == np.float64 and found.tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((5, 3)), r"shape is \(5, 3\)"),
        (np.zeros(0), r"shape is \(0,\)"),
        (np.zeros(()), r"shape is \(\)"),
        (np.zeros(WIDEST + 1, "f4"), rf"shape is \({WIDEST + 1},\)"),
        (np.array(["a"]), "of <U1"),
        (np.array([1 + 1j]), "of complex128"),
        (np.array([1.0, np.nan]), "not finite"),
        (np.array([np.inf]), "not finite"),
    ],
)
def test_what_is_no_embedding_is_said(tmp_path: Path, array: object, words: str) -> None:
    with pytest.raises(EmbeddingFileError, match=f"e.npy.*{words}"):
        read_embedding(saved(tmp_path, array))


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "e.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(EmbeddingFileError):
        read_embedding(path)


@pytest.mark.parametrize(
    "data", [b"", b"\x93NUMPY", b"RIFF....", b"\x93NUMPY\x01\x00\x10\x00{'descr"]
)
def test_damaged_files(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "e.npy"
    path.write_bytes(data)
    with pytest.raises(EmbeddingFileError, match="not a whole"):
        read_embedding(path, "given name")


def test_a_truncated_file(tmp_path: Path) -> None:
    path = saved(tmp_path, np.zeros(100))
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(EmbeddingFileError):
        read_embedding(path)


def test_embeddings_are_told_by_name_or_by_content(tmp_path: Path) -> None:
    assert is_embedding(Path("x.NPY"))
    assert is_embedding(saved(tmp_path, np.zeros(3), "e.bin"))
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    assert not is_embedding(tmp_path / "a.wav")
    assert not is_embedding(tmp_path / "absent")
