"""The one way from a recording to its result: what sinks get, and what an error leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emotion.audio import Samples
from emotion.core.errors import ModelError, OutputError
from emotion.core.options import RecognitionOptions
from emotion.core.progress import ProgressCallbacks
from emotion.core.results import Result
from emotion.inference.engine_base import FrameOutput
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.pipeline import Features, recognize
from emotion.services.recognitions import JobRequest, run
from emotion.storage.run_store import RunStore
from tests.fakes import FakeEngine

Wav = Callable[..., Path]
EVERYTHING = RecognitionOptions("frame", embedding=True)


class Recorder:
    """A sink that notes what it gets."""

    audio_file = ""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.total = 0
        self.rows = 0

    def audio(self, blocks: Iterator[Samples]) -> None:
        self.heard.append(f"audio {sum(block.size for block in blocks)}")

    def frames(self, total: int, features: Features) -> None:
        self.total = total
        self.rows += len(features)
        self.heard.append("frames")

    def finish(self, result: Result, embedding: Features | None, segments: Features | None) -> None:
        assert segments is None  # of windows, which are no segments
        self.heard.append(f"finish {result.granularity} {embedding is not None}")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (RecognitionOptions(), ["finish utterance False"]),
        (RecognitionOptions(embedding=True), ["finish utterance True"]),
        (RecognitionOptions("frame"), ["finish frame False"]),
        (EVERYTHING, ["frames", "frames", "finish frame True"]),
    ],
)
def test_a_sink_gets_what_was_asked_for_in_order(
    fake_model: LoadedModel, wav: Wav, options: RecognitionOptions, parts: list[str]
) -> None:
    sink = Recorder()
    recognize(fake_model, wav(40.0), options, sinks=[sink])
    assert sink.heard == ["audio 640000", *parts]
    assert sink.rows == sink.total


def test_stages_and_windows_are_told(fake_model: LoadedModel, wav: Wav) -> None:
    told: list[object] = []
    callbacks = ProgressCallbacks(
        stage=told.append, windows=lambda done, total: told.append((done, total))
    )
    recognize(fake_model, wav(61.0), RecognitionOptions(), callbacks=callbacks)
    windows = [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert told == ["decoding", "analysing", *windows, "saving"]


def test_an_error_of_a_sink_withdraws_the_other_windows(
    fake_model: LoadedModel, fake_engine: FakeEngine, wav: Wav
) -> None:
    class Full(Recorder):
        def frames(self, total: int, features: Features) -> None:
            fake_engine.gate.clear()  # whatever is not being worked on waits from here on
            raise OutputError(path="x", reason="full")

    fake_engine._batcher._most = 1.0  # a window a pass
    with pytest.raises(OutputError) as kept:
        recognize(fake_model, wav(400.0), EVERYTHING, sinks=[Full()])
    waiting = [future for _, future in fake_engine._batcher._queues["bulk"]]
    assert all(future.cancelled() for future in waiting)
    fake_engine.gate.set()
    fake_engine.infer(np.zeros(16_000, np.float32))
    assert len(fake_engine.calls) <= 5  # of 14 windows: those begun ahead, and the last
    assert kept.value.params["reason"] == "full"


def test_frames_that_do_not_fit_their_header_are_refused(
    fake_model: LoadedModel, tmp_path: Path, wav: Wav, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = FakeEngine._infer_clip

    def shorter(self: FakeEngine, samples: Samples) -> FrameOutput:
        output = plain(self, samples)
        return replace(output, features=output.features[1:], logits=output.logits[1:])

    monkeypatch.setattr(FakeEngine, "_infer_clip", shorter)
    store = RunStore(tmp_path / "outputs")
    path = wav(1.0)
    with pytest.raises(ModelError, match="the network gave 48 frames instead of 49"):
        run(fake_model, JobRequest(path, EVERYTHING), store, ProgressCallbacks())
    assert list(store.folder.iterdir()) == []
