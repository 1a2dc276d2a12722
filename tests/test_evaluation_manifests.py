from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from emotion.core.corpus_errors import (
    LabelMapError,
    ManifestError,
    NoLabelsError,
    NoRecordingsError,
)
from emotion.core.errors import AudioNotFoundError
from emotion.evaluation.file_names import read_name
from emotion.evaluation.manifests import Reading, read_manifest
from emotion.evaluation.samples import Sample, label, read_label_map
from emotion.evaluation.times import seconds_of


def put(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_a_table_with_everything(tmp_path: Path) -> None:
    text = "path,label,speaker,corpus,start,end\na.wav,anger,Ann,X,0.5,2\nb/c.wav,sad,,Y,,\n"
    manifest = read_manifest(put(tmp_path / "m.csv", text))
    assert (manifest.name, manifest.kind) == ("m.csv", "table")
    assert manifest.samples == (
        Sample("a.wav [0.5, 2]", tmp_path / "a.wav", "anger", "Ann", 0.5, 2.0, {"corpus": "X"}),
        Sample("b/c.wav", tmp_path / "b/c.wav", "sad", None, columns={"corpus": "Y"}),
    )
    assert [one.is_part for one in manifest.samples] == [True, False]


@pytest.mark.parametrize(
    ("header", "speaker"),
    [
        ("FileName,EmoClass,SpkrID", "7"),  # MSP-Podcast's
        ("文件,情感,说话人", "7"),
        ("file,emotion,speaker_id", "7"),
        ("wav,emo,note", None),
    ],
)
def test_columns_by_their_usual_names(tmp_path: Path, header: str, speaker: str | None) -> None:
    (sample,) = read_manifest(put(tmp_path / "m.csv", f"{header}\na.wav,A,7\n")).samples
    assert (sample.path, sample.label, sample.speaker) == (tmp_path / "a.wav", "A", speaker)


def test_columns_that_the_user_names_and_another_root(tmp_path: Path) -> None:
    path = put(tmp_path / "m.tsv", "file\tlabel\tmood\twho\na.wav\t3\tsad\tAnn\n")
    (sample,) = read_manifest(path, Reading(Path("/data"), "mood", "who")).samples
    assert sample == Sample("a.wav", Path("/data/a.wav"), "sad", "Ann", columns={"label": "3"})
    with pytest.raises(ManifestError, match="no column 'moods', only label, mood, who"):
        read_manifest(path, Reading(label_column="moods"))


def test_audformat(tmp_path: Path) -> None:
    audformat = pytest.importorskip("audformat")
    database = audformat.Database("db")
    database.schemes["emotion"] = audformat.Scheme(labels=["anger", "sadness"])
    index = audformat.segmented_index(["a.wav", "a.wav", "b.wav"], [0, 1.5, 0], [1.5, 4, None])
    database["emotion"] = audformat.Table(index)
    database["emotion"]["emotion"] = audformat.Column(scheme_id="emotion")
    database["emotion"]["emotion"].set(["anger", "sadness", "anger"])
    database.save(tmp_path, storage_format="csv")
    samples = read_manifest(tmp_path / "db.emotion.csv").samples
    times = [(one.path.name, one.start_s, one.end_s) for one in samples]
    assert times == [("a.wav", 0.0, 1.5), ("a.wav", 1.5, 4.0), ("b.wav", 0.0, None)]
    assert [one.label for one in samples] == ["anger", "sadness", "anger"]


def emobox(name: str, emotion: str) -> str:
    data: dict[str, Any] = {
        "key": name, "dataset": "casia", "wav": f"downloads/{name}.wav", "type": "raw",
        "sample_rate": 16000, "length": 1.5, "task": "category", "emo": emotion, "channel": 1,
    }  # fmt: skip
    return json.dumps(data) + "\n"


def test_emobox_file_and_folds(tmp_path: Path) -> None:
    for fold, name in ((2, "b"), (10, "c"), (1, "a")):
        put(tmp_path / f"casia/fold_{fold}/casia_test_fold_{fold}.jsonl", emobox(name, "fear"))
        put(tmp_path / f"casia/fold_{fold}/casia_train_fold_{fold}.jsonl", emobox("x", "fear"))
    (alone,) = read_manifest(tmp_path / "casia/fold_1/casia_test_fold_1.jsonl").samples
    assert (alone.label, alone.columns["corpus"], alone.is_part) == ("fear", "casia", False)
    folds = read_manifest(tmp_path / "casia", Reading(root=Path("/emobox")))
    assert folds.kind == "EmoBox folds"
    found = [(str(one.path), one.columns["fold"]) for one in folds.samples]
    assert found == [
        (f"/emobox/downloads/{n}.wav", f) for n, f in (("a", "1"), ("b", "2"), ("c", "10"))
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1]", "line 1 is no JSON object"),
        ("{", "line 1 is no JSON object"),
        ('{"emo": "sad"}', "line 1 has neither wav nor path nor file"),
        ('{"wav": "a.npy", "emo": "sad", "type": "feature"}', "line 1 is about features"),
    ],
)
def test_json_lines_that_cannot_be_read(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(ManifestError, match=reason):
        read_manifest(put(tmp_path / "m.jsonl", line))


def test_kaldi(tmp_path: Path) -> None:
    put(tmp_path / "wav.scp", "u1 wav/a b.wav\nu2 /abs/c.wav\n")
    put(tmp_path / "utt2emo", "u1 neu\nu2 ang\n")
    put(tmp_path / "utt2spk", "u1 Ann\n")
    assert read_manifest(tmp_path).samples == (
        Sample("u1", tmp_path / "wav/a b.wav", "neu", "Ann"),
        Sample("u2", Path("/abs/c.wav"), "ang", None),
    )
    put(tmp_path / "wav.scp", "u3 a.wav\n")
    with pytest.raises(ManifestError, match=r"utt2emo: .*u3 of wav\.scp is missing"):
        read_manifest(tmp_path)
    put(tmp_path / "wav.scp", "u1 sox a.wav -t wav - |\n")
    with pytest.raises(ManifestError, match="u1 is a command or an archive"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.csv", "file_name,emotion\ntest/a.wav,sad\n"),
        ("metadata.jsonl", '{"file_name": "test/a.wav", "emotion": "sad"}\n'),
    ],
)
def test_hugging_face(tmp_path: Path, name: str, text: str) -> None:
    put(tmp_path / name, text)
    manifest = read_manifest(tmp_path)
    assert manifest.kind == f"folder with {name}"
    assert manifest.samples[0].path == tmp_path / "test/a.wav"


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    for name in ("test/angry/a.wav", "test/生气/b.wav", "train/sad/c.flac", "readme.md"):
        put(tmp_path / name)
    manifest = read_manifest(tmp_path)
    assert manifest.kind == "a folder for each class"
    found = {(one.name, one.label) for one in manifest.samples}
    assert ("test/生气/b.wav", "生气") in found
    assert len(found) == 3


