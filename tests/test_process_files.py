from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion import Recognizer
from emotion.core.errors import AudioError, ConfigError, ModelError
from emotion.core.labels import LABELS
from emotion.core.paths import examples_dir
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.table import embeddings_of

Wav = Callable[..., Path]


@pytest.fixture
def recognizer(fake_model: LoadedModel) -> Recognizer:
    return Recognizer(fake_model)


@pytest.fixture
def files(wav: Wav, tmp_path: Path) -> list[Path]:
    """Two recordings with a broken file between them."""
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"x" * 99)
    return [wav(1.0, "a.wav", 1), broken, wav(2.5, "b.wav", 2)]


def test_a_row_a_file_in_their_order(recognizer: Recognizer, files: list[Path]) -> None:
    table = recognizer.process_files([*files, str(files[0])])
    assert table.index.names == ["file", "start", "end"]
    assert list(table.index.get_level_values("file")) == [str(f) for f in (*files, files[0])]
    ends = table.index.get_level_values("end")
    assert ends[0] == pd.Timedelta("1s")
    assert pd.isna(ends[1])
    assert ends[2] == pd.Timedelta("2.5s")
    assert (table.index.get_level_values("start") == pd.Timedelta(0)).all()
    assert list(table.columns) == ["emotion", "confidence", *LABELS, "warnings", "error"]
    assert list(table["emotion"].cat.categories) == list(LABELS)
    assert (table[list(LABELS)].dtypes == "float32").all()
    good = table["error"].isna()
    assert good.tolist() == [True, False, True, True]
    assert table.loc[good, list(LABELS)].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-3)
    assert table.loc[~good, list(LABELS)].isna().all(axis=None)
    assert "broken.wav" in table["error"].iloc[1]
    assert pd.isna(table["emotion"].iloc[1])


def test_the_same_as_one_at_a_time(recognizer: Recognizer, files: list[Path]) -> None:
    table = recognizer.process_files(files[::2], labels=("angry", "sad"), at_once=1)
    for place, path in enumerate(files[::2]):
        result = recognizer.recognize(path, labels=("angry", "sad")).result
        assert table["emotion"].iloc[place] == result.emotion
        expected = [result.scores[label] for label in LABELS]
        assert table[list(LABELS)].iloc[place].tolist() == pytest.approx(expected)


def test_segments_and_frames(recognizer: Recognizer, files: list[Path]) -> None:
    frames = recognizer.process_files(files[2:], granularity="frame", embedding=True)
    starts = frames.index.get_level_values("start").total_seconds()
    assert starts.to_numpy() == pytest.approx(np.arange(25) / 10)
    assert frames.index.get_level_values("end")[-1] == pd.Timedelta("2.5s")
    assert embeddings_of(frames).shape == (25, 4)
    whole = recognizer.recognize(files[2], embedding=True, granularity="frame")
    weights = np.array(whole.result.frames.weights)[:, None]  # type: ignore[union-attr]
    mean = (embeddings_of(frames) * weights).sum(0) / weights.sum()
    assert mean == pytest.approx(whole.embedding, rel=1e-5)
    segments = recognizer.process_files(files[2:], granularity="segment", embedding=True)
    found = recognizer.recognize(files[2], granularity="segment").result.segments
    assert len(segments) == len(found)
    assert [end.total_seconds() for end in segments.index.get_level_values("end")] == [
        one.end_s for one in found
    ]


def test_a_file_without_speech_keeps_a_row(wav: Wav, mini_checkpoint: Path) -> None:
    recognizer = Recognizer.load(str(mini_checkpoint), device="cpu")  # with the real detector
    table = recognizer.process_files([wav(1.0)], granularity="segment", embedding=True)
    assert table["warnings"].str.contains("no_speech").tolist() == [True]
    assert table.index.get_level_values("end")[0] == pd.Timedelta("1s")
    assert embeddings_of(table).shape == (1, 192)


def test_embeddings_beside_the_scores(recognizer: Recognizer, files: list[Path]) -> None:
    table = recognizer.process_files(files, embedding=True)
    array = embeddings_of(table)
    assert array.dtype == np.float32
    assert array.shape == (3, 4)
    assert np.isnan(array[1]).all()
    expected = recognizer.recognize(files[0], embedding=True).embedding
    assert array[0] == pytest.approx(expected)
    with pytest.raises(ConfigError, match="embedding=True"):
        embeddings_of(recognizer.process_files(files[:1]))


def test_errors(recognizer: Recognizer, files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AudioError, match=r"broken\.wav"):
        recognizer.process_files(files, on_error="raise")
    wrong: Any = "stop"
    for options in ({"at_once": 0}, {"on_error": wrong}, {"labels": ("sad",)}):
        with pytest.raises(ConfigError):
            recognizer.process_files(files, **options)

    def broken(*_: Any, **__: Any) -> Any:
        raise ModelError(reason="it is closed")

    monkeypatch.setattr(recognizer, "recognize", broken)
    with pytest.raises(ModelError, match="it is closed"):  # not a row for each file
        recognizer.process_files(files)


def test_files_are_under_way_together(
    recognizer: Recognizer, wav: Wav, monkeypatch: pytest.MonkeyPatch
) -> None:
    barrier = threading.Barrier(4, timeout=20)
    real = recognizer.recognize

    def together(path: Path, **options: Any) -> Any:
        barrier.wait()
        return real(path, **options)

    monkeypatch.setattr(recognizer, "recognize", together)
    paths = [wav(0.3, f"{k}.wav") for k in range(8)]
    table = recognizer.process_files(paths, at_once=4)
    assert list(table.index.get_level_values("file")) == [str(path) for path in paths]


def test_nothing_at_all(recognizer: Recognizer) -> None:
    table = recognizer.process_files([])
    assert table.empty
    assert table.index.names == ["file", "start", "end"]


def test_audformat_takes_it(recognizer: Recognizer, files: list[Path]) -> None:
    audformat = pytest.importorskip("audformat")
    table = recognizer.process_files(files[::2], granularity="frame")
    assert audformat.is_segmented_index(audformat.utils.to_segmented_index(table.index))
    database = audformat.Database("db")
    database["frames"] = audformat.Table(table.index)
    database["frames"]["sad"] = audformat.Column()
    database["frames"]["sad"].set(table["sad"].to_numpy())
    assert len(database["frames"]) == len(table)


def test_real_speech(mini_checkpoint: Path) -> None:
    clips = sorted(examples_dir().glob("*.ogg"))[:3]
    recognizer = Recognizer.load(str(mini_checkpoint), device="cpu")
    table = recognizer.process_files(clips, embedding=True)
    assert table["error"].isna().all()
    assert embeddings_of(table).shape == (len(clips), 192)
    for clip, emotion in zip(clips, table["emotion"], strict=True):
        assert recognizer.recognize(clip).result.emotion == emotion
