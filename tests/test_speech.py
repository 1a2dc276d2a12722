"""Real speech through the trained model, as a user would: files in, result folders out."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from emotion.audio import ffmpeg_path
from emotion.cli import main

FORMATS: dict[str, list[str]] = {
    "wav": [],
    "8k.wav": ["-ar", "8000"],
    "float.wav": ["-c:a", "pcm_f32le", "-ar", "48000", "-ac", "2"],
    "mp3": ["-b:a", "128k"],
    "m4a": ["-c:a", "aac", "-b:a", "128k"],
    "flac": [],
    "ogg": ["-c:a", "libvorbis", "-q:a", "6"],
    "webm": ["-c:a", "libopus", "-b:a", "64k"],
    "wma": ["-c:a", "wmav2", "-b:a", "128k"],
    "aiff": [],
    "mp4": ["-f", "lavfi", "-i", "color=s=32x32:d=9", "-c:v", "mpeg4", "-c:a", "aac", "-shortest"],
}
NARROW_BAND = "8k.wav"  # loses what lies above 4 kHz: need not agree


@pytest.fixture(scope="module")
def clips(speech: Path) -> dict[str, Path]:
    """One clip of each corpus, chosen by its place in the manifest."""
    with (speech / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {row["corpus"]: speech / row["path"] for row in rows if row["label"] == "angry"}


@pytest.mark.parametrize("corpus", ["ravdess", "nemo", "emodb"])
def test_ten_formats_of_a_clip_agree(
    clips: dict[str, Path],
    corpus: str,
    mini_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    encode: Callable[[Path, Path, list[str]], None],
) -> None:
    files = []
    for name, options in FORMATS.items():
        files.append(tmp_path / f"clip.{name}")
        encode(clips[corpus], files[-1], options)
    options = ["--model", str(mini_checkpoint), "--device", "cpu", "--precision", "fp32"]
    output = ["--json", "--output-dir", str(tmp_path / "outputs")]
    assert main(["recognize", *options, *output, *map(str, files)]) == 0
    results = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(results) == len(FORMATS)
    for result in results:
        assert sum(result["scores"].values()) == pytest.approx(1, abs=1e-6)
        info = soundfile.info(Path(result["output_dir"]) / "processed_audio.wav")
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
    emotions = {result["emotion"] for result in results if not result["file"].endswith(NARROW_BAND)}
    assert len(emotions) == 1


@pytest.fixture
def encode() -> Callable[[Path, Path, list[str]], None]:
    def run(source: Path, target: Path, options: list[str]) -> None:
        command = [ffmpeg_path(), "-v", "error", "-nostdin", "-y", "-i", str(source)]
        subprocess.run([*command, *options, str(target)], check=True)

    return run
