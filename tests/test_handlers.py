"""What clicks and calls do, without a browser."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from emotion.core.config import AudioConfig
from emotion.core.errors import DownloadError
from emotion.core.paths import PROJECT_DIR
from emotion.services.recognitions import RecognitionService
from emotion.storage.run_store import (
    AUDIO_FILE,
    EMBEDDING_FILE,
    FRAME_EMBEDDINGS_FILE,
    RESULT_FILE,
    RunStore,
)
from emotion.ui.examples import load_examples
from emotion.ui.files import HandOver
from emotion.ui.previews import Previews
from tests.conftest import run_folders
from tests.fakes import FakeEngine

NAMES = ("card", "scores", "timeline", "log", "downloads", "start", "cancel")
OUT: Any = SimpleNamespace(**{name: name for name in NAMES})


def request(visitor: str = "me", lang: str = "en") -> Any:
    return SimpleNamespace(cookies={"ui_lang": lang}, session_hash=visitor)


@pytest.fixture
def handlers(service: RecognitionService, tmp_path: Path) -> Any:
    from emotion.ui.handlers import Handlers

    cache = tmp_path / "cache"
    examples = load_examples(PROJECT_DIR / "examples")
    return Handlers(service, HandOver(cache), Previews(cache, AudioConfig()), examples)


def shown(updates: list[dict[str, Any]]) -> dict[str, Any]:
    """What stands on the page after these updates."""
    state: dict[str, Any] = {}
    for update in updates:
        state |= update
    return state


def drain(updates: Iterator[dict[str, Any]]) -> tuple[dict[str, Any], str]:
    """What stands on the page in the end, and the toast that ended it, if any."""
    import gradio as gr

    seen, toast = [], ""
    try:
        for update in updates:
            seen.append(update)
    except gr.Error as e:
        toast = "PRINTED " * e.print_exception + str(e.message)
    return shown(seen), toast


class TestHandlers:
    def test_a_recognition(self, handlers: Any, wav: Callable[..., Path]) -> None:
        run = handlers.recognise(OUT)(str(wav(3.0)), "", request(), "utterance", False, [])
        state, toast = drain(run)
        assert not toast
        assert "Happy" in state["card"] and "--value" in state["scores"]
        assert [Path(file).name for file in state["downloads"]] == [RESULT_FILE, AUDIO_FILE]
        assert "[INFO] Warmup completed. Ready for inference." in state["log"]
        assert state["start"]["interactive"] and not state["cancel"]["interactive"]
        assert "processed_audio.wav" in state["timeline"] and '"kind":"whole"' in state["timeline"]

    def test_every_update_of_a_running_job_has_its_buttons(
        self, handlers: Any, wav: Callable[..., Path]
    ) -> None:
        *running, last = handlers.recognise(OUT)(
            str(wav(40.0)), "", request(), "utterance", False, []
        )
        assert len(running) > 1
        for update, busy in [*((update, True) for update in running), (last, False)]:
            assert update["start"]["interactive"] is not busy
            assert update["cancel"]["interactive"] is busy

    def test_frames_and_embedding(self, handlers: Any, wav: Callable[..., Path]) -> None:
        state, _ = drain(handlers.recognise(OUT)(str(wav(3.0)), "", request(), "frame", True, []))
        assert '"contribution":{' in state["timeline"] and '"local":' in state["timeline"]
        assert [Path(file).name for file in state["downloads"]][2:] == [
            EMBEDDING_FILE,
            FRAME_EMBEDDINGS_FILE,
        ]

    def test_exports_in_the_language_of_the_page(
        self, handlers: Any, wav: Callable[..., Path]
    ) -> None:
        chosen = ["srt", "frames", "npz"]
        for granularity, files in (
            ("utterance", ["emotions.srt"]),
            ("frame", ["emotions.srt", "frames.csv"]),
        ):
            run = handlers.recognise(OUT)(
                str(wav()), "", request(lang="zh"), granularity, False, chosen
            )
            state, toast = drain(run)
            assert not toast
            assert [Path(file).name for file in state["downloads"]][2:] == files
            assert "快乐" in Path(state["downloads"][2]).read_text("utf-8")

    @pytest.mark.parametrize(("lang", "words"), [("zh", "还没有音频"), ("en", "no audio yet")])
    def test_without_audio(self, handlers: Any, lang: str, words: str) -> None:
        run = handlers.recognise(OUT)(None, "", request(lang=lang), "utterance", False, [])
        state, toast = drain(run)
        assert words in toast and words in state["card"]

    def test_a_broken_file_is_told_in_card_toast_and_log(
        self, handlers: Any, tmp_path: Path
    ) -> None:
        broken = tmp_path / "<b>.mp3"
        broken.write_bytes(os.urandom(3000))
        run = handlers.recognise(OUT)(str(broken), "", request(lang="zh"), "utterance", False, [])
        state, toast = drain(run)
        assert "&lt;b&gt;.mp3：无法作为音频读取" in toast
        assert "无法作为音频读取" in state["card"] and "<b>" not in state["card"]
        assert state["log"].startswith("[ERROR] <b>.mp3: cannot be read")
        assert state["downloads"] is None and state["start"]["interactive"]

    def test_an_unexpected_error_gets_an_id_that_the_log_knows(
        self, handlers: Any, service: RecognitionService, wav: Callable[..., Path],
        monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("secret /srv/key")

        monkeypatch.setattr("emotion.services.recognitions.recognize", fail)
        run = handlers.recognise(OUT)(str(wav()), "", request(lang="zh"), "utterance", False, [])
        state, toast = drain(run)
        number = re.search(r"识别失败 \(id (\w{8})\)", toast)
        assert number is not None
        assert number[1] in caplog.text and "secret /srv/key" in caplog.text
        assert "secret" not in toast + json.dumps(state, default=str)

    def test_a_model_that_failed_to_load(
        self, handlers: Any, service: RecognitionService, wav: Callable[..., Path]
    ) -> None:
        models: Any = service.models
        models.error = DownloadError(name="large", reason="no route")
        _, toast = drain(handlers.recognise(OUT)(str(wav()), "", request(), "utterance", False, []))
        assert toast.startswith("large could not be downloaded")

    def test_a_second_start_is_refused_and_leaves_the_first_alone(
        self, handlers: Any, fake_engine: FakeEngine, wav: Callable[..., Path]
    ) -> None:
        fake_engine.gate.clear()
        first = handlers.recognise(OUT)(str(wav()), "", request(), "utterance", False, [])
        seen = [next(first)]
        state, toast = drain(
            handlers.recognise(OUT)(str(wav()), "", request(), "utterance", False, [])
        )
        assert state == {} and "still running" in toast
        fake_engine.gate.set()
        seen += list(first)
        assert "Happy" in shown(seen)["card"]

    def test_cancel(
        self,
        handlers: Any,
        service: RecognitionService,
        fake_engine: FakeEngine,
        wav: Callable[..., Path],
    ) -> None:
        fake_engine.gate.clear()
        run = handlers.recognise(OUT)(str(wav(40.0)), "", request(), "frame", True, [])
        seen = [next(run)]
        assert not seen[0]["start"]["interactive"] and seen[0]["cancel"]["interactive"]
        assert fake_engine.entered.wait(10)
        handlers.cancel(request())
        fake_engine.gate.set()
        seen += list(run)
        state = shown(seen)
        assert "is-cancelled" in state["card"] and state["downloads"] is None
        assert run_folders(service) == []

    def test_another_recording_cancels_the_run_of_the_old_one(
        self, handlers: Any, fake_engine: FakeEngine, wav: Callable[..., Path]
    ) -> None:
        fake_engine.gate.clear()
        path = str(wav(40.0))
        run = handlers.recognise(OUT)(path, "", request(), "utterance", False, [])
        next(run)
        handlers.withdraw(path, request())
        assert fake_engine.entered.wait(10)
        handlers.withdraw(None, request())
        fake_engine.gate.set()
        assert "is-cancelled" in shown(list(run))["card"]

    def test_a_visitor_who_leaves_cancels(
        self,
        handlers: Any,
        service: RecognitionService,
        fake_engine: FakeEngine,
        wav: Callable[..., Path],
    ) -> None:
        fake_engine.gate.clear()
        run = handlers.recognise(OUT)(str(wav(400.0)), "", request(), "utterance", False, [])
        next(run)
        assert fake_engine.entered.wait(10)
        run.close()
        fake_engine.gate.set()
        deadline = time.monotonic() + 10
        while run_folders(service) or service.jobs.active("me"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert len(fake_engine.calls) < 14  # of as many windows

    def test_examples(self, handlers: Any, service: RecognitionService, tmp_path: Path) -> None:
        names = [example.path.name for example in load_examples(PROJECT_DIR / "examples")]
        assert Path(handlers.example("1", request())).name == names[1]
        for choice in ("own", "../../etc/passwd", "99", None):
            assert Path(handlers.example(choice, request())).name == names[0]
        (tmp_path / "example").mkdir()
        (tmp_path / "example" / "test.wav").write_bytes(b"RIFF")
        service.models.current.example = tmp_path / "example"  # type: ignore[union-attr]
        assert Path(handlers.example("own", request())).name == "test.wav"

    def test_the_list_of_examples_follows_the_model(
        self, handlers: Any, service: RecognitionService, tmp_path: Path
    ) -> None:
        update = handlers.choices("2")
        assert update["value"] == "2" and len(update["choices"]) == 7
        (tmp_path / "test.wav").write_bytes(b"RIFF")
        service.models.current.example = tmp_path  # type: ignore[union-attr]
        update = handlers.choices("2")
        assert update["choices"][0] == ("test", "own") and update["value"] == "own"
        service.models.current.example = None  # type: ignore[union-attr]
        assert handlers.choices("own")["value"] == "0"

    def test_no_example_is_told(self, service: RecognitionService, tmp_path: Path) -> None:
        import gradio as gr

        from emotion.ui.handlers import Handlers

        handlers = Handlers(service, HandOver(tmp_path), Previews(tmp_path, AudioConfig()), ())
        with pytest.raises(gr.Error, match="没有可用的示例音频"):
            handlers.example("own", request(lang="zh"))
        assert handlers.choices(None)["value"] is None

    def test_a_preview_stands_for_its_recording(
        self, handlers: Any, fake_engine: FakeEngine, wav: Callable[..., Path]
    ) -> None:
        path = str(wav(40.0))
        preview, previewed = handlers.preview(path)
        assert preview != path and previewed == path
        assert handlers.preview(None) == (None, "")
        fake_engine.gate.clear()
        run = handlers.recognise(OUT)(preview, "", request(), "utterance", False, [])
        seen = [next(run)]
        handlers.withdraw(path, request())
        handlers.withdraw(preview, request())
        fake_engine.gate.set()
        card = shown(seen + list(run))["card"]
        assert "clip.wav" in card and "is-cancelled" not in card

    def test_a_recording_that_was_not_uploaded(self, handlers: Any) -> None:
        for missing, words in (("upload_failed", "not be uploaded"), ("<b>", "no audio yet")):
            run = handlers.recognise(OUT)(None, missing, request(), "utterance", False, [])
            state, toast = drain(run)
            assert words in toast and words in state["card"]

    def test_visitors_learn_no_folders_and_the_log_has_them(
        self, handlers: Any, service: RecognitionService, wav: Callable[..., Path], tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:  # fmt: skip
        service.store = RunStore(wav())  # a file: no run folder can be made in it
        run = handlers.recognise(OUT)(str(wav()), "", request(), "utterance", False, [])
        state, toast = drain(run)
        assert "clip.wav: cannot be written" in toast
        assert str(tmp_path) not in toast + json.dumps(state, default=str)
        assert f"{service.store.folder}: cannot be written" in caplog.text
