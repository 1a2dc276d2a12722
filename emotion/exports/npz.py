"""Embeddings with their ids and times, for NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emotion.core.results import Segment
from emotion.exports.source import Source


def write(source: Source, path: Path) -> None:
    """Arrays of N rows, which stack over recordings: the whole, then each speech segment.

    ``ids``: text, (N,), the recording and, after ``#``, its channel. ``start_s`` and ``end_s``:
    float64, (N,). ``emotions``: text, (N,). ``embeddings``: float32, (N, D). Segments are there
    where the run has segment granularity.
    """
    assert source.embedding is not None  # `registry.write` has checked it
    result = source.result
    whole = Segment(0.0, source.duration_ms / 1000, result.emotion, result.confidence, {})
    parts, embeddings = [whole], np.asarray(source.embedding, np.float32)[None]
    if source.segment_embeddings is not None:
        parts += result.segments
        embeddings = np.concatenate([embeddings, source.segment_embeddings])
    channels = (part.channel or result.audio.channel for part in parts)
    np.savez(
        path,
        ids=np.array([source.file + (f"#{channel}" if channel else "") for channel in channels]),
        start_s=np.array([part.start_s for part in parts]),
        end_s=np.array([part.end_s for part in parts]),
        emotions=np.array([part.emotion for part in parts]),
        embeddings=embeddings,
    )
