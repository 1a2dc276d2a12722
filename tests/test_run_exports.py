"""Exports of runs: in the run folder before it is complete, and from a folder that exists."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pysubs2
import pytest

from emotion.cli import main
from emotion.core.errors import CancelledError, ConfigError, OutputError, ResultError
from emotion.core.labels import LABELS
from emotion.core.options import EXPORT_NAMES, RecognitionOptions
from emotion.core.progress import ProgressCallbacks
from emotion.exports import FORMATS
from emotion.recognition.loaded_model import LoadedModel
from emotion.services.recognitions import FinishedRun, JobRequest, run
from emotion.services.run_exports import export_run, read_result
from emotion.storage.run_store import RunStore
from tests.export_results import result, with_frames

Wav = Callable[..., Path]
NO_LOCAL = {"window_s": 1.0, "step_s": 0.5, "times_s": [], "scores": {n: [] for n in LABELS}}
SUMMARY = {
    "speech_s": 0.0,
    "silence_s": 1.0,
    "shares": {},
    "sentence": {"zh": "", "en": ""},
}
ONE_CHANNEL = {
    "channel": 1,
    "name": "",
    "talk_s": 0.0,
    "talk_share": 0.0,
    "quarters": [],
    "summary": SUMMARY,
}
ALL = RecognitionOptions("frame", embedding=True, exports=EXPORT_NAMES, export_language="zh")


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "outputs")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder with a result of frame granularity and an embedding."""
    path = tmp_path / "outputs_20260102_030405"
    path.mkdir()
    data = with_frames(result()).to_dict()
    (path / "result.json").write_text(json.dumps(data), "utf-8")
    np.save(path / "embedding.npy", np.ones(4, np.float32))
    return path


def test_a_run_has_the_exports_asked_for(
    fake_model: LoadedModel, wav: Wav, store: RunStore
) -> None:
    done = run(fake_model, JobRequest(wav(65.2), ALL), store, ProgressCallbacks())
    files = {kind.file for kind in FORMATS.values()}
    assert files < set(os.listdir(done.folder))
    assert [path.name for path in done.exports] == [FORMATS[name].file for name in EXPORT_NAMES]
    assert all(path.is_file() for path in done.exports)
    events = pysubs2.load(str(done.folder / "emotions.srt"))
    assert len(events) == len(done.result.segments) == 3
    assert events[0].text.startswith("快乐")
    assert events[-1].end == 65_200
    report = (done.folder / "report.html").read_text("utf-8")
    assert "data:audio/mpeg;base64," in report and str(store.folder) not in report
    assert read_result(done.folder / "result.json") == done.result


def test_without_exports_there_are_none(fake_model: LoadedModel, wav: Wav, store: RunStore) -> None:
    done: FinishedRun = run(fake_model, JobRequest(wav()), store, ProgressCallbacks())
    assert done.exports == () and len(os.listdir(done.folder)) == 2


def test_a_run_is_complete_or_not_there(
    fake_model: LoadedModel, wav: Wav, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    request = JobRequest(wav(), RecognitionOptions(exports=("srt", "eaf")))
    with monkeypatch.context() as patch:
        patch.setitem(FORMATS, "eaf", replace(FORMATS["eaf"], write=full))
        with pytest.raises(OutputError, match="No space left"):
            run(fake_model, request, store, ProgressCallbacks())
    assert os.listdir(store.folder) == []
    written: list[str] = []

    def write_and_note(source: Any, path: Path) -> None:
        written.append(path.name)
        FORMATS["vtt"].write(source, path)

    monkeypatch.setitem(FORMATS, "srt", replace(FORMATS["srt"], write=write_and_note))
    callbacks = ProgressCallbacks(cancelled=lambda: bool(written))
    with pytest.raises(CancelledError):
        run(fake_model, request, store, callbacks)
    assert written and os.listdir(store.folder) == []


def test_an_existing_run_is_exported_beside_its_result(folder: Path) -> None:
    paths = export_run(folder, None)
    assert [path.name for path in paths] == [kind.file for kind in FORMATS.values()]
    assert all(path.parent == folder and path.is_file() for path in paths)
    assert "This report has no audio" in (folder / "report.html").read_text("utf-8")


def test_all_means_what_the_run_allows(folder: Path, tmp_path: Path) -> None:
    (folder / "result.json").write_text(json.dumps(result().to_dict()), "utf-8")
    (folder / "embedding.npy").unlink()
    names = {path.name for path in export_run(folder / "result.json", None, tmp_path / "out")}
    assert {kind.file for kind in FORMATS.values()} - names == {"frames.csv", "embeddings.npz"}
    with pytest.raises(ConfigError, match="frame granularity"):
        export_run(folder, ["frames"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"emotion": "bored"}, "unknown emotion 'bored'"),
        ({"emotion": None}, "unknown emotion None"),
        ({"scores": {"angry": 1.0}}, "disgusted is missing"),
        ({"confidence": float("nan")}, "nan is not a finite number"),
        ({"confidence": "high"}, "real number"),
        ({"schema_version": 99}, "schema_version is 99"),
        ({"audio": []}, "file is missing"),
        ({"segments": [{}]}, "missing"),
        ({"frames": {"step_s": 0.1, "weights": [], "scores": {}}}, "angry is missing"),
        ({"local": {**NO_LOCAL, "times_s": [0.5]}}, "the local curves and their times differ"),
        ({"secondary": {"bored": 0.1}}, "unknown emotion 'bored'"),
        ({"secondary": {"sad": "much"}}, "real number"),
        ({"summary": {**SUMMARY, "shares": {"bored": 1.0}}}, "unknown emotion 'bored'"),
        ({"summary": {**SUMMARY, "shares": {"sad": float("inf")}}}, "inf is not a finite"),
        ({"summary": {**SUMMARY, "sentence": {"en": "sad"}}}, "zh is missing"),
        ({"channels": [{**ONE_CHANNEL, "emotion": "bored"}]}, "unknown emotion 'bored'"),
        ({"channels": [{**ONE_CHANNEL, "quarters": [{}]}]}, "start_s is missing"),
    ],
)
def test_a_damaged_result_says_what_is_wrong(
    change: dict[str, Any], reason: str, folder: Path
) -> None:
    data = with_frames(result()).to_dict() | change
    (folder / "result.json").write_text(json.dumps(data), "utf-8")
    with pytest.raises(ResultError, match="not the result of a recognition") as caught:
        export_run(folder, ["srt"])
    assert reason in str(caught.value)
    assert not (folder / "emotions.srt").exists()


