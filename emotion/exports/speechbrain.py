"""Segments as SpeechBrain's emotion diarization gives them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from emotion.exports.source import Source

# SpeechBrain knows these four; the others keep their ids.
_LETTERS: Final = {"neutral": "n", "happy": "h", "sad": "s", "angry": "a"}


def write(source: Source, path: Path) -> None:
    """``{"clip.wav": [{"start": 0.0, "end": 1.94, "emotion": "n"}, …]}``, times in seconds."""
    rows = [
        {
            "start": span.start_s,
            "end": span.end_s,
            "emotion": _LETTERS.get(span.emotion, span.emotion),
        }
        for span in source.spans
    ]
    with path.open("w", encoding="utf-8") as output:
        json.dump({source.file: rows}, output, ensure_ascii=False, indent=2, allow_nan=False)
        output.write("\n")
