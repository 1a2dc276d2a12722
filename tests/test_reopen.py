"""A stored run on the page: the same as when it had just ended."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emotion.core.config import AudioConfig
from emotion.core.errors import OutputError, ResultError, RunNotFoundError
from emotion.core.results import Result
from emotion.services.recognitions import RecognitionService
from emotion.storage.run_store import AUDIO_FILE, EMBEDDING_FILE, RESULT_FILE, RunStore
from emotion.ui.files import HandOver
from emotion.ui.previews import Previews
from tests import timeline_results
from tests.test_handlers import OUT, drain, request


@pytest.fixture
def hand_over(tmp_path: Path) -> HandOver:
    return HandOver(tmp_path / "cache")


def reopen(hand_over: HandOver, folder: Path) -> dict[str, Any]:
    from emotion.ui.reopen import reopened

    return reopened(OUT, hand_over, folder)


def stored(tmp_path: Path, result: Result | dict[str, Any], **files: bytes) -> Path:
    """A run folder with this result and no recording."""
    folder = tmp_path / "outputs_20260102_030405"
    folder.mkdir()
    data = result.to_dict() if isinstance(result, Result) else result
    (folder / RESULT_FILE).write_text(json.dumps(data), "utf-8")
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder


@pytest.mark.parametrize(
    ("granularity", "embedding", "exports"),
    [("utterance", False, []), ("segment", False, ["srt", "html"]), ("frame", True, ["frames"])],
)
def test_a_run_looks_as_it_did_when_it_ended(
    service: RecognitionService, hand_over: HandOver, wav: Callable[..., Path],
    tmp_path: Path, granularity: str, embedding: bool, exports: list[str],
) -> None:  # fmt: skip
    from emotion.ui.handlers import Handlers

    handlers = Handlers(service, hand_over, Previews(tmp_path, AudioConfig()), ())
    run = handlers.recognise(OUT)(str(wav(3.0)), "", request(), granularity, embedding, exports)
    then, toast = drain(run)
    assert not toast
    (run_id,) = service.store.ids()
    now = reopen(hand_over, service.store.find(run_id))
    assert (now["card"], now["scores"]) == (then["card"], then["scores"])
    files = [[Path(file).name for file in state["downloads"]] for state in (then, now)]
    assert files[0] == files[1] and len(files[0]) > len(exports) + 2 * embedding
    for file in now["downloads"]:
        assert (
            Path(file).read_bytes()
            == (service.store.folder / run_id / Path(file).name).read_bytes()
        )
    assert now["log"].splitlines() == then["log"].splitlines()[-2:]
    assert without_address(now["timeline"]) == without_address(then["timeline"])
    assert now["downloads"][1] in now["timeline"]
    assert set(now) == {"card", "scores", "timeline", "log", "downloads"}  # the buttons stay


def without_address(figure: str) -> list[str]:
    """The parts of a figure that do not name its copy in the cache."""
    start = figure.index("<pre")
    end = figure.index("</pre>")
    return [figure[start:end], figure[figure.index("tl-plot") :]]


@pytest.mark.parametrize("name", ["clip", "frames", "call", "result"])
def test_a_run_without_its_recording(name: str, tmp_path: Path, hand_over: HandOver) -> None:
    folder = stored(tmp_path, getattr(timeline_results, name)())
    state = reopen(hand_over, folder)
    assert '<section style="--emo:' in state["card"]
    assert "<emotion-timeline" in state["timeline"] and "<audio" not in state["timeline"]
    assert [Path(file).name for file in state["downloads"]] == [RESULT_FILE]


def test_a_recording_that_is_damaged_is_played_but_not_drawn(
    tmp_path: Path, hand_over: HandOver, caplog: pytest.LogCaptureFixture
) -> None:
    folder = stored(tmp_path, timeline_results.clip(), processed_audio__wav=b"RIFF")
    assert '"wave":null' in reopen(hand_over, folder)["timeline"]
    assert "no waveform" in caplog.text


def test_results_of_earlier_versions(tmp_path: Path, hand_over: HandOver) -> None:
    data = timeline_results.result().to_dict()
    for name in ("timestamp_utc", "uncertain", "labels", "min_confidence"):
        del data[name]
    for name in ("tracks", "track", "channel"):
        del data["audio"][name]
    for name in ("engine", "fallback_reason"):
        del data["model"][name]
    del data["timing"]["queue_s"]
    state = reopen(hand_over, stored(tmp_path, data))
    assert "Happy" in state["card"] and '"kind":"whole"' in state["timeline"]


def test_warnings_are_in_the_log_again(tmp_path: Path, hand_over: HandOver) -> None:
    result = timeline_results.result(warnings=(timeline_results.NO_SPEECH,))
    state = reopen(hand_over, stored(tmp_path, result))
    assert state["log"].splitlines() == [
        "[WARNING] No speech was found in the recording.",
        "[INFO] Inference time: 0.20s (utterance-level)",
        "[INFO] Result saved → outputs_20260102_030405",
    ]


def test_files_come_in_order_and_hidden_ones_do_not(tmp_path: Path, hand_over: HandOver) -> None:
    files = {"report__html": b"", "__owner": b"ann", "a__csv": b"", "embedding__npy": b""}
    folder = stored(tmp_path, timeline_results.result(), processed_audio__wav=b"", **files)
    names = [Path(file).name for file in reopen(hand_over, folder)["downloads"]]
    assert names == [RESULT_FILE, AUDIO_FILE, EMBEDDING_FILE, "a.csv", "report.html"]


def test_names_from_outside_are_escaped(tmp_path: Path, hand_over: HandOver) -> None:
    data = timeline_results.clip().to_dict()
    data["audio"]["file"] = data["model"]["title"] = data["model"]["device"] = "<img src=x>"
    state = reopen(hand_over, stored(tmp_path, data))
    assert "&lt;img src=x&gt;" in state["card"]
    assert not any("<img" in str(part) for part in state.values())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"emotion": "bored"}, "unknown emotion 'bored'"),
        ({"secondary": {"bored": 0.1}}, "unknown emotion 'bored'"),
        ({"schema_version": 99}, "schema_version is 99"),
        ({"timing": {}}, "decode_s is missing"),
    ],
)
def test_a_damaged_result_is_refused(
    change: dict[str, Any], reason: str, tmp_path: Path, hand_over: HandOver
) -> None:
    folder = stored(tmp_path, timeline_results.clip().to_dict() | change)
    with pytest.raises(ResultError, match=f"^{folder.name}: not the result .*{reason}"):
        reopen(hand_over, folder)
    assert not (tmp_path / "cache").exists()


def test_what_is_no_result(tmp_path: Path, hand_over: HandOver) -> None:
    folder = stored(tmp_path, {})
    for content in (b"", b"[]", b"{", b"\xff"):
        (folder / RESULT_FILE).write_bytes(content)
        with pytest.raises(ResultError, match=folder.name):
            reopen(hand_over, folder)


def test_a_run_that_was_deleted(
    tmp_path: Path, hand_over: HandOver, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunNotFoundError):
        reopen(hand_over, RunStore(tmp_path).folder / "outputs_20260101_000000")
    folder = stored(tmp_path, timeline_results.clip())

    def link(source: str | Path, target: str | Path) -> None:  # deleted between two steps
        shutil.rmtree(folder, ignore_errors=True)
        raise FileNotFoundError(source)

    monkeypatch.setattr(os, "link", link)
    with pytest.raises(OutputError, match="No such file"):
        reopen(hand_over, folder)
    assert list((tmp_path / "cache").iterdir()) == []
