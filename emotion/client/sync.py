"""The client for ordinary programs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import httpx

from emotion.client import calls
from emotion.client.calls import DEFAULTS, Call, Recording
from emotion.client.connection import LIMITS, headers_of, is_broken, timeout_of
from emotion.client.results import Finished, Job, Recognition, Similarity
from emotion.client.retries import RETRIES, Retries
from emotion.core.i18n import Lang
from emotion.core.options import RecognitionOptions
from emotion.storage.run_index import RunSummary

_CHUNK_BYTES = 1 << 20
Answer = TypeVar("Answer")


class Client:
    """Calls a server's REST API; safe to use from several threads.

    Every method may raise `ApiError` (the server answered with a problem) and `httpx.HTTPError`
    (the server was not reached, or the connection broke). A call is tried again where the server
    is busy or loading, after as long as it says, and where it could not be reached.

    Args:
        base_url: Where the server is.
        key: An API key, where the server asks for one.
        language: Language of problems and of names in exported files.
        timeout_s: How long to wait for an answer.
        retries: When a call is tried again.
        transport: How requests are sent, for tests.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:7860",
        *,
        key: str | None = None,
        language: Lang = "en",
        timeout_s: float = 600.0,
        retries: Retries = RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._language: Lang = language
        self._retries = retries
        self._http = httpx.Client(
            base_url=base_url,
            headers=headers_of(key, language),
            timeout=timeout_of(timeout_s),
            limits=LIMITS,
            transport=transport,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def recognize(
        self,
        recording: Recording,
        options: RecognitionOptions = DEFAULTS,
        *,
        store: bool = True,
    ) -> Recognition:
        """Recognises one recording and waits for its result.

        Args:
            recording: A file, its bytes, an address that the server fetches, or a `ServerPath`.
            options: What is asked for.
            store: Whether the server keeps a run folder.
        """
        return self._call(calls.recognize(recording, options, store, self._language))

    def recognize_many(
        self,
        recordings: Sequence[Recording],
        options: RecognitionOptions = DEFAULTS,
        *,
        store: bool = True,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Iterator[Finished]:
        """Recognises many recordings; closing the iterator cancels the rest.

        Args:
            recordings: Files and bytes, or addresses and `ServerPath`.
            options: What is asked for.
            store: Whether the server keeps run folders.
            progress: Told after each how many are finished, and how many there are.

        Yields:
            Each recording as it is finished, in no particular order.
        """
        job = self.submit(recordings, options, store=store)
        try:
            for number, finished in enumerate(self.results(job.id), 1):
                progress(number, job.total)
                yield finished
        finally:
            self.cancel(job.id)  # forgets one that has ended

    def submit(
        self,
        recordings: Sequence[Recording],
        options: RecognitionOptions = DEFAULTS,
        *,
        store: bool = True,
    ) -> Job:
        """Queues recordings as a job and returns at once; arguments as for `recognize_many`."""
        return self._call(calls.submit(recordings, options, store, self._language))

    def job(self, job_id: str) -> Job:
        """How far a job is."""
        return self._call(calls.job(job_id))

    def results(self, job_id: str) -> Iterator[Finished]:
        """The recordings of a job as they are finished; a connection that breaks is renewed."""
        seen, broken = 0, 0
        while True:
            try:
                for line in self._lines(calls.results_path(job_id, seen)):
                    seen, broken = seen + 1, 0
                    yield Finished.of(json.loads(line))
                return
            except httpx.TransportError as e:
                broken += 1
                wait_s = self._retries.wait_s(broken, None)
                if wait_s is None or not is_broken(e):
                    raise
            time.sleep(wait_s)

    def cancel(self, job_id: str) -> None:
        """Stops a job, or forgets one that has ended."""
        self._call(calls.cancel(job_id))

    def similarity(self, recordings: Sequence[Recording]) -> Similarity:
        """Compares two to a hundred recordings with each other."""
        return self._call(calls.similarity(recordings, self._language))

    def compare(self, items: Sequence[Path | Mapping[str, Any]], **options: Any) -> dict[str, Any]:
        """Compares two to two thousand recordings: a map, groups, neighbours, mood over time.

        Args:
            items: Files to send (recordings, ``.npy`` embeddings, one ``.csv`` table), and items
                of the API such as ``{"run_id": …}`` or ``{"job_id": …}``; files come last.
            **options: ``projection``, ``clustering``, ``clusters``, ``neighbours``, ``seed``.

        Returns:
            The answer as ``/docs`` has it.
        """
        return self._call(calls.compare(items, options, self._language))

    def runs(
        self,
        *,
        limit: int = 50,
        offset: int = 0,
        emotion: str | None = None,
        model: str | None = None,
        name: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> list[RunSummary]:
        """Stored runs, newest first; `emotion.storage.run_index.RunFilter` says what each is."""
        query = {
            "limit": limit, "offset": offset, "emotion": emotion, "model": model, "name": name,
            "since": since, "until": until,
        }  # fmt: skip
        return self._call(calls.runs(query))

    def run(self, run_id: str) -> Recognition:
        """The result of a stored run."""
        return self._call(calls.run(run_id))

    def download(self, address: str, to: Path) -> Path:
        """Saves a file of a run.

        Args:
            address: From `Recognition.files`.
            to: The file to write; it is there only once it is complete.
        """
        partial = to.with_name(f".{to.name}.partial")
        try:
            with self._http.stream("GET", address) as answer:
                if answer.is_error:
                    answer.read()
                    raise calls.error_of(answer)
                with partial.open("wb") as file:
                    for chunk in answer.iter_bytes(_CHUNK_BYTES):
                        file.write(chunk)
            return partial.replace(to)
        finally:
            partial.unlink(missing_ok=True)

    def job_table(self, job_id: str, to: Path) -> Path:
        """Saves the results of a job as a table, in the order in which they were sent.

        Args:
            job_id: The job; what has ended so far is in the table.
            to: The file to write; its suffix, .csv, .jsonl or .parquet, is the format.
        """
        return self.download(calls.table_path(job_id, to), to)

    def job_outputs(self, job_id: str, to: Path) -> Path:
        """Saves a ZIP file with the tables of a job and the files of its runs."""
        return self.download(calls.outputs_path(job_id), to)

    def delete_run(self, run_id: str, *, undo: bool = False) -> None:
        """Deletes a stored run.

        Args:
            run_id: Its id.
            undo: Whether `restore_run` can bring it back for ten minutes.
        """
        self._call(calls.delete_run(run_id, undo))

    def restore_run(self, run_id: str) -> str:
        """Brings back a run that was deleted with ``undo``.

        Args:
            run_id: The id that it had.

        Returns:
            Its id: with another suffix where its name was taken meanwhile.
        """
        return self._call(calls.restore_run(run_id))

    def models(self) -> Any:
        """The models that the server knows, and which one answers."""
        return self._call(calls.plain("models"))

    def status(self) -> Any:
        """Where loading stands."""
        return self._call(calls.plain("status"))

    def _call(self, call: Call[Answer]) -> Answer:
        tried = 0
        while True:
            tried += 1
            response = None
            try:
                with call.request(self._http) as request:
                    response = self._http.send(request)
            except httpx.ConnectError:
                wait_s = self._retries.wait_s(tried, None)
                if wait_s is None:
                    raise
            else:
                if response.is_success:
                    return call.read(response)
                wait_s = self._retries.wait_s(tried, response)
                if wait_s is None:
                    raise calls.error_of(response)
            time.sleep(wait_s)

    def _lines(self, path: str) -> Iterator[str]:
        with self._http.stream("GET", path) as answer:
            if answer.is_error:
                answer.read()
                raise calls.error_of(answer)
            yield from filter(None, answer.iter_lines())
