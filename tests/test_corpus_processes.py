from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from emotion.core.config import AudioConfig, Config
from emotion.core.corpus_errors import ClusterError, WorkerLostError
from emotion.core.errors import ConfigError, DeviceError
from emotion.core.options import RecognitionOptions
from emotion.corpus.inputs import Input
from emotion.corpus.part_worker import PartWorker, WorkerSetup
from emotion.corpus.processes import Processes
from emotion.corpus.rows import Record
from emotion.corpus.shards import Part, split
from emotion.recognition.opening import find_model
from tests.fakes import named

Wav = Callable[..., Path]


def _children() -> list[psutil.Process]:
    """Worker processes, without Python's own helper."""
    return [
        one
        for one in psutil.Process().children(recursive=True)
        if any("spawn_main" in part for part in one.cmdline())
    ]


def _records(found: list[tuple[Part, list[Record]]]) -> list[Record]:
    by_number = {part.number: records for part, records in found}
    assert len(by_number) == len(found)  # each part once
    return [record for number in sorted(by_number) for record in by_number[number]]


def test_several_processes_give_what_one_gives(
    worker_setup: WorkerSetup, clips: list[Input]
) -> None:
    with PartWorker(worker_setup) as worker:
        alone = worker.records(clips)
    with Processes(worker_setup, 2) as processes:
        together = _records(list(processes.run(split(clips, 2))))
        (first,) = split(clips[:1])
        before = {child.pid for child in _children()}
        assert len(list(processes.run([first]))) == 1  # by a process that is there already
        assert {child.pid for child in _children()} == before
    assert [record.file for record in together] == [item.name for item in clips]
    for one, other in zip(alone, together, strict=True):
        assert one.columns == other.columns and one.error == other.error
        if one.result is not None and other.result is not None:
            assert other.result["scores"] == pytest.approx(one.result["scores"], abs=1e-5)
    assert [record.result is None for record in together] == [False, False, True] + [False] * 3
    assert _children() == []


def test_it_is_said_in_each_result_that_the_default_model_is_not_here(
    tmp_path: Path, wav: Wav, caplog: pytest.LogCaptureFixture
) -> None:
    config = named("auto")
    engine = replace(config.engine, offline=True, models_dir=tmp_path)
    config = replace(config, engine=engine)
    found = find_model(config)
    assert "emotion2vec_mini answers" in caplog.text
    with PartWorker(WorkerSetup(found, config, RecognitionOptions())) as worker:
        (record,) = worker.records([Input("a", wav(1.0))])
    assert record.result is not None
    assert record.result["model"]["name"] == "emotion2vec_mini"
    assert "is not on this machine" in record.result["model"]["fallback_reason"]


def test_a_part_whose_process_was_killed_is_done_again(
    worker_setup: WorkerSetup, clips: list[Input], caplog: pytest.LogCaptureFixture
) -> None:
    with Processes(worker_setup, 1) as processes:
        running = processes.run(split(clips, 1))
        found = [next(running)]
        (worker,) = _children()
        worker.kill()
        found += list(running)
    assert [record.file for record in _records(found)] == [item.name for item in clips]
    assert sum(record.result is None for record in _records(found)) == 1
    assert "done again" in caplog.text


def test_a_recording_that_ends_its_process_is_a_row_with_an_error(
    deadly: tuple[WorkerSetup, Input], clips: list[Input]
) -> None:
    setup, deadly_one = deadly
    items = [*clips[:2], deadly_one, *clips[3:]]
    with Processes(setup, 2) as processes:
        found = _records(list(processes.run(split(items, 3))))
    assert [record.file for record in found] == [item.name for item in items]
    failed = [record for record in found if record.result is None]
    assert [(one.file, one.columns) for one in failed] == [("deadly", {"who": "x"})]
    assert failed[0].error is not None and failed[0].error["code"] == "worker_lost"
    assert "deadly: the worker process ended (signal 9)" in failed[0].error["message"]


def test_what_is_no_fault_of_a_recording_ends_it(
    worker_setup: WorkerSetup, clips: list[Input]
) -> None:
    audio = AudioConfig(ffmpeg="/no/such/ffmpeg")
    broken = replace(worker_setup, config=replace(worker_setup.config, audio=audio))
    with pytest.raises(ConfigError, match="an FFmpeg program"):
        list(Processes(broken, 2).run(split(clips, 1)))
    assert _children() == []


def test_a_model_that_does_not_load_is_told(worker_setup: WorkerSetup, clips: list[Input]) -> None:
    engine = replace(worker_setup.config.engine, device="cuda:7")
    config: Config = replace(worker_setup.config, engine=engine)
    with pytest.raises(DeviceError):
        list(Processes(replace(worker_setup, config=config), 1).run(split(clips)))


def test_a_process_that_dies_while_it_loads_ends_it(
    worker_setup: WorkerSetup, clips: list[Input], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHOME", os.devnull)  # no Python starts with that
    with pytest.raises(WorkerLostError, match="loading the model: the worker process ended"):
        list(Processes(worker_setup, 1).run(split(clips)))


def test_stopping_leaves_no_process(worker_setup: WorkerSetup, clips: list[Input]) -> None:
    with closing(Processes(worker_setup, 2).run(split(clips, 1))) as running:
        next(running)
        assert len(_children()) == 2
    assert _children() == []


def test_a_worker_of_another_version_refuses(worker_setup: WorkerSetup) -> None:
    with pytest.raises(ClusterError, match=r"not 0\.0\.9"):
        PartWorker(replace(worker_setup, version="0.0.9"))
