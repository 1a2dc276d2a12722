"""The page's endpoint for programs, without a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from emotion.core.errors import CancelledError
from emotion.services.recognitions import RecognitionService
from emotion.ui.files import HandOver
from tests.conftest import run_folders, tone
from tests.fakes import FakeEngine
from tests.test_handlers import request


@pytest.fixture
def endpoint(service: RecognitionService, tmp_path: Path) -> Any:
    from emotion.ui.endpoint import Endpoint

    return Endpoint(service, HandOver(tmp_path / "cache"))


def test_api(endpoint: Any, wav: Callable[..., Path]) -> None:
    import gradio as gr

    *_, (value, files) = endpoint.recognize(str(wav(2.0)), "frame", True, 0, request())
    assert list(value)[:5] == ["emotion", "confidence", "scores", "granularity", "timestamp"]
    assert len(files) == 4
    *_, (value, files) = endpoint.recognize(str(wav(2.0)), "segment", False, 0, request())
    assert (len(value["segments"]), value["summary"]["silence_s"], len(files)) == (1, 0, 2)
    for audio, granularity in ((None, "utterance"), (str(wav(2.0)), "words")):
        with pytest.raises(gr.Error):
            list(endpoint.recognize(audio, granularity, False, 1, request()))


def test_a_program_that_leaves_cancels(
    endpoint: Any, service: RecognitionService, fake_engine: FakeEngine,
    wav: Callable[..., Path],
) -> None:  # fmt: skip
    fake_engine.gate.clear()
    answers = endpoint.recognize(str(wav(40.0)), "utterance", False, 0, request())
    next(answers)
    (job,) = service.jobs.active()
    answers.close()
    fake_engine.gate.set()
    with pytest.raises(CancelledError):
        job.result(10)
    assert run_folders(service) == []


def test_errors_of_the_api_are_plain_text(endpoint: Any, wav: Callable[..., Path]) -> None:
    import gradio as gr

    path = wav(2.0, "a & b's <clip>.wav")
    expected = "a & b's <clip>.wav: there is no audio track 2, the file has 1. Choose another"
    with pytest.raises(gr.Error) as caught:
        list(endpoint.recognize(str(path), "utterance", False, 2, request()))
    assert caught.value.message.startswith(expected)
    with pytest.raises(gr.Error, match="没有第 2 条音轨"):
        list(endpoint.recognize(str(path), "utterance", False, 2, request(lang="zh")))
    with pytest.raises(gr.Error, match="track is -1, but must be 1 or more"):
        list(endpoint.recognize(str(path), "utterance", False, -1, request()))


def test_the_further_options(endpoint: Any, tmp_path: Path) -> None:
    import gradio as gr

    path = tmp_path / "call.wav"
    soundfile.write(path, np.stack([tone(3.0, 1), tone(3.0, 2)], 1), 16_000)
    asked = ("srt,eaf", "primary", 0.99, "split", "坐席，客户")
    *_, (value, files) = endpoint.recognize(str(path), "segment", True, 0, request(), *asked)
    names = {Path(file).name for file in files}
    assert {"emotions.srt", "emotions.eaf", "embedding.npy", "embedding_segments.npy"} < names
    assert [part["name"] for part in value["channels"]] == ["坐席", "客户"]
    assert value["labels"] == ["angry", "happy", "neutral", "sad"]
    assert all(part["uncertain"] for part in value["segments"])
    *_, (value, files) = endpoint.recognize(str(path), "frame", False, 0, request(), "all")
    names = {Path(file).name for file in files}
    assert "frames.csv" in names and "embeddings.npz" not in names
    for wrong, words in (
        (("mp3",), "export is 'mp3'"),
        (("", "joy"), "labels is 'joy'"),
        (("", "all", 2.0), "min_confidence is 2.0"),
        (("", "all", 0.0, "split"), "granularity is 'utterance', but must be 'segment'"),
    ):
        with pytest.raises(gr.Error, match=words):
            list(endpoint.recognize(str(path), "utterance", False, 0, request(), *wrong))