def test_files_that_are_no_results(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b"\xff{")
    (tmp_path / "list.json").write_text("[]")
    for path in (tmp_path / "x.json", tmp_path / "list.json", tmp_path / "none", tmp_path):
        with pytest.raises(ResultError):
            export_run(path, ["srt"])
    (folder / "embedding.npy").write_bytes(b"")
    with pytest.raises(ResultError, match=r"embedding\.npy"):
        export_run(folder, ["srt"])


def test_curves_of_different_lengths(folder: Path) -> None:
    data = json.loads((folder / "result.json").read_text("utf-8"))
    data["frames"]["scores"]["sad"].pop()
    (folder / "result.json").write_text(json.dumps(data), "utf-8")
    with pytest.raises(ResultError, match="differ in length"):
        read_result(folder / "result.json")


def test_the_export_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "字幕"
    arguments = ["--to", "srt, EAF", "--out", str(out), "--language", "zh"]
    assert main(["export", str(folder), *arguments]) == 0
    assert capsys.readouterr().out.split("\n")[:2] == [
        str(out / "emotions.srt"),
        str(out / "emotions.eaf"),
    ]
    assert "快乐" in (out / "emotions.srt").read_text("utf-8")
    assert main(["export", str(folder / "result.json")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(FORMATS)
    assert main(["export", str(folder), "--to", "srt,docx"]) == 2
    assert "export is 'docx', but must be one of segments" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "none")]) == 1
    assert "not the result of a recognition" in capsys.readouterr().err


def test_recognize_with_exports(
    tiny_checkpoint: Path, wav: Wav, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--model", str(tiny_checkpoint), "--output-dir", str(tmp_path / "o"), "--json"]
    command = ["recognize", *options, "--device", "cpu"]
    clip = str(wav())
    assert main([*command, "--export", "srt,html", "--export-language", "zh", clip]) == 0
    folder = Path(json.loads(capsys.readouterr().out)["output_dir"])
    assert {"emotions.srt", "report.html"} < set(os.listdir(folder))
    assert 'lang="zh-CN"' in (folder / "report.html").read_text("utf-8")
    assert main([*command, "--export", "all", clip]) == 0
    folder = Path(json.loads(capsys.readouterr().out)["output_dir"])
    assert len(os.listdir(folder)) == 2 + len(FORMATS) - 2  # without frames and embedding
    assert main([*command, "--export", "frames", clip]) == 2
    assert "frame granularity" in capsys.readouterr().err


def test_embeddings_of_segments_are_kept_and_exported(
    fake_model: LoadedModel, wav: Wav, store: RunStore, tmp_path: Path
) -> None:
    asked = RecognitionOptions("segment", embedding=True, exports=("npz",))
    done = run(fake_model, JobRequest(wav(40.0), asked), store, ProgressCallbacks())
    rows = np.load(done.folder / "embedding_segments.npy")
    assert rows.dtype == np.float32 and len(rows) == len(done.result.segments) > 1
    (again,) = export_run(done.folder, ["npz"], tmp_path / "again")
    for path in (done.folder / "embeddings.npz", again):
        with np.load(path) as arrays:
            np.testing.assert_array_equal(arrays["embeddings"][1:], rows)
    np.save(done.folder / "embedding_segments.npy", rows[1:])
    with pytest.raises(ResultError, match=r"embedding_segments.npy has \d+ rows"):
        export_run(done.folder, ["npz"], tmp_path / "other")
