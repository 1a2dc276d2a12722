"""Handing files to Gradio: it only serves what lies in its own cache folder."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from emotion.core.errors import OutputError
from emotion.storage import run_store
from emotion.storage.run_store import (
    AUDIO_FILE,
    EMBEDDING_FILE,
    FRAME_EMBEDDINGS_FILE,
    RESULT_FILE,
    SEGMENT_EMBEDDINGS_FILE,
)

_FILES: Final = (
    RESULT_FILE,
    AUDIO_FILE,
    EMBEDDING_FILE,
    FRAME_EMBEDDINGS_FILE,
    SEGMENT_EMBEDDINGS_FILE,
)


class HandOver:
    """Puts files into Gradio's cache, each set in a folder whose name cannot be guessed.

    Whoever knows a path in the cache can read it, so the name is the key. Gradio removes the files
    when they are old (``delete_cache``), the run folder keeps its own.

    Args:
        cache: Gradio's cache folder.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def __call__(self, files: Iterable[Path]) -> list[str]:
        """Links or copies files into the cache.

        Args:
            files: Files with different names.

        Returns:
            Their paths in the cache, in the same order.

        Raises:
            OutputError: The cache cannot be written.
        """
        folder = self._cache / secrets.token_hex(16)
        try:
            folder.mkdir(parents=True)
            return [_place(file, folder / file.name) for file in files]
        except OSError as e:
            shutil.rmtree(folder, ignore_errors=True)
            raise OutputError(path=self._cache, reason=e.strerror or str(e)) from e


def run_files(hand_over: HandOver, folder: Path) -> list[str]:
    """The files of a run for download: the usual ones first, then the exports by name.

    Args:
        hand_over: Puts them into the cache.
        folder: The run folder.

    Returns:
        Their paths in the cache.

    Raises:
        OutputError: The cache cannot be written.
    """
    there = {path.name: path for path in run_store.run_files(folder)}
    usual = [there.pop(name) for name in _FILES if name in there]
    return hand_over([*usual, *there.values()])


def _place(source: Path, target: Path) -> str:
    source = source.resolve()  # a link to a symbolic link would lead nowhere
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
    return str(target)
