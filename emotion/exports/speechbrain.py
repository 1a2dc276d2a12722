"""Segments as SpeechBrain's emotion diarization gives them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from emotion.exports.source import Source

# SpeechBrain knows these four; the others keep their ids.
_LETTERS: Final = {"neutral": "n", "happy": "h", "sad": "s", "angry": "a"}


def write(source: Source, path: Path) -> None:
    """``{"clip.wav": [{"start": 0.0, "end": 1.94, "emotion": "n"}, …]}``, times in seconds.

    Split channels have an entry each: ``clip.wav#1``.
    """
    files = {
        source.file + (f"#{channel}" if source.result.channels else ""): [
            {
                "start": span.start_s,
                "end": span.end_s,
                "emotion": _LETTERS.get(span.emotion, span.emotion),
            }
            for span in source.spans_of(channel)
        ]
        for channel in source.channels
    }
    with path.open("w", encoding="utf-8") as output:
        json.dump(files, output, ensure_ascii=False, indent=2, allow_nan=False)
        output.write("\n")
