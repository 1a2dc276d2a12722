"""The measure of what the REST API costs: its parts, and a short run of the whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import tone
from tests.fakes import FakeEngine
from tools import http_bench
from tools.http_bench import Overhead, Throughput, as_json, clips_of, median_s, of_length, table


def test_medians_leave_out_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([0.0, 100.0, 0.0, 3.0, 0.0, 1.0, 0.0, 2.0])
    monkeypatch.setattr(http_bench.time, "perf_counter", lambda: next(moments))
    assert median_s(lambda: None, 3) == 2.0


def test_clips_again_and_again(tmp_path: Path) -> None:
    for number in range(2):
        soundfile.write(tmp_path / f"{number}.wav", tone(1.0 + number), 16000)
    (tmp_path / "README.md").write_text("no recording")
    clips = clips_of(tmp_path, 5)
    assert [clip.size for clip in clips] == [16000, 32000, 16000, 32000, 16000]
    assert of_length(clips[0], 2.5).size == 40000
    np.testing.assert_array_equal(of_length(clips[0], 1.5)[16000:], clips[0][:8000])
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="no recordings in"):
        clips_of(tmp_path / "none", 1)


def test_what_is_printed() -> None:
    ones = [Overhead(False, 30.0, 12.5), Overhead(True, 36.0, 12.5)]
    many = [Throughput(True, 64, 256.0, 0.5, 0.4)]
    assert (ones[0].overhead_ms, many[0].ratio) == (17.5, 0.8)
    text = table(ones, many)
    assert "| nothing stored | 30.0 ms | 12.5 ms | 17.5 ms |" in text
    assert "| 64 clips, 256 s, run folder | 0.500 s | 0.400 s | 0.80 |" in text
    data = json.loads(json.dumps(as_json(ones, many)))
    assert data["one"][1] == {
        "store": True, "request_ms": 36.0, "engine_ms": 12.5, "overhead_ms": 23.5
    }  # fmt: skip
    assert data["many"][0]["ratio"] == 0.8


def test_the_engine_alone() -> None:
    engine = FakeEngine()
    one_s, many_s = http_bench.engine_times(engine, tone(2.0), [tone(1.0)] * 3, 2, 1)
    assert one_s > 0 and many_s > 0
    assert sorted(engine.calls) == [16000] * 6 + [32000] * 3
    engine.close()


@pytest.mark.slow
def test_a_short_run_of_the_whole(
    tiny_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "a.wav", tone(1.0), 16000)
    command = ["--model", str(tiny_checkpoint), "--clips", str(tmp_path), "--count", "3"]
    assert http_bench.main([*command, "--repeats", "1", "--rounds", "1", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [one["store"] for one in data["one"]] == [False, True]
    assert all(one["request_ms"] > 0 < one["engine_ms"] for one in data["one"])
    assert [(one["clips"], one["audio_s"]) for one in data["many"]] == [(3, 3.0), (3, 3.0)]
