"""Segments as predictions for Label Studio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emotion.exports.source import Source, Span

_FROM, _TO = "label", "audio"


def write(source: Source, path: Path) -> None:
    """A task with one prediction.

    The project's labelling interface needs ``<Audio name="audio" value="$audio"/>`` and
    ``<Labels name="label" toName="audio">`` with the emotions' names. ``data.audio`` is the name of
    the recording; make it the address that the recording has in the project.
    """
    result = source.result
    task = {
        "data": {"audio": source.file},
        "predictions": [
            {
                "model_version": result.model.name,
                "score": result.confidence,
                "result": [_region(source, k, span) for k, span in enumerate(source.spans)],
            }
        ],
    }
    with path.open("w", encoding="utf-8") as output:
        json.dump([task], output, ensure_ascii=False, indent=2, allow_nan=False)
        output.write("\n")


def _region(source: Source, number: int, span: Span) -> dict[str, Any]:
    return {
        "id": f"segment-{number + 1}",
        "from_name": _FROM,
        "to_name": _TO,
        "type": "labels",
        "original_length": source.duration_ms / 1000,
        "score": span.confidence,
        "value": {
            "start": span.start_s,
            "end": span.end_s,
            "channel": (span.channel or 1) - 1,
            "labels": [source.name(span.emotion)],
        },
    }
