"""The samples of a recording of any length: in memory while short, else in a temporary file."""

from __future__ import annotations

import tempfile
import threading
import weakref
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from emotion.core.config import SAMPLE_RATE_HZ
from emotion.core.errors import OutputError

Samples = NDArray[np.float32]

MEMORY_BYTES = 32 * 2**20  # 8 min 44 s at 16 kHz
BLOCK_SAMPLES = 1 << 20
_ITEM_BYTES = 4


class SampleBuffer:
    """Mono samples at 16 kHz that are appended once and read many times, from any thread.

    Args:
        memory_bytes: More than this goes to a temporary file, which goes away with the buffer.

    Attributes:
        leading: Samples of silence in front of those that were appended.
        offset: Subtracted from every sample when it is read.
        gain: Every sample is then multiplied by it.
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self.leading = 0
        self.offset = 0.0
        self.gain = 1.0
        self._appended = 0
        self._lock = threading.Lock()
        self._file = tempfile.SpooledTemporaryFile(max_size=memory_bytes)  # noqa: SIM115
        self._finalizer = weakref.finalize(self, self._file.close)

    @classmethod
    def of(cls, samples: Samples) -> SampleBuffer:
        """A buffer that holds these samples: float32, (samples,)."""
        buffer = cls()
        buffer.append(samples)
        return buffer

    @property
    def size(self) -> int:
        """Samples in all."""
        return self.leading + self._appended

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.size / SAMPLE_RATE_HZ

    def append(self, samples: Samples) -> None:
        """Adds samples at the end.

        Args:
            samples: float32, (samples,).

        Raises:
            OutputError: The temporary file cannot be written.
        """
        with self._lock:
            try:
                self._file.seek(0, 2)
                self._file.write(np.ascontiguousarray(samples, "<f4").data)
                self._file.flush()  # a full disk is noticed here, not by a later reader
            except OSError as e:
                folder = tempfile.gettempdir()
                raise OutputError(path=folder, reason=e.strerror or str(e)) from e
            self._appended += samples.size

    def read(self, start: int = 0, stop: int | None = None) -> Samples:
        """A copy of the samples from ``start`` up to ``stop``: float32, (samples,)."""
        stop = self.size if stop is None else min(stop, self.size)
        silence = max(0, min(stop, self.leading) - start)
        first, last = max(0, start - self.leading), max(0, stop - self.leading)
        with self._lock:
            self._file.seek(first * _ITEM_BYTES)
            data = self._file.read(max(0, last - first) * _ITEM_BYTES)
        found = (np.frombuffer(data, "<f4") - np.float32(self.offset)) * np.float32(self.gain)
        return np.concatenate([np.zeros(silence, np.float32), found]) if silence else found

    def blocks(self, samples: int = BLOCK_SAMPLES, start: int = 0) -> Iterator[Samples]:
        """All samples from ``start`` on in order, so many at a time."""
        for at in range(start, self.size, samples):
            yield self.read(at, at + samples)

    def close(self) -> None:
        """Frees the memory and the temporary file."""
        self._finalizer()
