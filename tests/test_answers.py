"""Answers: the result's fields, run, embeddings."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from emotion.api.answers import Recognition, dumps, inline, json_response, recognition
from emotion.services.recognitions import FinishedRun
from tests.export_results import result

EMBEDDING = np.float32([0.1, -2.5, 1e-9, 3])


@pytest.fixture
def run(tmp_path: Path) -> FinishedRun:
    folder = tmp_path / "outputs_20250102_030405"
    folder.mkdir()
    return FinishedRun(result(), folder, EMBEDDING)


def test_a_stored_run(run: FinishedRun) -> None:
    (run.folder / "a b.srt").touch()
    (run.folder / ".owner").touch()
    answer = recognition(run, "list", linked=True)
    assert list(answer)[: len(run.result.to_dict())] == list(run.result.to_dict())
    assert answer["run_id"] == "outputs_20250102_030405"
    assert answer["files"] == {"a b.srt": "/api/v1/runs/outputs_20250102_030405/a%20b.srt"}
    assert "files" not in recognition(run, "list", linked=False)
    TypeAdapter(Recognition).validate_python(answer)


def test_embeddings_are_exact(run: FinishedRun) -> None:
    again = np.float32(json.loads(dumps(inline(EMBEDDING, "list"))))
    np.testing.assert_array_equal(again, EMBEDDING)
    assert dumps(inline(EMBEDDING, "list")).startswith(b"[0.1,-2.5,")
    text = inline(EMBEDDING, "base64")
    assert isinstance(text, str)
    np.testing.assert_array_equal(np.frombuffer(base64.b64decode(text), "<f4"), EMBEDDING)
    assert "embedding" not in recognition(run, "none", linked=True)


def test_a_run_that_was_not_stored() -> None:
    answer = recognition(FinishedRun(result(), None), "list", linked=True)
    assert answer["run_id"] is None
    assert "embedding" not in answer and "files" not in answer


def test_json_has_chinese_and_no_nan() -> None:
    assert dumps({"a": "愤怒", "b": [1, 2]}) == '{"a":"愤怒","b":[1,2]}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        dumps(float("nan"))
    response = asyncio.run(json_response({"a": 1}))
    assert (response.body, response.media_type) == (b'{"a":1}', "application/json")
