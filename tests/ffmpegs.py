"""The FFmpeg programs that the decoding tests run against: every one that is here."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest

from emotion.core.paths import PROJECT_DIR

VARIABLE = "EMOTION_TEST_FFMPEGS"
CACHE = PROJECT_DIR / ".cache" / "ffmpeg"
_MISSING = f"no FFmpeg 4.2: run scripts/fetch-ffmpeg, or name programs or folders in {VARIABLE}"


def _named() -> Iterator[Path]:
    """Programs in the cache folder and in the folders that the variable names."""
    for text in (*os.environ.get(VARIABLE, "").split(os.pathsep), str(CACHE)):
        place = Path(text)
        if text and place.is_dir():
            yield from sorted(file for file in place.glob("ffmpeg*") if os.access(file, os.X_OK))
        elif text and place.is_file():
            yield place


def programs() -> list[Any]:
    """One pytest parameter a program; the one for FFmpeg 4.2 is skipped where that is absent."""
    found = {"bundled": imageio_ffmpeg.get_ffmpeg_exe()}
    system = shutil.which("ffmpeg")
    if system:
        found["system"] = system
    named = {file.name: str(file) for file in _named()}
    parameters = [pytest.param(path, id=name) for name, path in (found | named).items()]
    if not named:
        skip = pytest.mark.skip(reason=_MISSING)
        parameters.append(pytest.param("", id="4.2", marks=skip))
    return parameters
