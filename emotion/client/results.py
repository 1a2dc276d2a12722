"""What the server answers, typed. Fields that a newer server adds are ignored."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion.core.results import Result
from emotion.storage.run_index import RunSummary


class ApiError(Exception):
    """The server answered with a problem.

    Args:
        problem: The body of the answer.
        status: HTTP status.

    Attributes:
        status: HTTP status.
        code: Stable id of the kind of problem, such as ``audio_undecodable``.
        detail: What is wrong.
        hint: What to do about it; may be empty.
        request_id: The request's id, as in the server's log.
        params: The values in the sentence.
    """

    def __init__(self, problem: Mapping[str, Any], status: int) -> None:
        self.status = status
        self.code = str(problem.get("code", "unknown"))
        self.detail = str(problem.get("detail", f"the server answered {status}"))
        self.hint = str(problem.get("hint", ""))
        self.request_id = str(problem.get("request_id", ""))
        self.params: dict[str, Any] = dict(problem.get("params") or {})
        super().__init__(f"{self.detail}. {self.hint}" if self.hint else self.detail)


@dataclass(frozen=True)
class Recognition:
    """The result of a recording.

    Attributes:
        result: As in ``result.json``.
        run_id: Id of the run on the server; None where it was not stored.
        files: Addresses of the run's files by their names.
        embedding: float32, (D,); None unless it was asked for.
    """

    result: Result
    run_id: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    embedding: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Recognition:
        """From the answer of the server."""
        given = data.get("embedding")
        embedding = None
        if given is not None:
            embedding = np.frombuffer(base64.b64decode(given), "<f4").astype(np.float32)
        run_id, files = data.get("run_id"), data.get("files") or {}
        return cls(Result.from_dict(data), run_id, files, embedding)


@dataclass(frozen=True)
class Finished:
    """One recording of a job.

    Attributes:
        index: Its place in the request, from 0.
        file: Its name.
        recognition: Its result; None where it failed.
        error: Why it failed; None where it did not.
    """

    index: int
    file: str
    recognition: Recognition | None = None
    error: ApiError | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Finished:
        """From a line of the answer."""
        problem, result = data.get("problem"), data.get("result")
        return cls(
            int(data["index"]),
            str(data["file"]),
            Recognition.of(result) if result is not None else None,
            ApiError(problem, int(problem["status"])) if problem is not None else None,
        )


@dataclass(frozen=True)
class Job:
    """How far a job is.

    Attributes:
        id: Its id.
        state: ``queued``, ``running``, ``done`` or ``cancelled``.
        total: Recordings in it.
        done: Those that are finished, failed ones included.
        failed: Those that failed.
        done_s: Seconds of audio that the network has seen, where known.
        total_s: Seconds in all, where known.
        left_s: Seconds that the rest takes, by the pace so far, where known.
    """

    id: str
    state: str
    total: int
    done: int = 0
    failed: int = 0
    done_s: float | None = None
    total_s: float | None = None
    left_s: float | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.state in ("done", "cancelled")

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Job:
        """From the answer of the server."""
        return cls(**_known(cls, data))


def run_of(data: Mapping[str, Any]) -> RunSummary:
    """One stored run, from a list of the server."""
    return RunSummary(**_known(RunSummary, data))


@dataclass(frozen=True)
class Similarity:
    """How much alike recordings sound.

    Attributes:
        names: Their names.
        embeddings: float64, (N, N), cosine similarity of the embeddings.
        scores: float64, (N, N), cosine similarity of the scores; None where one has none.
    """

    names: tuple[str, ...]
    embeddings: NDArray[np.float64]
    scores: NDArray[np.float64] | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Similarity:
        """From the answer of the server."""
        scores = data.get("score_similarity")
        return cls(
            tuple(data["names"]),
            np.array(data["embedding_similarity"], np.float64),
            np.array(scores, np.float64) if scores is not None else None,
        )


def _known(kind: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    return {one.name: data[one.name] for one in fields(kind) if one.name in data}
