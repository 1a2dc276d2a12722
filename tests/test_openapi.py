"""The OpenAPI document and the page that shows it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient


@pytest.fixture
def document(api: TestClient) -> Any:
    return api.get("/openapi.json").json()


def references(value: Any) -> list[str]:
    """All references in a document."""
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for item in value.values() for found in references(item)]
    return (
        [found for item in value for found in references(item)] if isinstance(value, list) else []
    )


def test_every_reference_leads_somewhere(document: Any) -> None:
    found = references(document)
    assert "#/components/schemas/Problem" in found
    for reference in found:
        place = document
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]


def test_every_call_is_described(document: Any) -> None:
    calls = [call for path in document["paths"].values() for call in path.values()]
    assert calls and all(call["summary"] for call in calls)
    problems = [
        (status, answer)
        for call in calls
        for status, answer in call["responses"].items()
        # Starlette answers a part beyond a file's end by itself.
        if int(status) >= 400 and status != "416" and "Readiness" not in str(answer)
    ]
    assert problems
    for _, answer in problems:
        assert list(answer["content"]) == ["application/problem+json"]


def test_the_body_of_recognize(document: Any) -> None:
    content = document["paths"]["/api/v1/recognize"]["post"]["requestBody"]["content"]
    form = content["multipart/form-data"]["schema"]
    assert form["required"] == ["file"] and "granularity" in form["properties"]
    assert form["properties"]["file"]["format"] == "binary"
    assert "audio_base64" in content["application/json"]["schema"]["properties"]
    assert set(content) == {
        "multipart/form-data", "application/json", "application/octet-stream"
    }  # fmt: skip


def examples(document: Any) -> list[tuple[str, Any]]:
    """Each example of a JSON body, with the address that takes it."""
    return [
        (path, example)
        for path, calls in document["paths"].items()
        for call in calls.values()
        for example in call.get("requestBody", {})
        .get("content", {})
        .get("application/json", {})
        .get("schema", {})
        .get("examples", [])
    ]


def test_the_examples_run(api: TestClient, document: Any) -> None:
    found = [one for one in examples(document) if "audio_path" not in one[1]]  # files of the server
    assert {path for path, _ in found} >= {"/api/v1/audio-classification", "/api/v1/similarity"}
    for path, example in found:
        answer = api.post(path, json=example)
        expected = 202 if path.endswith("/jobs") else 200
        assert answer.status_code == expected, f"{path}: {answer.text}"


def test_bodies_hold_their_parts(document: Any) -> None:
    content = document["paths"]["/api/v1/similarity"]["post"]["requestBody"]["content"]
    items = content["application/json"]["schema"]["properties"]["items"]["items"]
    assert set(items["properties"]) > {"audio_base64", "run_id", "embedding"}
    assert "$defs" not in str(document["paths"])
    assert content["multipart/form-data"]["schema"]["properties"]["file"]["type"] == "array"


def test_the_page_loads_nothing_from_elsewhere(api: TestClient) -> None:
    page = api.get("/docs")
    assert page.status_code == 200 and "openapi.json" in page.text
    assert not re.search(r"(src|href)=\"(https?:)?//", page.text)
    for file in re.findall(r"/docs/static/[a-z.-]+", page.text):
        assert api.get(file).status_code == 200
    assert api.get("/redoc").status_code == 404