def test_names_of_files(tmp_path: Path) -> None:
    put(tmp_path / "Actor_12/03-01-06-01-02-01-12.wav")
    manifest = read_manifest(tmp_path)
    assert manifest.kind == "file names of RAVDESS"
    (sample,) = manifest.samples
    assert (sample.label, sample.speaker, sample.columns) == (
        "fearful", "ravdess-12", {"corpus": "RAVDESS"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("03a01Fa.wav", ("EMO-DB", "happiness", "emodb-03")),
        ("x/emodb_16b10Wb.ogg", ("EMO-DB", "anger", "emodb-16")),
        ("03-01-02-01-01-02-24.wav", ("RAVDESS", "calm", "ravdess-24")),
        ("1001_DFA_ANG_XX.wav", ("CREMA-D", "ANG", "cremad-1001")),
    ],
)
def test_what_names_say(file: str, expected: tuple[str, str, str]) -> None:
    found = read_name(file)
    assert found is not None
    assert (found.corpus, found.label, found.speaker) == expected


@pytest.mark.parametrize("file", ["a.wav", "03-01-09-01-01-02-24.wav", "03a01Xa.wav", "2026.wav"])
def test_names_that_say_nothing(file: str) -> None:
    assert read_name(file) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 days 00:00:00.5", 0.5), ("1 days 01:00:01", 90001.0), ("1.25", 1.25), ("3s", 3.0),
        ("01:02:03.5", 3723.5), ("02:03", 123.0), ("NaT", None), ("", None), ("nan", None),
    ],
)  # fmt: skip
def test_times(text: str, expected: float | None) -> None:
    assert seconds_of(text) == expected


