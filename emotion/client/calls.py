"""Calls of the API as values: what is sent, and how its answer is read; no network here."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Generic, TypeVar
from urllib.parse import quote

import httpx

from emotion.client.results import ApiError, Job, Recognition, Similarity, run_of
from emotion.core.i18n import Lang
from emotion.core.options import RecognitionOptions
from emotion.storage.run_index import RunSummary

API: Final = "/api/v1"
_NAMELESS: Final = "recording"
DEFAULTS: Final = RecognitionOptions()
# What the API calls an option otherwise.
_NAMES: Final = {
    "embedding": "extract_embedding",
    "export_language": "language",
    "segment_min_s": "segment_min",
    "segment_max_s": "segment_max",
    "segment_pad_s": "segment_pad",
}
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class ServerPath:
    """A file of the server, below its ``--input-root``."""

    path: str


# A file; an address (http, https) that the server fetches; a file of the server; the bytes.
Recording = Path | str | ServerPath | bytes


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One request.

    Attributes:
        method: HTTP method.
        path: Path and query.
        read: Makes the answer from the body.
        data: Form fields.
        body: JSON body.
        files: Recordings to send.
        headers: Further headers.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], Answer]
    data: Mapping[str, Any] | None = None
    body: Any = None
    files: Sequence[Path | bytes] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @contextlib.contextmanager
    def request(self, client: httpx.Client | httpx.AsyncClient) -> Iterator[httpx.Request]:
        """The request, with its files open; each try needs a new one."""
        with contextlib.ExitStack() as stack:
            parts: list[tuple[str, tuple[str, IO[bytes] | bytes]]] = []
            for file in self.files:
                if isinstance(file, bytes):
                    parts.append(("file", (_NAMELESS, file)))
                else:
                    parts.append(("file", (file.name, stack.enter_context(file.open("rb")))))
            yield client.build_request(
                self.method,
                self.path,
                data=self.data if parts else None,
                files=parts or None,
                json=self.body,
                headers=dict(self.headers),
            )


def recognize(
    recording: Recording, options: RecognitionOptions, store: bool, language: Lang
) -> Call[Recognition]:
    """``POST /recognize``."""
    fields = {**form(options), "store": store, "language": language}
    return _sending(
        f"{API}/recognize", [recording], fields, lambda answer: Recognition.of(answer.json())
    )


def submit(
    recordings: Sequence[Recording], options: RecognitionOptions, store: bool, language: Lang
) -> Call[Job]:
    """``POST /jobs``."""
    fields = {**form(options), "store": store, "language": language}
    return _sending(f"{API}/jobs", recordings, fields, lambda answer: Job.of(answer.json()))


def similarity(recordings: Sequence[Recording], language: Lang) -> Call[Similarity]:
    """``POST /similarity``."""
    return _sending(
        f"{API}/similarity",
        recordings,
        {"language": language},
        lambda answer: Similarity.of(answer.json()),
    )


def compare(
    items: Sequence[Path | Mapping[str, Any]], options: Mapping[str, Any], language: Lang
) -> Call[dict[str, Any]]:
    """``POST /compare``."""
    files = [item for item in items if isinstance(item, Path)]
    named = [dict(item) for item in items if not isinstance(item, Path)]
    body = {**options, "items": named, "language": language}
    path = f"{API}/compare"

    def read(answer: httpx.Response) -> dict[str, Any]:
        return dict(answer.json())

    if files:
        return Call("POST", path, read, data={"request": json.dumps(body)}, files=files)
    return Call("POST", path, read, body=body)


def job(job_id: str) -> Call[Job]:
    """``GET /jobs/{id}``."""
    return Call("GET", f"{API}/jobs/{quote(job_id, '')}", lambda answer: Job.of(answer.json()))


def cancel(job_id: str) -> Call[None]:
    """``DELETE /jobs/{id}``."""
    return Call("DELETE", f"{API}/jobs/{quote(job_id, '')}", lambda _: None)


def runs(query: Mapping[str, Any]) -> Call[list[RunSummary]]:
    """``GET /runs``."""
    given = {name: value for name, value in query.items() if value is not None}
    path = f"{API}/runs?{httpx.QueryParams(given)}"
    return Call("GET", path, lambda answer: [run_of(run) for run in answer.json()["runs"]])


def run(run_id: str) -> Call[Recognition]:
    """``GET /runs/{id}``."""
    path = f"{API}/runs/{quote(run_id, '')}"
    return Call("GET", path, lambda answer: Recognition.of(answer.json()))


def delete_run(run_id: str, undo: bool) -> Call[None]:
    """``DELETE /runs/{id}``."""
    query = "?undo=true" if undo else ""
    return Call("DELETE", f"{API}/runs/{quote(run_id, '')}{query}", lambda _: None)


def restore_run(run_id: str) -> Call[str]:
    """``POST /runs/{id}/restore``."""
    path = f"{API}/runs/{quote(run_id, '')}/restore"
    return Call("POST", path, lambda answer: str(answer.json()["run_id"]))


def plain(path: str) -> Call[Any]:
    """A ``GET`` whose JSON is given as it is."""
    return Call("GET", f"{API}/{path}", lambda answer: answer.json())


def results_path(job_id: str, start: int) -> str:
    """Where the results of a job stream from line ``start`` on."""
    return f"{API}/jobs/{quote(job_id, '')}/results?from={start}"


def table_path(job_id: str, to: Path) -> str:
    """Where the results of a job are, as a table in the format that a name asks for."""
    return f"{API}/jobs/{quote(job_id, '')}/table.{quote(to.suffix.lower()[1:], '')}"


def outputs_path(job_id: str) -> str:
    """Where all that a job left is."""
    return f"{API}/jobs/{quote(job_id, '')}/outputs.zip"


def form(options: RecognitionOptions) -> dict[str, Any]:
    """The options that differ from the defaults, by the names of the API."""
    fields: dict[str, Any] = {}
    for name, value in vars(options).items():
        if value != getattr(DEFAULTS, name):
            fields[_NAMES.get(name, name)] = list(value) if isinstance(value, tuple) else value
    if options.embedding:
        fields["embedding_format"] = "base64"
    return fields


def _sending(
    path: str,
    recordings: Sequence[Recording],
    fields: Mapping[str, Any],
    read: Callable[[httpx.Response], Answer],
) -> Call[Answer]:
    named = [item for item in map(_item, recordings) if item is not None]
    if not named:
        files = [Path(one) if isinstance(one, str) else one for one in recordings]
        return Call("POST", path, read, data=fields, files=files)  # type: ignore[arg-type]
    if len(named) != len(recordings):
        raise ValueError("recordings of the server and of this machine cannot be sent together")
    one = len(named) == 1 and path.endswith("/recognize")
    body = {**fields, **(named[0] if one else {"items": named})}
    return Call("POST", path, read, body=body)


def _item(recording: Recording) -> dict[str, str] | None:
    """What names a recording that is not sent; None where it is sent."""
    if isinstance(recording, ServerPath):
        return {"audio_path": recording.path}
    if isinstance(recording, str) and recording.startswith(("http://", "https://")):
        return {"audio_url": recording}
    return None


def error_of(response: httpx.Response) -> ApiError:
    """The error that an answer tells; its body has been read."""
    try:
        problem = json.loads(response.content)
    except ValueError:  # of a proxy, perhaps
        problem = None
    return ApiError(problem if isinstance(problem, dict) else {}, response.status_code)
