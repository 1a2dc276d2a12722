from __future__ import annotations

import json
from dataclasses import replace

import pytest

from emotion.core.labels import LABELS
from emotion.core.results import ResultWarning
from emotion.corpus.rows import COLUMNS, Record, input_names, row_of
from tests.export_results import result


def test_a_row_has_all_columns_in_their_order() -> None:
    row = row_of(Record("sub/a.wav", result("a.wav").to_dict(), run_id="outputs_20260102_030405"))
    assert list(row) == list(COLUMNS)
    assert next(iter(row)) == "file"
    assert row["file"] == "sub/a.wav"
    assert row["status"] == "done"
    assert (row["emotion"], row["emotion_zh"], row["confidence"]) == ("sad", "悲伤", 0.84)
    assert row["duration_s"] == 5.678
    assert row["model"] == "emotion2vec_mini"
    assert row["run_id"] == "outputs_20260102_030405"
    assert row["error"] is None
    assert sum(float(row[label] or 0) for label in LABELS) == pytest.approx(1)


def test_the_second_emotion_is_the_best_of_the_others() -> None:
    scores = {**dict.fromkeys(LABELS, 0.0), "happy": 0.6, "sad": 0.3, "fearful": 0.1}
    row = row_of(Record("a.wav", replace(result(), emotion="happy", scores=scores).to_dict()))
    assert (row["second"], row["second_score"]) == ("sad", 0.3)


def test_there_is_no_second_emotion_where_all_others_score_nothing() -> None:
    scores = {**dict.fromkeys(LABELS, 0.0), "happy": 1.0}
    row = row_of(Record("a.wav", replace(result(), emotion="happy", scores=scores).to_dict()))
    assert (row["second"], row["second_score"]) == (None, None)


def test_no_speech_and_uncertainty_are_told_in_columns_of_their_own() -> None:
    warnings = (ResultWarning("no_speech", "No speech"), ResultWarning("quiet_audio", "Quiet"))
    row = row_of(Record("a.wav", replace(result(), warnings=warnings, uncertain=True).to_dict()))
    assert (row["speech"], row["uncertain"]) == (False, True)
    assert row["warnings"] == "no_speech; quiet_audio"
    assert row_of(Record("a.wav", result().to_dict()))["speech"] is True


def test_a_failure_is_a_row_with_its_message_and_hint() -> None:
    error = {"code": "audio_empty", "message": "a.wav: is empty", "hint": "Export it again"}
    row = row_of(Record("a.wav", error=error))
    assert row["status"] == "failed"
    assert row["error"] == "a.wav: is empty. Export it again"
    assert {name for name, value in row.items() if value is not None} == {"file", "status", "error"}


def test_a_failure_without_a_hint_has_no_trailing_dot() -> None:
    assert row_of(Record("a", error={"message": "gone", "hint": ""}))["error"] == "gone"


def test_a_label_that_this_package_does_not_know_is_kept() -> None:
    row = row_of(Record("a.wav", replace(result(), emotion="calm").to_dict()))
    assert (row["emotion"], row["emotion_zh"]) == ("calm", None)


def test_records_go_through_json_and_back() -> None:
    done = Record("a.wav", result().to_dict(), run_id="r", columns={"speaker": "Ann"})
    failed = Record("b.wav", error={"code": "x", "message": "m", "hint": ""})
    for record in (done, failed):
        line = json.dumps(record.to_dict())
        assert Record.from_dict(json.loads(line)) == record
    assert failed.to_dict() == {
        "file": "b.wav",
        "status": "failed",
        "error": dict(failed.error or {}),
    }


def test_a_record_needs_a_name() -> None:
    with pytest.raises(KeyError):
        Record.from_dict({"result": {}})


def test_columns_of_the_user_never_take_the_place_of_ours() -> None:
    names = input_names(["speaker", "emotion", "input_emotion", "file"])
    assert names == {
        "speaker": "speaker",
        "emotion": "input_emotion",
        "input_emotion": "input_input_emotion",
        "file": "input_file",
    }