@pytest.mark.parametrize("text", ["soon", "-1", "inf", "1:2:3:4"])
def test_what_is_no_time(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # float's own in part
        seconds_of(text)
    path = put(tmp_path / "m.csv", f"path,label,start\na.wav,sad,{text}\n")
    with pytest.raises(ManifestError, match="in column start is no time"):
        read_manifest(path)


def test_an_end_before_the_start(tmp_path: Path) -> None:
    path = put(tmp_path / "m.csv", "path,label,start,end\na.wav,sad,2,1\n")
    with pytest.raises(ManifestError, match=r"a\.wav ends before it begins"):
        read_manifest(path)


def test_what_is_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(AudioNotFoundError):
        read_manifest(tmp_path / "gone.csv")
    with pytest.raises(ManifestError, match=r"neither a \.csv"):
        read_manifest(put(tmp_path / "a.wav", "x"))
    with pytest.raises(NoLabelsError, match=r"n\.csv has no labels"):
        read_manifest(put(tmp_path / "n.csv", "path,note\na.wav,x\n"))
    with pytest.raises(NoRecordingsError):
        read_manifest(put(tmp_path / "e.csv", "path,label\n"))
    put(tmp_path / "flat/a.wav")
    with pytest.raises(NoLabelsError, match="flat"):
        read_manifest(tmp_path / "flat")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoRecordingsError):
        read_manifest(tmp_path / "empty")


def samples(*labels: str) -> list[Sample]:
    return [Sample(f"{k}.wav", Path(f"{k}.wav"), name) for k, name in enumerate(labels)]


def test_labels_are_mapped_and_what_cannot_be_is_counted() -> None:
    found = label(samples("A", "xxx", "A", "calm", ""))
    assert found.emotions == ("angry", "angry", "neutral")
    assert [one.name for one in found.samples] == ["0.wav", "2.wav", "3.wav"]
    assert set(found.mapped) == {
        ("A", "angry", 2), ("xxx", None, 1), ("calm", "neutral", 1), ("", None, 1),
    }  # fmt: skip
    assert found.unmapped == 2
    first = found.first(1)
    assert (len(first.samples), first.emotions, first.unmapped) == (1, ("angry",), 2)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("map.csv", "calm,other\nxxx,neutral\nA,-\n"),
        ("map.tsv", "calm\tOther\nxxx\tneu\nA\t\n"),
        ("map.json", '{"calm": "other", "xxx": "neutral", "A": null}'),
    ],
)
def test_the_users_own_table_comes_first(tmp_path: Path, name: str, text: str) -> None:
    own = read_label_map(put(tmp_path / name, text))
    found = label(samples("A", "xxx", "calm", "sad"), own)
    assert found.emotions == ("neutral", "other", "sad")
    assert found.unmapped == 1


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("map.csv", "calm,quiet\n", "'quiet' is none of angry"),
        ("map.csv", "calm\n", "a label and an emotion"),
        ("map.json", "[]", "not a JSON object"),
        ("map.json", "{", "not JSON"),
    ],
)
def test_tables_that_are_wrong(tmp_path: Path, name: str, text: str, reason: str) -> None:
    with pytest.raises(LabelMapError, match=reason):
        read_label_map(put(tmp_path / name, text))
