"""The page without a browser: card, files and the assembled Blocks."""

from __future__ import annotations

import asyncio
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from emotion.core.config import Config, ServerConfig
from emotion.core.results import ResultWarning
from emotion.recognition.opening import Status
from emotion.services.batches import Batches
from emotion.services.jobs import JobProgress
from emotion.services.live import LiveSessions
from emotion.services.recognitions import RecognitionService
from emotion.storage.run_store import (
    RunStore,
)
from emotion.ui import views
from emotion.ui.files import HandOver
from emotion.ui.language import BOOT_SCRIPT
from tests.fakes import FakeService
from tests.timeline_results import NO_SPEECH, result


class TestCard:
    def test_every_state_is_well_formed_in_both_languages(self) -> None:
        loading = JobProgress("loading", detail=Status("downloading", done_bytes=1, total_bytes=4))
        for card in (
            views.header(),
            views.empty(),
            views.cancelled(),
            views.error(("坏", "bad"), ("", "")),
            views.audio_notes(),
            views.working(JobProgress(), 0.0),
            views.working(loading, 2.5),
            views.result(result()),
            views.result(result(uncertain=True)),
            views.result(result(warnings=(NO_SPEECH,))),
        ):
            tree = ET.fromstring(card)
            classes = [node.get("class") for node in tree.iter()]
            assert classes.count("zh") == classes.count("en") > 0

    def test_result_has_names_confidence_and_secondary(self) -> None:
        words = "".join(ET.fromstring(views.result(result())).itertext())
        for part in ("😊", "快乐 Happy", "置信度 / Confidence: 64.0%", "悲伤Sad 22.0%", "Fake"):
            assert part in words
        assert "Fallback" not in words

    def test_without_speech_no_emotion_is_named(self) -> None:
        card = views.result(result(warnings=(NO_SPEECH,)))
        words = "".join(ET.fromstring(card).itertext())
        assert "🔇没有检测到语音 No speech found" in words
        assert "Here the scores mean nothing" in words and "没有意义" in words
        assert "得分不代表任何情绪" in words  # the warning, which says what to do
        assert not any(part in words for part in ("Happy", "快乐", "😊", "64.0%", "Also present"))

    def test_an_uncertain_result_names_the_strongest_emotion_small(self) -> None:
        card = views.result(result(uncertain=True, min_confidence=0.7))
        tree = ET.fromstring(card)
        lines = {node.get("class"): "".join(node.itertext()) for node in tree.iter("p")}
        assert lines["emotion"] == "不确定 Uncertain"
        assert "Closest: Happy 64.0%" in lines["confidence"]
        assert "最接近：快乐 64.0%" in lines["confidence"]
        assert "confidence of 70.0%" in lines["why"]
        assert "Sad 22.0%" in "".join(tree.itertext())

    def test_without_speech_it_does_not_matter_that_it_is_uncertain(self) -> None:
        card = views.result(result(uncertain=True, warnings=(NO_SPEECH,)))
        assert "No speech found" in card and "Uncertain" not in card

    def test_a_fallback_is_marked(self) -> None:
        value = result()
        model = type(value.model)("mini", "Mini", "cpu", "fp32", fallback_reason="offline")
        assert "Fallback" in views.result(result(model=model))

    def test_warnings_are_told_in_both_languages(self) -> None:
        warning = ResultWarning("short_audio", "Only 0.50 s of audio.", {"duration_s": 0.5})
        card = views.result(result(warnings=(warning,)))
        assert "Only 0.50 s" in card and "短于 1 秒" in card

    def test_what_comes_from_outside_is_escaped(self) -> None:
        evil = "<img src=x onerror=alert(1)>"
        value = result()
        audio = type(value.audio)(evil, 1.0, 16_000, 1, "x", "x", 1)
        model = type(value.model)(evil, evil, evil, evil, fallback_reason=evil)
        warning = ResultWarning("new", evil)
        cards = (
            views.result(result(audio=audio, model=model, warnings=(warning,))),
            views.error((evil, evil), (evil, evil)),
        )
        for card in cards:
            assert "<img" not in card and "&lt;img" in card

    @pytest.mark.parametrize(
        ("progress", "words"),
        [
            (JobProgress("queued"), "Waiting for other"),
            (JobProgress("decoding"), "Reading the audio"),
            (JobProgress("analysing", done=2, total=5), "window 3 of 5"),
            (JobProgress("analysing", done=5, total=5), "window 5 of 5"),
            (JobProgress("saving", done=5, total=5), "Saving"),
            (JobProgress("analysing", cancelling=True), "Cancelling"),
            (JobProgress("loading", detail=Status("warming")), "warming up"),
            (
                JobProgress("loading", detail=Status("downloading", 1, "", 30, 40)),
                "downloading 75%",
            ),
        ],
    )
    def test_stages(self, progress: JobProgress, words: str) -> None:
        assert words in views.stage(progress)[1]
        assert "{" not in "".join(views.stage(progress))


class TestHandOver:
    def test_files_keep_their_names_in_a_folder_nobody_guesses(self, tmp_path: Path) -> None:
        source = tmp_path / "a.txt"
        source.write_text("hello")
        hand_over = HandOver(tmp_path / "cache")
        one, two = hand_over([source])[0], hand_over([source])[0]
        assert Path(one).read_text() == Path(two).read_text() == "hello"
        assert Path(one).name == "a.txt" and one != two
        assert re.fullmatch(r"[0-9a-f]{32}", Path(one).parent.name)
        Path(one).unlink()
        assert source.exists()

    def test_files_are_copied_where_links_are_impossible(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise OSError("cross-device link")

        monkeypatch.setattr(os, "link", refuse)
        source = tmp_path / "a.txt"
        source.write_text("hello")
        assert Path(HandOver(tmp_path / "cache")([source])[0]).read_text() == "hello"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Any:
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    from emotion.ui.app import build_page

    config = Config(server=ServerConfig(outputs_dir=tmp_path_factory.mktemp("page")))

    async def build() -> Any:  # Gradio makes an event loop, and leaves it open, where none runs
        models = FakeService(None)
        service = RecognitionService(models, RunStore(Path()))
        sessions = LiveSessions(models, config.audio, 8)
        return build_page(service, sessions, Batches(service.jobs), config)

    return asyncio.run(build())


class TestPage:
    def test_ids_of_the_contract(self, page: Any) -> None:
        ids = {block.elem_id for block in page.blocks.blocks.values()}
        assert ids >= {
            "audio-input", "granularity", "extract-embedding", "start-button", "example-button",
            "result-card", "scores-plot", "timeline-plot", "log", "downloads", "cancel-button",
        }  # fmt: skip

    def test_one_public_endpoint(self, page: Any) -> None:
        public = [f for f in page.blocks.fns.values() if f.api_visibility == "public"]
        assert [f.api_name for f in public] == ["recognize"]

    def test_nothing_that_holds_a_connection_open(self, page: Any) -> None:
        kinds = {type(block).__name__ for block in page.blocks.blocks.values()}
        assert not kinds & {"State", "Timer"}

    def test_head_and_style_fetch_nothing(self, page: Any) -> None:
        written = page.options["head"] + page.options["css"] + BOOT_SCRIPT.decode()
        written = written.replace("http://www.w3.org/2000/svg", "")  # a name, not an address
        assert not re.search(r"https?://|@import|url\((?!#)", written)
        assert written.count("</script>") == 2
