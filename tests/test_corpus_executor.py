from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from emotion.core.errors import AudioNotFoundError, EmotionError, OutputError
from emotion.core.options import RecognitionOptions
from emotion.corpus.archives import ArchiveLimits
from emotion.corpus.executor import Executor, Work
from emotion.corpus.inputs import Input, Packed
from emotion.corpus.rows import Record
from emotion.recognition.loaded_model import LoadedModel
from emotion.storage.run_store import RunStore

Wav = Callable[..., Path]


@pytest.fixture
def work(fake_model: LoadedModel, tmp_path: Path) -> Work:
    return Work(fake_model, RecognitionOptions(), RunStore(tmp_path / "outputs"))


def _run(work: Work, inputs: list[Input], at_once: int = 3) -> list[Record]:
    with Executor(work, at_once) as executor:
        done = dict(executor.run(enumerate(inputs)))
    return [done[index] for index in range(len(inputs))]


def test_results_and_errors_each_in_their_place(work: Work, wav: Wav, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF no")
    inputs = [
        Input("sub/a.wav", wav(1.0, "a.wav"), {"speaker": "Ann"}),
        Input("sub/broken.wav", broken, {"speaker": "Bob"}),
        Input("gone.wav", AudioNotFoundError(file="gone.wav", reason="No such file")),
        Input("b.wav", wav(1.5, "b.wav")),
    ]
    done, failed, gone, last = _run(work, inputs)
    assert done.result is not None and done.error is None
    assert (done.file, done.columns, done.run_id) == ("sub/a.wav", {"speaker": "Ann"}, None)
    assert done.result["audio"]["duration_s"] == 1.0
    assert failed.result is None and failed.error is not None
    assert failed.error["message"].startswith("sub/broken.wav: ")
    assert failed.columns == {"speaker": "Bob"}
    assert gone.error is not None and gone.error["code"] == "audio_not_found"
    assert last.result is not None
    assert not work.store.folder.exists()


def test_results_do_not_depend_on_order_or_on_how_many_are_under_way(
    mini_checkpoint: Path, tmp_path: Path, wav: Wav
) -> None:
    from emotion.inference.engine import Engine

    engine = Engine.load(mini_checkpoint, device="cpu", precision="fp32")
    model = LoadedModel(engine, name="mini", title="Mini")
    work = Work(model, RecognitionOptions(), RunStore(tmp_path / "outputs"))
    inputs = [Input(str(k), wav(0.7 + 0.4 * k, f"{k}.wav", seed=k)) for k in range(8)]
    one_by_one = _run(work, inputs, at_once=1)
    together = _run(work, inputs[::-1], at_once=8)[::-1]
    for alone, beside in zip(one_by_one, together, strict=True):
        assert alone.file == beside.file
        assert alone.result is not None and beside.result is not None
        assert beside.result["scores"] == pytest.approx(alone.result["scores"], abs=1e-5)


def test_runs_are_kept_where_asked(fake_model: LoadedModel, tmp_path: Path, wav: Wav) -> None:
    store = RunStore(tmp_path / "outputs")
    work = Work(fake_model, RecognitionOptions(embedding=True), store, keep_runs=True)
    (record,) = _run(work, [Input("a.wav", wav())])
    assert record.run_id is not None
    names = {path.name for path in store.files(record.run_id)}
    assert names == {"result.json", "processed_audio.wav", "embedding.npy"}


def test_members_of_a_zip_file_are_taken_out_and_removed(
    work: Work, wav: Wav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    path = tmp_path / "clips.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.write(wav(1.0, "a.wav"), "sub/a.wav")
        file.write(wav(2.0, "b.wav"), "sub/b.wav")
        file.writestr("more.zip", "x")
    names = ("sub/a.wav", "sub/b.wav", "more.zip", "absent.wav")
    one, two, nested, absent = _run(work, [Input(name, Packed(path, name)) for name in names])
    assert [r.result["audio"]["duration_s"] for r in (one, two) if r.result] == [1.0, 2.0]
    assert one.result is not None and one.result["audio"]["file"] == "a.wav"
    assert nested.error is not None and "archive inside an archive" in nested.error["message"]
    assert absent.error is not None and absent.error["code"] == "archive_unusable"
    assert [found for found in scratch.iterdir() if found.name.startswith("emotion-batch")] == []


def test_a_member_above_the_limit_is_a_row_with_its_error(
    work: Work, wav: Wav, tmp_path: Path
) -> None:
    path = tmp_path / "clips.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.write(wav(1.0), "a.wav")
    with Executor(work, 1, ArchiveLimits(member_bytes=100)) as executor:
        record = executor.recognise(Input("a.wav", Packed(path, "a.wav")))
    assert record.error is not None and "more than" in record.error["message"]


def test_no_more_are_begun_than_asked(work: Work, wav: Wav) -> None:
    clip = wav(0.5)
    ahead: list[int] = []
    ended = 0

    def inputs() -> Iterator[tuple[int, Input]]:
        for number in range(10):
            ahead.append(number - ended)
            yield number, Input(str(number), clip)

    with Executor(work, 3) as executor:
        for _ in executor.run(inputs()):
            ended += 1
    assert ended == 10
    assert max(ahead) == 3  # the one that takes the place of the first that has ended


def test_closing_stops_what_is_under_way(work: Work, wav: Wav) -> None:
    clips = [Input(str(k), wav(1.0, f"{k}.wav")) for k in range(6)]
    with Executor(work, 2) as executor:
        records = executor.run(enumerate(clips))
        next(records)
        records.close()
        assert len(dict(executor.run(enumerate(clips)))) == 6  # and it can go on


def test_a_disk_that_cannot_be_written_ends_it(
    fake_model: LoadedModel, tmp_path: Path, wav: Wav
) -> None:
    (tmp_path / "outputs").write_text("a file, not a folder")
    store = RunStore(tmp_path / "outputs")
    work = Work(fake_model, RecognitionOptions(), store, keep_runs=True)
    with pytest.raises(OutputError, match="cannot be written"):
        _run(work, [Input("a.wav", wav())])


def test_what_nobody_foresaw_is_a_row_and_a_traceback_in_the_log(
    work: Work, wav: Wav, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("emotion.corpus.executor.run", broken)
    (record,) = _run(work, [Input("a.wav", wav())])
    assert record.error == EmotionError(reason="a.wav: ZeroDivisionError: by zero").to_dict()
    assert "a.wav failed unexpectedly" in caplog.text and "Traceback" in caplog.text
