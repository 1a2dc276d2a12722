"""Real recordings in many formats, made with FFmpeg when they are first asked for."""

from __future__ import annotations

import csv
import io
import random
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pysilk

from emotion.audio import ffmpeg_path
from emotion.core.paths import examples_dir

# Suffix and what FFmpeg is told; ``-i`` and the file come before it.
FORMATS: dict[str, tuple[str, ...]] = {
    "wav": ("-ar", "16000", "-ac", "1"),
    "wav-24bit-stereo": ("-ar", "44100", "-ac", "2", "-c:a", "pcm_s24le"),
    "wav-float": ("-ar", "48000", "-c:a", "pcm_f32le"),
    "wav-alaw": ("-ar", "8000", "-ac", "1", "-c:a", "pcm_alaw"),
    "mp3": ("-ar", "44100", "-b:a", "64k"),
    "m4a": ("-c:a", "aac", "-b:a", "64k"),
    "mp4": ("-c:a", "aac", "-movflags", "+faststart+frag_keyframe"),
    "mov": ("-c:a", "aac"),
    "3gp": ("-c:a", "aac", "-ac", "1"),
    "ogg": ("-c:a", "libvorbis"),
    "opus": ("-c:a", "libopus", "-ar", "48000", "-b:a", "24k"),
    "flac": (),
    "webm": ("-c:a", "libopus", "-ar", "48000"),
    "mkv-two-tracks": ("-map", "0:a", "-map", "0:a", "-c:a:0", "aac", "-c:a:1", "flac"),
    "amr": ("-c:a", "libopencore_amrnb", "-ar", "8000", "-ac", "1", "-b:a", "12.2k"),
    "wma": ("-c:a", "wmav2", "-ar", "44100"),
    "aiff": ("-ar", "16000",),
    "caf": ("-c:a", "pcm_s16le",),
    "au": ("-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "1"),
    "w64": ("-ar", "16000",),
    "flv": ("-c:a", "libmp3lame", "-ar", "22050"),
    "avi": ("-c:a", "pcm_s16le", "-ar", "16000"),
    "ts": ("-c:a", "aac"),
    "gsm": ("-c:a", "libgsm", "-ar", "8000", "-ac", "1"),
    "g722": ("-c:a", "g722", "-ar", "16000", "-ac", "1"),
    "silk": (),
}  # fmt: skip
_EXACT = ("-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact")
_SUFFIXES = frozenset(
    (
        *(".aac", ".aif", ".aiff", ".amr", ".au", ".caf", ".flac", ".g722", ".m4a", ".mkv"),
        *(".mov", ".mp3", ".mp4", ".ogg", ".opus", ".silk", ".wav", ".webm", ".wma"),
    )
)
_LONGEST_S = 6
_SILK_RATE_HZ = 16_000


@dataclass(frozen=True)
class Recording:
    """A file's content.

    Attributes:
        name: A plain name with its suffix.
        data: The content.
    """

    name: str
    data: bytes

    @property
    def suffix(self) -> str:
        """With the dot, in lower case."""
        return Path(self.name).suffix.lower()


class Recordings:
    """Some clips, each in any format.

    Args:
        clips: The clips, anything that FFmpeg reads.
        formats: Their formats, names of `FORMATS`.

    Attributes:
        missing: Formats that no FFmpeg here writes.
    """

    def __init__(self, clips: Sequence[Path], formats: Sequence[str] = tuple(FORMATS)) -> None:
        self.clips = clips
        self.formats = formats
        self.missing: set[str] = set()
        self._made: dict[tuple[int, str], Recording | None] = {}

    def pick(self, rng: random.Random) -> Recording:
        """One of them."""
        while True:
            clip, form = rng.randrange(len(self.clips)), rng.choice(self.formats)
            if (found := self.get(clip, form)) is not None:
                return found

    def get(self, clip: int, form: str) -> Recording | None:
        """A clip in a format; None where no FFmpeg here writes it."""
        if (clip, form) not in self._made:
            self._made[clip, form] = self._make(clip, form)
            if self._made[clip, form] is None:
                self.missing.add(form)
        return self._made[clip, form]

    def _make(self, clip: int, form: str) -> Recording | None:
        suffix = form.partition("-")[0]
        data = _silk(self.clips[clip]) if form == "silk" else _convert(
            self.clips[clip], suffix, FORMATS[form]
        )  # fmt: skip
        return Recording(f"speech-{clip}.{suffix}", data) if data is not None else None


def choose(folder: Path | None, count: int, seed: int) -> list[Path]:
    """Some recordings of a folder: of its ``manifest.csv``, else all in it with a usual suffix.

    Args:
        folder: Where they lie; the examples of this project by default.
        count: How many.
        seed: Of the choice.
    """
    folder = folder or examples_dir()
    manifest = folder / "manifest.csv"
    if manifest.is_file():
        with manifest.open(encoding="utf-8", newline="") as file:
            paths = sorted(folder / row["path"] for row in csv.DictReader(file))
    else:
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES)
    if not paths:
        raise SystemExit(f"there are no recordings in {folder}")
    return random.Random(seed).sample(paths, min(count, len(paths)))


def wav(path: Path, longest_s: float = _LONGEST_S) -> bytes:
    """A recording as WAV, 16 kHz, mono."""
    data = _convert(path, "wav", FORMATS["wav"], longest_s)
    if data is None:
        raise SystemExit(f"FFmpeg does not read {path}")
    return data


def _convert(
    path: Path, suffix: str, options: Sequence[str], longest_s: float = _LONGEST_S
) -> bytes | None:
    # The FFmpeg that came with imageio-ffmpeg writes AMR, which others often do not; Debian's GSM.
    programs = (ffmpeg_path(), imageio_ffmpeg.get_ffmpeg_exe(), shutil.which("ffmpeg"))
    for program in dict.fromkeys(filter(None, programs)):
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / f"made.{suffix}"
            command = [
                *(program, "-v", "error", "-nostdin", "-t", str(longest_s), "-i", str(path), "-vn"),
                *options, *_EXACT, str(target),
            ]  # fmt: skip
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return target.read_bytes()
    return None


def _silk(path: Path) -> bytes:
    samples = np.frombuffer(wav(path), "<i2")[22:]
    out = io.BytesIO()
    pysilk.encode(io.BytesIO(samples.tobytes()), out, _SILK_RATE_HZ, 24_000, tencent=True)
    return out.getvalue()
