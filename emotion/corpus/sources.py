"""Recordings of a collection as files: unpacked, fetched, or cut out of longer recordings."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from emotion.audio import decode
from emotion.audio.recording import write_wav
from emotion.core.config import SAMPLE_RATE_HZ, AudioConfig
from emotion.core.errors import AudioTooShortError
from emotion.core.results import readable
from emotion.corpus.archives import Archive, ArchiveLimits
from emotion.corpus.inputs import Excerpt, Packed, Source
from emotion.corpus.remote import Remote, fetch_remote
from emotion.storage.own_folders import make_own

if TYPE_CHECKING:
    from emotion.audio.recording import Recording

_LONGEST_NAME: Final = 100  # of a fetched file, whose name says little
_LEAST_SAMPLES: Final = 400  # the network's receptive field


class Sources:
    """Makes files of recordings; use it as a context manager, from any number of threads.

    Args:
        audio: Limits of a recording.
        limits: Bounds of ZIP files.
    """

    def __init__(
        self,
        audio: AudioConfig,
        limits: ArchiveLimits = ArchiveLimits(),  # noqa: B008  # frozen
    ) -> None:
        self._audio = audio
        self._limits = limits
        self._opening = threading.Lock()
        self._cutting = threading.Lock()
        self._archives: dict[Path, Archive] = {}
        self._folder: Path | None = None
        self._decoded: tuple[Path | Remote, Recording] | None = None

    def __enter__(self) -> Sources:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def path_of(self, source: Source) -> Iterator[Path]:
        """A recording as a file, which is there within the block.

        Raises:
            EmotionError: It cannot be had.
        """
        if isinstance(source, Exception):
            raise source
        if isinstance(source, Path):
            yield source
            return
        own = self._new_folder()
        try:
            yield self._made(source, own)
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def close(self) -> None:
        """Closes all archives and removes what is left."""
        for archive in self._archives.values():
            archive.close()
        self._forget()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _made(self, source: Packed | Remote | Excerpt, folder: Path) -> Path:
        if isinstance(source, Remote):
            return self._fetched(source, folder)
        if isinstance(source, Excerpt):
            path = folder / "excerpt.wav"
            with self._cutting:
                self._cut(source, path, folder)
            return path
        with self._opening:
            archive = self._opened(source.archive)
        member = archive.find(source.member)
        path = folder / readable(Path(member.name).name)
        archive.extract(member, path)
        return path

    def _fetched(self, source: Remote, folder: Path) -> Path:
        path = folder / readable(source.url.rpartition("/")[2][-_LONGEST_NAME:] or "recording")
        fetch_remote(source, path, self._audio.max_upload_bytes)
        return path

    def _cut(self, source: Excerpt, path: Path, folder: Path) -> None:
        recording = self._recording(source.whole, folder)
        first = round(source.start_s * SAMPLE_RATE_HZ)
        last = recording.buffer.size
        if source.end_s is not None:
            last = min(last, round(source.end_s * SAMPLE_RATE_HZ))
        if last <= first:
            name = str(source.whole).replace("\\", "/").rpartition("/")[2]
            minimum_s = _LEAST_SAMPLES / SAMPLE_RATE_HZ
            raise AudioTooShortError(file=name, duration_s=0.0, minimum_s=minimum_s)
        write_wav(path, recording.buffer.read(first, last))

    def _recording(self, whole: Path | Remote, folder: Path) -> Recording:
        """The recording, decoded once for all excerpts that follow one another."""
        if self._decoded is None or self._decoded[0] != whole:
            self._forget()
            path = whole if isinstance(whole, Path) else self._fetched(whole, folder)
            self._decoded = whole, decode(path, self._audio)
        return self._decoded[1]

    def _forget(self) -> None:
        if self._decoded is not None:
            self._decoded[1].close()
            self._decoded = None

    def _new_folder(self) -> Path:
        with self._opening:
            if self._folder is None:
                self._folder = make_own(Path(tempfile.gettempdir()), "emotion-batch-")
            return Path(tempfile.mkdtemp(dir=self._folder))

    def _opened(self, path: Path) -> Archive:
        if path not in self._archives:
            self._archives[path] = Archive(path, self._limits)
        return self._archives[path]
