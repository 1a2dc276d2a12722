"""Recognitions as jobs: the files of a run, the log, errors, and what becomes of a job."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from emotion.core.errors import (
    AudioSilentError,
    CancelledError,
    ConfigError,
    DownloadError,
    ModelError,
    OutputError,
)
from emotion.core.options import RecognitionOptions
from emotion.core.progress import ProgressCallbacks
from emotion.inference.engine import Engine
from emotion.recognition.loaded_model import LoadedModel
from emotion.services.job_limits import JobLimits
from emotion.services.recognitions import JobRequest, RecognitionService, run
from emotion.storage.run_store import RunStore
from tests.fakes import FakeEngine, FakeService

Wav = Callable[..., Path]
WAIT_S = 30.0
EVERYTHING = RecognitionOptions("frame", embedding=True)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "outputs")


def test_a_run_leaves_the_classic_files(tiny_checkpoint: Path, wav: Wav, store: RunStore) -> None:
    engine = Engine.load(tiny_checkpoint, device="cpu", precision="fp32")
    model = LoadedModel(engine, name="tiny", title="Tiny")
    lines: list[str] = []
    callbacks = ProgressCallbacks(log=lines.append)
    done = run(model, JobRequest(wav(65.2), EVERYTHING), store, callbacks)
    assert sorted(os.listdir(done.folder)) == [
        "embedding.npy",
        "embedding_frames.npy",
        "processed_audio.wav",
        "result.json",
    ]
    info = soundfile.info(done.folder / "processed_audio.wav")
    assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
    assert info.frames == round(65.2 * 16000)
    data = json.loads((done.folder / "result.json").read_text("utf-8"))
    assert data == done.result.to_dict()
    embedding = np.load(done.folder / "embedding.npy")
    frames = np.load(done.folder / "embedding_frames.npy")
    assert done.result.frames is not None
    assert frames.shape == (sum(done.result.frames.weights), 32) and frames.dtype == np.float32
    np.testing.assert_allclose(frames.mean(0), embedding, atol=1e-4)
    assert done.embedding is not None
    np.testing.assert_array_equal(done.embedding, embedding)
    assert lines[-1] == f"[INFO] Result saved → {done.folder.name}"
    assert store.ids() == [done.folder.name]


def test_without_embedding_none_is_written(
    fake_model: LoadedModel, wav: Wav, store: RunStore
) -> None:
    done = run(fake_model, JobRequest(wav()), store, ProgressCallbacks())
    assert sorted(os.listdir(done.folder)) == ["processed_audio.wav", "result.json"]
    assert done.embedding is None


def test_the_log_tells_the_source_and_the_warnings(
    service: RecognitionService, wav: Wav, convert: Callable[..., Path]
) -> None:
    source = convert(wav(0.5), "x.wav", "-ar", "44100", "-ac", "2")
    job = service.jobs.submit(JobRequest(source))
    job.result(WAIT_S)
    log = job.progress.log
    assert log[0] == "[INFO] Audio validated: 0.5s, 16kHz, mono (from 44.1kHz, stereo)"
    assert log[1].startswith("[WARNING] Only 0.50 s of audio")
    assert log[2:4] == (
        "[INFO] Preprocessing done → processed_audio.wav saved",
        "[INFO] Warmup completed. Ready for inference.",
    )
    assert log[4].startswith("[INFO] Inference time: ") and log[4].endswith("(utterance-level)")


def test_nothing_is_left_of_a_refused_or_cancelled_run(
    fake_model: LoadedModel, fake_engine: FakeEngine, wav: Wav, store: RunStore, tmp_path: Path
) -> None:
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(16000), 16000)
    with pytest.raises(AudioSilentError):
        run(fake_model, JobRequest(silent), store, ProgressCallbacks())
    callbacks = ProgressCallbacks(cancelled=lambda: len(fake_engine.calls) > 0)
    with pytest.raises(CancelledError):
        run(fake_model, JobRequest(wav(65), EVERYTHING), store, callbacks)
    assert fake_engine.calls and os.listdir(store.folder) == []


def test_a_full_disk_is_one_clear_error(
    fake_model: LoadedModel, wav: Wav, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emotion.storage.run_sink.write_wav", full)
    with pytest.raises(OutputError, match="No space left on device"):
        run(fake_model, JobRequest(wav()), store, ProgressCallbacks())
    assert os.listdir(store.folder) == []


def test_an_error_of_the_network_is_not_one_of_the_disk(
    fake_model: LoadedModel, wav: Wav, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise OSError("device lost")

    monkeypatch.setattr(fake_model.engine, "_infer_clip", fail)
    with pytest.raises(OSError, match="device lost"):
        run(fake_model, JobRequest(wav()), store, ProgressCallbacks())
    monkeypatch.setattr(
        fake_model.engine, "_infer_clip", lambda clip: (_ for _ in ()).throw(ModelError(reason="x"))
    )
    with pytest.raises(ModelError):
        run(fake_model, JobRequest(wav()), store, ProgressCallbacks())
    assert os.listdir(store.folder) == []


def test_a_model_that_is_not_there(wav: Wav, store: RunStore) -> None:
    models = FakeService(None)
    models.error = DownloadError(name="large", reason="no route")
    service = RecognitionService(models, store)
    job = service.jobs.submit(JobRequest(wav()))
    with pytest.raises(DownloadError):
        job.result(WAIT_S)
    service.close()


def test_a_cancelled_job_stops_inside_the_recording(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav
) -> None:
    fake_engine.gate.clear()
    job = service.jobs.submit(JobRequest(wav(400)))
    assert fake_engine.entered.wait(WAIT_S)
    service.jobs.cancel(job)
    with pytest.raises(CancelledError):
        job.result(WAIT_S)  # although the network has not answered
    fake_engine.gate.set()
    assert os.listdir(service.store.folder) == []


def test_the_wait_for_the_model_counts(
    fake_model: LoadedModel, wav: Wav, store: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = FakeService(fake_model)

    def load(*_: Any) -> LoadedModel:
        time.sleep(0.3)
        return fake_model

    monkeypatch.setattr(models, "model", load)
    service = RecognitionService(models, store)
    timing = service.jobs.submit(JobRequest(wav())).result(WAIT_S).result.timing
    assert timing.total_s > timing.queue_s > 0.25
    service.close()


def test_the_wait_for_a_worker_counts(
    fake_model: LoadedModel, fake_engine: FakeEngine, wav: Wav, store: RunStore
) -> None:
    service = RecognitionService(FakeService(fake_model), store, JobLimits(workers=1))
    fake_engine.gate.clear()
    first = service.jobs.submit(JobRequest(wav()))
    assert fake_engine.entered.wait(WAIT_S)
    second = service.jobs.submit(JobRequest(wav()))
    threading.Timer(0.2, fake_engine.gate.set).start()
    assert first.result(WAIT_S).result.timing.queue_s < 0.2
    timing = second.result(WAIT_S).result.timing
    assert timing.total_s > timing.queue_s > 0.1
    service.close()


def test_a_click_comes_before_bulk_work(
    service: RecognitionService, fake_engine: FakeEngine, wav: Wav
) -> None:
    fake_engine.gate.clear()
    clip = wav(20.0)
    bulk = [service.jobs.submit(JobRequest(clip), priority="bulk") for _ in range(8)]
    assert fake_engine.entered.wait(WAIT_S)
    click = service.jobs.submit(JobRequest(wav(1.0)), visitor="ann")
    while not fake_engine._batcher._queues["interactive"]:
        time.sleep(0.001)
    fake_engine.gate.set()
    for job in (click, *bulk):
        job.result(WAIT_S)
    assert fake_engine.calls.index(16_000) <= 1  # one bulk clip was being worked on


def test_what_is_not_stored_leaves_no_files(
    fake_model: LoadedModel, wav: Wav, store: RunStore
) -> None:
    lines: list[str] = []
    callbacks = ProgressCallbacks(log=lines.append)
    request = JobRequest(wav(), EVERYTHING, store=False)
    done = run(fake_model, request, store, callbacks)
    kept = run(fake_model, JobRequest(wav(), EVERYTHING), store, callbacks)
    assert done.stored is None and done.exports == ()
    assert done.result.scores == kept.result.scores
    assert done.embedding is not None and kept.embedding is not None
    np.testing.assert_array_equal(done.embedding, kept.embedding)
    assert store.ids() == [kept.folder.name] and lines[-1].endswith(kept.folder.name)
    with pytest.raises(ConfigError, match="exports is 'srt', but must be absent"):
        JobRequest(wav(), RecognitionOptions(exports=("srt",)), store=False)
