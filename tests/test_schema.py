from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from emotion.core.labels import LABELS
from emotion.core.results import Result
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.recognizer import Recognizer


@pytest.fixture
def data(fake_model: LoadedModel, wav: Callable[..., Path]) -> dict[str, Any]:
    return Recognizer(fake_model).recognize(wav(65), granularity="frame").result.to_dict()


def test_classic_fields_come_first_under_their_names(data: dict[str, Any]) -> None:
    classic = ["emotion", "confidence", "scores", "granularity", "timestamp"]
    assert list(data)[:5] == classic
    assert tuple(data["scores"]) == LABELS


def test_round_trip_through_json(data: dict[str, Any]) -> None:
    back = Result.from_dict(json.loads(json.dumps(data, allow_nan=False)))
    assert back.to_dict() == data
    assert back.segments and back.frames is not None and back.warnings


def test_unknown_fields_are_ignored_and_a_newer_version_is_refused(data: dict[str, Any]) -> None:
    assert Result.from_dict({**data, "later": 1}).emotion == data["emotion"]
    for part in ("audio", "model", "timing", "frames"):
        assert Result.from_dict({**data, part: {**data[part], "later": 1}}).to_dict() == data
    for part in ("warnings", "segments"):
        later = [{**item, "later": 1} for item in data[part]]
        assert Result.from_dict({**data, part: later}).to_dict() == data
    with pytest.raises(ValueError, match="schema_version is 2"):
        Result.from_dict({**data, "schema_version": 2})


@pytest.mark.parametrize(("part", "name"), [("audio", "codec"), ("timing", "total_s")])
def test_a_missing_field_is_named(data: dict[str, Any], part: str, name: str) -> None:
    del data[part][name]
    with pytest.raises(KeyError, match=name):
        Result.from_dict(data)


def test_a_change_of_the_dict_does_not_reach_the_result(
    fake_model: LoadedModel, wav: Callable[..., Path]
) -> None:
    result = Recognizer(fake_model).recognize(wav(2), granularity="frame").result
    result.to_dict()["frames"].clear()
    assert result.to_dict()["frames"]["scores"].keys() == result.scores.keys()


def test_times_are_local_and_utc(data: dict[str, Any]) -> None:
    local = datetime.strptime(data["timestamp"], "%Y-%m-%d %H:%M:%S").astimezone()
    utc = datetime.strptime(data["timestamp_utc"], "%Y-%m-%dT%H:%M:%SZ")
    assert local.astimezone(timezone.utc) == utc.replace(tzinfo=timezone.utc)
    del data["timestamp_utc"]  # as in results of earlier versions
    assert Result.from_dict(data).timestamp_utc == ""


def test_absent_parts_are_left_out(fake_model: LoadedModel, wav: Callable[..., Path]) -> None:
    data = Recognizer(fake_model).recognize(wav(2)).result.to_dict()
    for part in ("frames", "segments", "local", "summary", "channels", "overlap_s"):
        assert part not in data
    assert data["warnings"] == [] and data["uncertain"] is False
    assert data["labels"] == list(LABELS) and data["min_confidence"] == 0


def test_results_of_earlier_versions_had_all_labels(data: dict[str, Any]) -> None:
    for name in ("labels", "min_confidence", "uncertain", "local"):
        del data[name]
    back = Result.from_dict(data)
    assert (back.labels, back.min_confidence, back.uncertain) == (LABELS, 0.0, False)
    assert back.local is None


def test_frame_granularity_gives_a_local_curve_too(data: dict[str, Any]) -> None:
    local = Result.from_dict(data).local
    assert local is not None and local.window_s == 1.0
    assert all(len(local.scores[label]) == len(local.times_s) for label in LABELS)
