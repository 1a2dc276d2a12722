from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tools import batch_bench
from tools.batch_bench import Timed, batch, loop, main

Wav = Callable[..., Path]


@pytest.fixture
def speech(tmp_path: Path, wav: Wav) -> Path:
    folder = tmp_path / "speech"
    folder.mkdir()
    for seed in range(3):
        wav(0.5 + seed / 4, f"{seed}.wav", seed).rename(folder / f"{seed}.wav")
    return folder


def test_batch_and_loop_give_the_same_labels(tiny_checkpoint: Path, speech: Path) -> None:
    items = batch_bench._recordings(speech, None)
    together, alone = batch(tiny_checkpoint, items), loop(tiny_checkpoint, items)
    assert together.labels == alone.labels
    assert len(together.labels) == 3 and None not in together.labels
    for timed in (together, alone):
        assert timed.took_s > 0
        assert timed.busy is not None and 0 < timed.busy <= 1


def test_broken_recordings_have_no_label(tiny_checkpoint: Path, speech: Path) -> None:
    (speech / "9.wav").write_text("x")
    labels = batch(tiny_checkpoint, batch_bench._recordings(speech, None)).labels
    assert [label is None for label in labels] == [False, False, False, True]


def test_the_limit_counts(speech: Path) -> None:
    assert [item.name for item in batch_bench._recordings(speech, 2)] == ["0.wav", "1.wav"]


def test_the_report_has_ratios_and_agreement(
    speech: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {
        "batch": Timed(2.0, 0.9, ["sad", "happy", "sad"]),
        "loop": Timed(3.0, 0.25, ["sad", "happy", "sad"]),
        "funasr": Timed(8.0, None, ["sad", "happy", "angry"]),
    }
    monkeypatch.setattr(batch_bench, "_in_own_process", lambda way, args: given[way])
    assert main(["--speech", str(speech), "--model", "x", "--rounds", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "3 recordings" in lines[0] and "medians of 2" in lines[0]
    rows = {line.split(" | ")[0].strip("| "): line.strip("| ").split(" | ") for line in lines[4:]}
    assert rows["batch"][2:] == ["1.5", "1", "1.00×", "90%", "100.00%"]
    assert rows["loop"][4:] == ["1.50×", "25%", "100.00%"]
    assert rows["funasr"][4:] == ["4.00×", "not known", "66.67%"]
