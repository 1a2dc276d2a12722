"""Work for a server that is about to be killed: recordings, a live one, an endless upload."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx

STOP_S = 40.0
_WORKERS = 5


class Work:
    """Keeps a server busy until it is gone.

    Args:
        address: The server's.
        files: What is sent.
        rng: Chooses.
    """

    def __init__(self, address: str, files: list[Path], rng: random.Random) -> None:
        self.statuses: Counter[int] = Counter()
        self._address = address
        self._files = files
        self._stop = threading.Event()
        seeds = [rng.random() for _ in range(_WORKERS)]
        self._threads = [
            threading.Thread(target=self._recognise, args=(random.Random(seed),), daemon=True)
            for seed in seeds
        ]
        for task in (self._live, self._upload):
            self._threads.append(threading.Thread(target=task, daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self) -> bool:
        """Ends all that is sent; whether it ended."""
        self._stop.set()
        for thread in self._threads:
            thread.join(STOP_S)
        return not any(thread.is_alive() for thread in self._threads)

    def _recognise(self, rng: random.Random) -> None:
        while not self._stop.is_set():
            options = {
                "granularity": rng.choice(("utterance", "frame", "segment")),
                "extract_embedding": rng.choice(("true", "false")),
                "exports": "all",
            }
            self._post("/api/v1/recognize", rng.choice(self._files).read_bytes(), options)

    def _post(self, path: str, content: object, query: dict[str, str]) -> httpx.Response | None:
        try:
            url = self._address + path
            answer = httpx.post(url, content=content, params=query, timeout=STOP_S)  # type: ignore[arg-type]
        except httpx.TransportError:  # the server is gone
            self._stop.wait(0.05)
            return None
        self.statuses[answer.status_code] += 1
        return answer

    def _live(self) -> None:
        begun = self._post("/api/v1/live", b"", {})
        part, number = self._files[-1].read_bytes()[44 : 44 + 32_000], 0
        while begun is not None and begun.status_code == 201 and not self._stop.is_set():
            path = f"/api/v1/live/{begun.json()['id']}"
            if self._post(path, part, {"sequence": str(number)}) is None:
                return
            number += 1
            self._stop.wait(0.1)

    def _upload(self) -> None:
        def slowly() -> Iterator[bytes]:
            while not self._stop.wait(0.05):
                yield b"RIFF" * 256

        self._post("/api/v1/recognize", slowly(), {})
