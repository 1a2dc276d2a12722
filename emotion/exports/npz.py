"""The embedding with its id and times, for NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emotion.exports.source import Source


def write(source: Source, path: Path) -> None:
    """Arrays of one row each, which stack over recordings.

    ``ids``: text, (1,), the recording and, after ``#``, its channel. ``start_s`` and ``end_s``:
    float64, (1,). ``emotions``: text, (1,). ``embeddings``: float32, (1, D).
    """
    assert source.embedding is not None  # `registry.write` has checked it
    channel = f"#{source.channel}" if source.channel else ""
    np.savez(
        path,
        ids=np.array([source.file + channel]),
        start_s=np.array([0.0]),
        end_s=np.array([source.duration_ms / 1000]),
        emotions=np.array([source.result.emotion]),
        embeddings=np.asarray(source.embedding, np.float32)[None],
    )
