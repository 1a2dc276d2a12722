"""Calls that are made up from the OpenAPI document: no server error, no undocumented answer.

Every route that the document names is called, those that come later too.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import positive_data_acceptance

from emotion.core.config import Config, ServerConfig
from emotion.recognition.loaded_model import LoadedModel
from emotion.server import PageHost, create_app
from emotion.services.recognitions import JobRequest
from tests.api import WAIT_S, served
from tests.fakes import FakeDetector, FakeEngine, FakeService

EXAMPLES = 25
IN_JSON = ("audio_base64", "inputs")  # fields of JSON bodies that hold a recording


def app_of(outputs: Path) -> FastAPI:
    """The whole app with the fake model."""
    model = LoadedModel(FakeEngine(), name="fake", title="Fake", detector=FakeDetector())
    config = Config(server=ServerConfig(outputs_dir=outputs))
    return create_app(config, FakeService(model))  # type: ignore[arg-type]


def operations() -> list[str]:
    """``METHOD /path`` of each operation in the document."""
    paths = app_of(Path("nowhere")).openapi()["paths"]
    return [f"{method.upper()} {path}" for path, calls in paths.items() for method in calls]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return app_of(tmp_path_factory.mktemp("outputs"))


@pytest.fixture(scope="module")
def schema(app: FastAPI) -> Iterator[Any]:
    """The document of a running server whose page is empty."""

    async def empty_page(page: PageHost) -> None:
        page._inner = app
        await page._stop.wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PageHost, "run", empty_page)
        with served(app) as address:
            yield schemathesis.openapi.from_url(f"{address}/openapi.json")


def begun(schema: Any, recording: Path) -> str:
    """The id of a job of the server."""
    url = schema.location.removesuffix("/openapi.json") + "/api/v1/jobs"
    with recording.open("rb") as file:
        return str(httpx.post(url, files={"file": file}).json()["id"])


@pytest.fixture
def known(app: FastAPI, schema: Any, wav: Any) -> dict[str, str]:
    """Path parameters that lead somewhere."""
    job = app.state.service.jobs.submit(JobRequest(wav(1.0)))
    run_id = job.result(WAIT_S).folder.name
    job_id = begun(schema, wav(1.0))
    return {"run_id": run_id, "file": "result.json", "job_id": job_id, "index": "0"}


def add_sense(schema: Any, recording: bytes, known: dict[str, str], modes: list[Any]) -> None:
    """Has most valid calls bring a recording, and name what is there.

    Args:
        schema: The document.
        recording: A recording.
        known: Path parameters that lead somewhere.
        modes: Its last one is that of the calls; what is wrong in a call must not be replaced.
    """

    @schema.hook
    def flatmap_body(context: Any, body: Any) -> Any:
        if modes[-1] is GenerationMode.NEGATIVE:
            return st.just(body)
        if isinstance(body, bytes):
            return st.sampled_from([body, recording])
        if not isinstance(body, dict):
            return st.just(body)
        encoded = base64.b64encode(recording).decode()
        sound: dict[str, Any] = dict.fromkeys(IN_JSON, encoded)
        sound |= {"file": recording, "items": [{"audio_base64": encoded}] * 2}
        if isinstance(body.get("file"), list):  # where several are taken
            sound["file"] = [recording]
        filled = {name: sound.get(name, value) for name, value in body.items()}
        alone = [{name: value} for name, value in filled.items() if name in sound]
        return st.sampled_from([body, filled, *alone])

    @schema.hook
    def flatmap_path_parameters(context: Any, path_parameters: Any) -> Any:
        if modes[-1] is GenerationMode.NEGATIVE:
            return st.just(path_parameters)
        found = {name: known.get(name, value) for name, value in (path_parameters or {}).items()}
        return st.sampled_from([path_parameters, found])

    @schema.hook
    def flatmap_query(context: Any, query: Any) -> Any:
        if modes[-1] is GenerationMode.NEGATIVE or "run_id" not in (query or {}):
            return st.just(query)
        return st.sampled_from([query, {**query, "run_id": [known["run_id"]]}])


@pytest.mark.parametrize("label", operations())
def test_answers_are_as_documented(
    app: FastAPI, schema: Any, wav: Any, known: dict[str, str], label: str
) -> None:
    if label.endswith("/restore"):
        app.state.service.store.delete(known["run_id"], undo=True)
    modes: list[GenerationMode] = []
    add_sense(schema, wav(0.5).read_bytes(), known, modes)
    operation = schema.find_operation_by_label(label)
    statuses: set[int] = set()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        modes.append(mode)

        @seed(0)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            response = case.call(timeout=WAIT_S)
            statuses.add(response.status_code)
            # A document cannot say what makes a recording, or which options go together.
            case.validate_response(response, excluded_checks=[positive_data_acceptance])

        with contextlib.suppress(Unsatisfiable):  # no value of these parameters is wrong
            check()
    assert any(status < 300 for status in statuses), statuses
