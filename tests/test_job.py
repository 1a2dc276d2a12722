from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emotion import job
from emotion.engine import Engine
from emotion.errors import AudioSilentError, CancelledError, OutputError
from emotion.recognizer import Hooks, Recognizer
from tests.fakes import FakeEngine

Wav = Callable[..., Path]


def test_a_run_leaves_the_classic_files(tiny_checkpoint: Path, wav: Wav, tmp_path: Path) -> None:
    recognizer = Recognizer(Engine.load(tiny_checkpoint, device="cpu"), name="tiny", title="Tiny")
    lines: list[str] = []
    done = job.run(
        recognizer,
        wav(5.2),
        tmp_path / "outputs",
        granularity="frame",
        embedding=True,
        on_log=lines.append,
    )
    assert sorted(os.listdir(done.folder)) == [
        "embedding.npy",
        "embedding_frames.npy",
        "processed_audio.wav",
        "result.json",
    ]
    info = soundfile.info(done.folder / "processed_audio.wav")
    assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
    data = json.loads((done.folder / "result.json").read_text("utf-8"))
    assert data == done.recognition.result.to_dict()
    assert np.load(done.folder / "embedding.npy").shape == (32,)
    assert np.load(done.folder / "embedding_frames.npy").shape == (259, 32)
    assert tuple(lines) == done.log
    assert lines[:3] == [
        "[INFO] Audio validated: 5.2s, 16kHz, mono",
        "[INFO] Preprocessing done → processed_audio.wav saved",
        "[INFO] Warmup completed. Ready for inference.",
    ]
    assert re.fullmatch(r"\[INFO\] Inference time: \d+\.\d\ds \(frame-level\)", lines[3])


def test_without_embedding_none_is_written(
    fake_recognizer: Recognizer, wav: Wav, tmp_path: Path
) -> None:
    folder = job.run(fake_recognizer, wav(), tmp_path / "o").folder
    assert sorted(os.listdir(folder)) == ["processed_audio.wav", "result.json"]


def test_the_log_tells_the_source_and_the_warnings(
    fake_recognizer: Recognizer, wav: Wav, convert: Callable[..., Path], tmp_path: Path
) -> None:
    source = convert(wav(0.5), "x.wav", "-ar", "44100", "-ac", "2")
    log = job.run(fake_recognizer, source, tmp_path / "o").log
    assert log[0] == "[INFO] Audio validated: 0.5s, 16kHz, mono (from 44.1kHz, stereo)"
    assert log[1].startswith("[WARNING] Only 0.50 s of audio")
    log = job.run(fake_recognizer, wav(65), tmp_path / "o").log
    assert any("[WARNING] The recording of 65.0 s was analysed whole" in line for line in log)


def test_nothing_is_left_of_a_refused_or_cancelled_run(
    fake_recognizer: Recognizer, fake_engine: FakeEngine, wav: Wav, tmp_path: Path
) -> None:
    outputs = tmp_path / "o"
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(16000), 16000)
    with pytest.raises(AudioSilentError):
        job.run(fake_recognizer, silent, outputs)
    hooks = Hooks(cancelled=lambda: len(fake_engine.calls) > 0)
    with pytest.raises(CancelledError):
        job.run(fake_recognizer, wav(65), outputs, hooks=hooks)
    assert fake_engine.calls and os.listdir(outputs) == []


def test_a_full_disk_is_one_clear_error(
    fake_recognizer: Recognizer, wav: Wav, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job, "write_wav", full)
    with pytest.raises(OutputError, match="No space left on device"):
        job.run(fake_recognizer, wav(), tmp_path / "o")
    assert os.listdir(tmp_path / "o") == []
