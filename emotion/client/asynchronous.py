"""The client for programs with asyncio; `emotion.client.sync` describes the calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
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


class AsyncClient:
    """As `emotion.client.Client`, for asyncio."""

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:7860",
        *,
        key: str | None = None,
        language: Lang = "en",
        timeout_s: float = 600.0,
        retries: Retries = RETRIES,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._language: Lang = language
        self._retries = retries
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers=headers_of(key, language),
            timeout=timeout_of(timeout_s),
            limits=LIMITS,
            transport=transport,
        )

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def recognize(
        self,
        recording: Recording,
        options: RecognitionOptions = DEFAULTS,
        *,
        store: bool = True,
    ) -> Recognition:
        """Recognises one recording and waits for its result."""
        return await self._call(calls.recognize(recording, options, store, self._language))

    async def recognize_many(
        self,
        recordings: Sequence[Recording],
        options: RecognitionOptions = DEFAULTS,
        *,
        store: bool = True,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> AsyncIterator[Finished]:
        """Recognises many recordings; closing the iterator cancels the rest."""
        job = await self.submit(recordings, options, store=store)
        number = 0
        try:
            async for finished in self.results(job.id):
                number += 1
                progress(number, job.total)
                yield finished
        finally:
            await self.cancel(job.id)  # forgets one that has ended

    async def submit(
        self,
        recordings: Sequence[Recording],
        options: RecognitionOptions = DEFAULTS,
        *,
        store: bool = True,
    ) -> Job:
        """Queues recordings as a job and returns at once."""
        return await self._call(calls.submit(recordings, options, store, self._language))

    async def job(self, job_id: str) -> Job:
        """How far a job is."""
        return await self._call(calls.job(job_id))

    async def results(self, job_id: str) -> AsyncIterator[Finished]:
        """The recordings of a job as they are finished; a connection that breaks is renewed."""
        seen, broken = 0, 0
        while True:
            try:
                async for line in self._lines(calls.results_path(job_id, seen)):
                    seen, broken = seen + 1, 0
                    yield Finished.of(json.loads(line))
                return
            except httpx.TransportError as e:
                broken += 1
                wait_s = self._retries.wait_s(broken, None)
                if wait_s is None or not is_broken(e):
                    raise
            await asyncio.sleep(wait_s)

    async def cancel(self, job_id: str) -> None:
        """Stops a job, or forgets one that has ended."""
        await self._call(calls.cancel(job_id))

    async def similarity(self, recordings: Sequence[Recording]) -> Similarity:
        """Compares two to a hundred recordings with each other."""
        return await self._call(calls.similarity(recordings, self._language))

    async def compare(
        self, items: Sequence[Path | Mapping[str, Any]], **options: Any
    ) -> dict[str, Any]:
        """Compares two to two thousand recordings: a map, groups, neighbours, mood over time.

        Args:
            items: Files to send (recordings, ``.npy`` embeddings, one ``.csv`` table), and items
                of the API such as ``{"run_id": …}`` or ``{"job_id": …}``; files come last.
            **options: ``projection``, ``clustering``, ``clusters``, ``neighbours``, ``seed``.

        Returns:
            The answer as ``/docs`` has it.
        """
        return await self._call(calls.compare(items, options, self._language))

    async def runs(
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
        """Stored runs, newest first."""
        query = {
            "limit": limit, "offset": offset, "emotion": emotion, "model": model, "name": name,
            "since": since, "until": until,
        }  # fmt: skip
        return await self._call(calls.runs(query))

    async def run(self, run_id: str) -> Recognition:
        """The result of a stored run."""
        return await self._call(calls.run(run_id))

    async def download(self, address: str, to: Path) -> Path:
        """Saves a file of a run; it is there only once it is complete."""
        partial = to.with_name(f".{to.name}.partial")
        try:
            async with self._http.stream("GET", address) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise calls.error_of(answer)
                with partial.open("wb") as file:
                    async for chunk in answer.aiter_bytes(_CHUNK_BYTES):
                        file.write(chunk)
            return partial.replace(to)
        finally:
            partial.unlink(missing_ok=True)

    async def job_table(self, job_id: str, to: Path) -> Path:
        """Saves the results of a job as a table, in the order in which they were sent.

        Args:
            job_id: The job; what has ended so far is in the table.
            to: The file to write; its suffix, .csv, .jsonl or .parquet, is the format.
        """
        return await self.download(calls.table_path(job_id, to), to)

    async def job_outputs(self, job_id: str, to: Path) -> Path:
        """Saves a ZIP file with the tables of a job and the files of its runs."""
        return await self.download(calls.outputs_path(job_id), to)

    async def delete_run(self, run_id: str, *, undo: bool = False) -> None:
        """Deletes a stored run; with ``undo``, `restore_run` can bring it back for ten minutes."""
        await self._call(calls.delete_run(run_id, undo))

    async def restore_run(self, run_id: str) -> str:
        """Brings back a run that was deleted with ``undo``; gives its id, perhaps a new one."""
        return await self._call(calls.restore_run(run_id))

    async def models(self) -> Any:
        """The models that the server knows, and which one answers."""
        return await self._call(calls.plain("models"))

    async def status(self) -> Any:
        """Where loading stands."""
        return await self._call(calls.plain("status"))

    async def _call(self, call: Call[Answer]) -> Answer:
        tried = 0
        while True:
            tried += 1
            response = None
            try:
                with call.request(self._http) as request:
                    response = await self._http.send(request)
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
            await asyncio.sleep(wait_s)

    async def _lines(self, path: str) -> AsyncIterator[str]:
        async with self._http.stream("GET", path) as answer:
            if answer.is_error:
                await answer.aread()
                raise calls.error_of(answer)
            async for line in answer.aiter_lines():
                if line:
                    yield line
