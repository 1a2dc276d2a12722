from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tools.trace_doors import follow


def test_every_door_leads_through_the_same_pipeline(
    tiny_checkpoint: Path, wav: Callable[..., Path]
) -> None:
    stacks = follow(wav(1.0), str(tiny_checkpoint))
    assert set(stacks) == {"Python", "command line", "page", "endpoint for programs"}
    for door, stack in stacks.items():
        assert stack[-4:-1] == (
            "emotion.recognition.pipeline.recognize",
            "emotion.recognition.pipeline._analyse",
            "emotion.recognition.pipeline._Inference.__call__",
        ), door
        assert stack[-1].endswith("infer_many")
