"""Small files for the player, for recordings that the visitor's browser cannot play.

The recording is decoded as for a recognition, so whatever can be recognised can be heard. The
player then holds the preview instead of the upload, and `Previews.original` leads back from one to
the other: the preview is never what gets recognised.
"""

from __future__ import annotations

import logging
import secrets
import shutil
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

from emotion.audio import Samples, decode, ffmpeg_path
from emotion.core.config import SAMPLE_RATE_HZ, AudioConfig
from emotion.core.errors import EmotionError

logger = logging.getLogger(__name__)

LONGEST_S = 1800.0
_TIMEOUT_S = 120.0
_BIT_RATE = "48k"


class Previews:
    """Makes previews and remembers which recording each belongs to.

    Args:
        cache: Gradio's cache folder; Gradio deletes old files in it.
        audio: What is accepted as a recording.
    """

    def __init__(self, cache: Path, audio: AudioConfig) -> None:
        self._cache = cache
        self._audio = replace(
            audio,
            max_duration_s=min(audio.max_duration_s, LONGEST_S),
            decode_timeout_s=min(audio.decode_timeout_s, _TIMEOUT_S),
        )
        self._lock = threading.Lock()
        self._originals: dict[Path, Path] = {}

    def make(self, path: Path) -> Path | None:
        """Makes the preview of a recording: mono MP3 at 16 kHz.

        Args:
            path: The recording.

        Returns:
            The preview, or None where there is none: the recording cannot be decoded, or is
            longer than `LONGEST_S`.
        """
        folder = self._cache / secrets.token_hex(16)  # whoever knows a path can read the file
        target = folder / f"{path.stem}.mp3"
        try:
            recording = decode(path, self._audio)
            folder.mkdir(parents=True)
            _write_mp3(target, recording.samples)
            recording.buffer.close()
        except (EmotionError, OSError, subprocess.SubprocessError) as e:
            logger.info("no preview of %s: %s", path.name, e)
            shutil.rmtree(folder, ignore_errors=True)
            return None
        with self._lock:
            kept = {old: of for old, of in self._originals.items() if old.exists()}
            self._originals = {**kept, target: path}
        return target

    def original(self, path: Path) -> Path:
        """The recording that a preview was made of; any other path as it is."""
        return self._originals.get(path, path)


def _write_mp3(path: Path, samples: Samples) -> None:
    source = ["-f", "f32le", "-ar", str(SAMPLE_RATE_HZ), "-ac", "1", "-i", "pipe:0"]
    target = ["-c:a", "libmp3lame", "-b:a", _BIT_RATE, "-f", "mp3", f"file:{path}"]
    options = ["-v", "error", "-nostdin", "-protocol_whitelist", "pipe,file", "-threads", "1"]
    subprocess.run(
        [ffmpeg_path(), *options, *source, *target],
        input=samples.tobytes(),
        capture_output=True,
        check=True,
        timeout=_TIMEOUT_S,
    )
