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
from emotion.recognition.recognizer import Recognizer

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
SURE = 0.6
NARROW_BAND = "8k.wav"  # lacks what lies above 4 kHz: need not agree


def sure_clip(speech: Path, corpus: str, mini: Path) -> Path:
    """The first clip of a corpus of whose emotion the model is sure.

    Where two emotions are all but equal, a codec's noise decides, and that says nothing of the
    decoding.
    """
    recognizer = Recognizer.load(str(mini), device="cpu", precision="fp32")
    with (speech / "manifest.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["corpus"] == corpus]
    paths = (speech / row["path"] for row in rows)
    return next(path for path in paths if recognizer.recognize(path).result.confidence > SURE)


@pytest.mark.parametrize("corpus", ["ravdess", "nemo", "emodb"])
def test_ten_formats_of_a_clip_agree(
    speech: Path,
    corpus: str,
    mini_checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    encode: Callable[[Path, Path, list[str]], None],
) -> None:
    clip, files = sure_clip(speech, corpus, mini_checkpoint), []
    for name, options in FORMATS.items():
        files.append(tmp_path / f"clip.{name}")
        encode(clip, files[-1], options)
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
