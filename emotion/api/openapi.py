"""The OpenAPI document, and ``/docs``, which shows it with no file from another origin."""

from __future__ import annotations

from importlib import resources
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.requests import Request

from emotion.api.problems import MEDIA_TYPE, TITLES, Problem

DOCS = "/docs"
OPENAPI = "/openapi.json"
# A recording for examples in base64: 150 ms of a tone as WAV, 8 kHz and 8 bits.
TONE: Final = (
    "UklGRtgEAABXQVZFZm10IBIAAAABAAEAQB8AAEAfAAABAAgAAABkYXRhsgQAAClO" + 100 * "gLLX5NeygE4pHClO"
)
_FILES = "/docs/static"
_PROBLEM: Final = {"$ref": "#/components/schemas/Problem"}
_DESCRIPTION = """Speech emotion recognition with emotion2vec+.

Every error is `application/problem+json` in the language that `language` or `Accept-Language` asks
for. A recording is sent as `multipart/form-data` (`file`), as the raw body, or in JSON. 429 and 503
say in `Retry-After` when to try again.

Where the server asks for a key, send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`; a name
and a password go as Basic. Callers find their own runs and jobs only.
"""
_SECURITY: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "password": {"type": "http", "scheme": "basic"},
}
_TAGS = [
    {"name": "recognition", "description": "One recording, answered at once"},
    {"name": "runs", "description": "Results that the server keeps"},
    {"name": "jobs", "description": "Many recordings in one request, and long ones"},
    {"name": "server", "description": "Models, status and health"},
]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer, for its ``responses``."""
    return {
        status: {
            "description": TITLES[status][1],
            "content": {MEDIA_TYPE: {"schema": _PROBLEM}},
        }
        for status in statuses
    }


def request_body(
    body: type[BaseModel], options: type[BaseModel] | None, *, many: bool = False
) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that takes recordings.

    Args:
        body: The JSON body.
        options: Fields beside the file in a multipart body.
        many: Whether several files are taken.
    """
    file: dict[str, Any] = {"type": "string", "format": "binary", "description": "The recording"}
    if many:
        file = {"type": "array", "items": file, "description": "The recordings"}
    fields = options.model_json_schema()["properties"] if options is not None else {}
    form = {"type": "object", "properties": {"file": file, **fields}, "required": ["file"]}
    content: dict[str, Any] = {
        "multipart/form-data": {"schema": form},
        "application/json": {"schema": inlined(body)},
    }
    if not many:
        raw = {"type": "string", "format": "binary", "description": "The recording itself"}
        content["application/octet-stream"] = {"schema": raw}
    return {"requestBody": {"required": True, "content": content}}


def inlined(body: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a body, with the models in it where they are used."""
    schema = body.model_json_schema()
    parts = schema.pop("$defs", {})

    def put(value: Any) -> Any:
        if isinstance(value, dict):
            name = str(value.get("$ref", "")).removeprefix("#/$defs/")
            return put(parts[name]) if name else {key: put(item) for key, item in value.items()}
        return [put(item) for item in value] if isinstance(value, list) else value

    found: dict[str, Any] = put(schema)
    return found


def add_docs(app: FastAPI) -> None:
    """Adds ``/docs`` and describes the API."""
    folder = resources.files("fastapi_offline") / "static"
    app.mount(_FILES, StaticFiles(directory=str(folder)), name="docs-files")

    @app.get(DOCS, include_in_schema=False)
    def docs(request: Request) -> HTMLResponse:
        root = str(request.scope.get("root_path", "")).rstrip("/")
        return get_swagger_ui_html(
            openapi_url=root + OPENAPI,
            title=f"{app.title} API",
            swagger_js_url=f"{root}{_FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{root}{_FILES}/swagger-ui.css",
            swagger_favicon_url="data:,",
            swagger_ui_parameters={"validatorUrl": None, "docExpansion": "list"},
        )

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=f"{app.title} API",
                version=app.version,
                description=_DESCRIPTION,
                routes=app.routes,
                tags=_TAGS,
            )
            reference = "#/components/schemas/{model}"
            problem = Problem.model_json_schema(ref_template=reference)
            parts = schema.setdefault("components", {})
            parts.setdefault("schemas", {})["Problem"] = problem
            parts["securitySchemes"] = _SECURITY
            # The empty one stands for servers that ask for none.
            schema["security"] = [{}, *({name: []} for name in _SECURITY)]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation says
