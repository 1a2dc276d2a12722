"""Follows one recording through the page, the endpoint for programs, the command line and Python.

    python -m tools.trace_doors examples/angry_ravdess_03-01-05-02-02-02-21.ogg

Prints, for each, the functions of this package that lead to the network. All of them go through
``emotion.recognition.pipeline.recognize``.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

from emotion.core.config import AudioConfig
from emotion.core.registry import EMBEDDED
from emotion.inference.engine_base import EngineBase
from emotion.recognition.loaded_model import LoadedModel
from emotion.recognition.opening import Status
from emotion.recognition.recognizer import Recognizer
from emotion.services.model_service import Snapshot
from emotion.services.recognitions import RecognitionService
from emotion.storage.run_store import RunStore

Stack = tuple[str, ...]
_INFERENCE = EngineBase.infer_many.__code__


def follow(path: Path, model: str = EMBEDDED) -> dict[str, Stack]:
    """The functions that lead to the network, outermost first, by the door that was used.

    Args:
        path: A recording.
        model: A name of `emotion.core.registry`, or a checkpoint's folder.
    """
    recognizer = Recognizer.load(model, offline=True)
    with tempfile.TemporaryDirectory() as folder:
        doors: dict[str, Callable[[], Any]] = {
            "Python": lambda: recognizer.recognize(path),
            "command line": lambda: _command_line(path, model, folder),
            "page": lambda: _page(path, recognizer.model, Path(folder), api=False),
            "endpoint for programs": lambda: _page(path, recognizer.model, Path(folder), api=True),
        }
        return {name: _stack_of(door) for name, door in doors.items()}


def _stack_of(door: Callable[[], Any]) -> Stack:
    with _watching() as stacks:
        door()
    return stacks[0]


@contextmanager
def _watching() -> Iterator[list[Stack]]:
    stacks: list[Stack] = []

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code is _INFERENCE:
            stacks.append(tuple(_ours(frame)))

    threading.setprofile(watch)
    sys.setprofile(watch)
    try:
        yield stacks
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def _ours(frame: FrameType | None) -> list[str]:
    names: list[str] = []
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("emotion."):
            names.insert(0, f"{module}.{frame.f_code.co_qualname}" if sys.version_info >= (3, 11)
                         else f"{module}.{frame.f_code.co_name}")  # fmt: skip
        frame = frame.f_back
    return names


def _command_line(path: Path, model: str, folder: str) -> None:
    from emotion.cli import main

    options = ["--model", model, "--offline", "--output-dir", folder]
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        main(["recognize", str(path), *options])


def _page(path: Path, model: LoadedModel, folder: Path, *, api: bool) -> None:
    from emotion.ui.endpoint import Endpoint
    from emotion.ui.files import HandOver
    from emotion.ui.handlers import Handlers
    from emotion.ui.previews import Previews

    names = ("card", "scores", "timeline", "log", "downloads", "start", "cancel")
    outputs: Any = SimpleNamespace(**{name: name for name in names})
    request: Any = SimpleNamespace(cookies={}, session_hash="visitor")
    service = RecognitionService(_Ready(model), RunStore(folder / "page"))
    handlers = Handlers(service, HandOver(folder), Previews(folder, AudioConfig()), ())
    if api:
        endpoint = Endpoint(service, HandOver(folder))
        list(endpoint.recognize(str(path), "utterance", False, 0, request))
    else:
        list(handlers.recognise(outputs)(str(path), "", request, "utterance"))
    service.close()


class _Ready:
    """A model that is loaded already."""

    def __init__(self, model: LoadedModel) -> None:
        self.current: LoadedModel | None = model
        self.snapshot = Snapshot(Status("ready", model=model.info.title), model)

    def retry(self) -> None:
        """It has not failed."""

    def switch(self, name: str) -> None:
        """It stays."""

    def model(self, *_: object) -> LoadedModel:
        assert self.current is not None
        return self.current


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Follow one recording through every door.")
    parser.add_argument("recording", type=Path)
    parser.add_argument("--model", default=EMBEDDED)
    options = parser.parse_args()
    for door, stack in follow(options.recording, options.model).items():
        print(door)
        for depth, name in enumerate(stack, 1):
            print(f"{'  ' * depth}{name}")


if __name__ == "__main__":
    main()
