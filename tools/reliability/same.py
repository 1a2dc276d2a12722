"""How far a result is from another one of the same recording."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np


def difference(result: Mapping[str, Any], single: Mapping[str, Any]) -> tuple[float, float]:
    """How far a result is from that of a single request.

    Returns:
        The largest difference of a score, infinity where a label, a segment or a length differs;
        and of the embedding, where it was asked for, relative to its length.
    """
    off = [_scores_off(result, single)]
    for ours, theirs in zip_longest(result.get("segments", ()), single.get("segments", ())):
        off.append(_segment_off(ours, theirs))
    for name in ("frames", "local"):
        off.append(_curves_off(result.get(name), single.get(name)))
    return max(off), _embedding_off(result.get("embedding"), single["embedding"])


def _segment_off(ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None) -> float:
    if ours is None or theirs is None:
        return math.inf
    same = all(ours[name] == theirs[name] for name in ("start_s", "end_s"))
    return _scores_off(ours, theirs) if same else math.inf


def _scores_off(result: Mapping[str, Any], single: Mapping[str, Any]) -> float:
    ours, theirs = result["scores"], single["scores"]
    if result["emotion"] != single["emotion"] or set(ours) != set(theirs):
        return math.inf
    return float(max(abs(ours[label] - theirs[label]) for label in theirs))


def _curves_off(ours: Mapping[str, Any] | None, theirs: Mapping[str, Any] | None) -> float:
    if ours is None or theirs is None:
        return 0.0 if ours is theirs else math.inf
    labels = sorted(theirs["scores"])
    a, b = (np.array([curve["scores"][label] for label in labels]) for curve in (ours, theirs))
    return float(np.abs(a - b).max(initial=0.0)) if a.shape == b.shape else math.inf


def _embedding_off(ours: Sequence[float] | None, theirs: Sequence[float]) -> float:
    if ours is None:
        return 0.0
    a, b = np.array(ours), np.array(theirs)
    return float(np.linalg.norm(a - b) / np.linalg.norm(b)) if a.shape == b.shape else math.inf
