"""Live recordings: audio that comes in parts, and what its last seconds sound like.

A reading is made every second from a sliding window, so it is a local reading of 3 s, not a part
of the final result. When the recording has ended, it is recognised anew like any other.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from emotion.audio import SampleBuffer, Samples, write_wav
from emotion.audio.checks import Meter, level
from emotion.audio.vad import contains_speech
from emotion.core.config import SAMPLE_RATE_HZ, AudioConfig
from emotion.core.errors import (
    AudioEmptyError,
    AudioTooLongError,
    ModelNotReadyError,
    OutputError,
)
from emotion.core.live_errors import LiveChunkError, LiveFullError, LiveNotFoundError
from emotion.recognition.aggregation import Verdict
from emotion.recognition.loaded_model import LoadedModel
from emotion.storage.own_folders import make_own

WINDOW_S: Final = 3.0
STEP_S: Final = 1.0
IDLE_S: Final = 30.0
FOLDER_PREFIX: Final = "emotion-live-"  # of folders below the system's temporary one
_RECENT_S: Final = 1.5  # without speech in so much of the end of a window, it is silence
_MOST_READINGS: Final = 5  # of one part: a part that was long on its way needs no history
_SILENCE_DBFS: Final = -100.0


@dataclass(frozen=True)
class Reading:
    """What the end of a live recording sounds like.

    Attributes:
        time_s: Where the window ends.
        level_dbfs: Loudness of the last second, root mean square.
        speech: Whether anyone speaks.
        emotion: The label with the highest score; None in silence.
        confidence: That score; None in silence.
        scores: All nine scores; empty in silence.
    """

    time_s: float
    level_dbfs: float
    speech: bool
    emotion: str | None
    confidence: float | None
    scores: dict[str, float]


class CurrentModel(Protocol):
    """Gives the model that answers now."""

    @property
    def current(self) -> LoadedModel | None:
        """The model that would answer now without waiting, if any."""


class _Session:
    """One live recording."""

    def __init__(self) -> None:
        self.id = secrets.token_urlsafe(16)
        self.buffer = SampleBuffer()
        self.lock = threading.Lock()
        self.parts = 0
        self.readings: list[Reading] = []  # of the last part
        self.read_s = 0.0
        self.touched = 0.0


class LiveSessions:
    """The live recordings of a server; safe to use from several threads.

    Args:
        models: Gives the model.
        audio: How long a recording may be, and which level is quiet.
        most: How many there may be at once.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        models: CurrentModel,
        audio: AudioConfig,
        most: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._models = models
        self._audio = audio
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}

    def open(self) -> str:
        """Begins a live recording.

        Returns:
            Its id, which nobody can guess.

        Raises:
            ModelNotReadyError: No model answers yet.
            LiveFullError: There are too many.
        """
        self._model()
        with self._lock:
            self._drop_idle()
            if len(self._sessions) >= self._most:
                raise LiveFullError(most=self._most)
            session = _Session()
            session.touched = self._clock()
            self._sessions[session.id] = session
        return session.id

    def add(self, live_id: str, sequence: int, samples: Samples) -> list[Reading]:
        """Takes the next part of a recording.

        Args:
            live_id: From `open`.
            sequence: Its number, from 0; a part that came already is not added again.
            samples: float32, (samples,), 16 kHz mono.

        Returns:
            A reading for each second that it completes; mostly one or none.

        Raises:
            LiveNotFoundError: There is no such recording any more.
            LiveChunkError: A part before this one is missing.
            AudioTooLongError: It is as long as a recording may be; what came before is kept.
            ModelNotReadyError: No model answers.
            ModelError: The network failed.
        """
        session = self._find(live_id)
        with session.lock:
            if sequence < session.parts:  # sent again, because the answer was lost
                return session.readings if sequence == session.parts - 1 else []
            if sequence > session.parts:
                raise LiveChunkError(sequence=sequence, expected=session.parts)
            most_s = self._audio.max_duration_s
            if session.buffer.duration_s + samples.size / SAMPLE_RATE_HZ > most_s:
                raise AudioTooLongError(file="live", maximum_s=most_s)
            session.buffer.append(samples)
            session.parts += 1
            session.readings = self._readings(session)
            session.touched = self._clock()
            return session.readings

    @property
    def count(self) -> int:
        """How many there are now."""
        with self._lock:
            self._drop_idle()
            return len(self._sessions)

    def close(self, live_id: str) -> None:
        """Drops a recording, if it is there."""
        with self._lock:
            session = self._sessions.pop(live_id, None)
        if session is not None:
            with session.lock:
                session.buffer.close()

    def finish(self, live_id: str) -> Path:
        """Writes a recording as a file; it stays until `close`, so a failure loses nothing.

        Returns:
            A 16 kHz mono WAV file in a folder of its own, for the caller to remove with
            `discard`.

        Raises:
            LiveNotFoundError: There is no such recording any more.
            AudioEmptyError: Nothing has come yet.
            OutputError: It cannot be written.
        """
        session = self._find(live_id)
        name = time.strftime("live_%Y%m%d_%H%M%S.wav")
        if not session.buffer.size:
            raise AudioEmptyError(file=name)
        temporary = Path(tempfile.gettempdir())
        folder: Path | None = None
        try:
            folder = make_own(temporary, FOLDER_PREFIX)
            with session.lock:
                session.touched = self._clock()
                write_wav(folder / name, session.buffer.blocks())
        except OSError as e:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
            raise OutputError(path=temporary, reason=e.strerror or str(e)) from e
        return folder / name

    @staticmethod
    def discard(path: Path) -> None:
        """Removes a file that `finish` made, with its folder."""
        shutil.rmtree(path.parent, ignore_errors=True)

    def close_all(self) -> None:
        """Drops all recordings."""
        for live_id in list(self._sessions):
            self.close(live_id)

    def _model(self) -> LoadedModel:
        model = self._models.current
        if model is None:
            raise ModelNotReadyError(reason="it is being loaded")
        return model

    def _find(self, live_id: str) -> _Session:
        with self._lock:
            self._drop_idle()
            session = self._sessions.get(live_id)
        if session is None:
            raise LiveNotFoundError(job_id=live_id, idle_s=IDLE_S)
        return session

    def _drop_idle(self) -> None:
        # With the lock held. One that is being worked on is not idle.
        oldest = self._clock() - IDLE_S
        for session in list(self._sessions.values()):
            if session.touched < oldest and not session.lock.locked():
                del self._sessions[session.id]
                session.buffer.close()

    def _readings(self, session: _Session) -> list[Reading]:
        seconds = int(session.buffer.duration_s / STEP_S)
        due = range(int(session.read_s / STEP_S) + 1, seconds + 1)[-_MOST_READINGS:]
        session.read_s = seconds * STEP_S
        return [self._read(session.buffer, step * STEP_S) for step in due]

    def _read(self, buffer: SampleBuffer, end_s: float) -> Reading:
        model = self._model()
        stop = round(end_s * SAMPLE_RATE_HZ)
        window = buffer.read(max(0, stop - round(WINDOW_S * SAMPLE_RATE_HZ)), stop)
        last = window[-round(STEP_S * SAMPLE_RATE_HZ) :].astype(np.float64)
        rms = float(np.sqrt(np.square(last - last.mean()).mean()))
        level_dbfs = 20 * float(np.log10(rms)) if rms > 0 else _SILENCE_DBFS
        level_dbfs = round(max(level_dbfs, _SILENCE_DBFS), 1)
        levelled = SampleBuffer.of(window)
        meter = Meter(1)
        meter.add(window[:, None], window)
        level(levelled, meter.measure(), self._audio)
        heard = levelled.read()
        recent = SampleBuffer.of(heard[-round(_RECENT_S * SAMPLE_RATE_HZ) :])
        if not contains_speech(model.detector, recent):
            return Reading(end_s, level_dbfs, False, None, None, {})
        logits = model.engine.infer(heard).logits.mean(0, dtype=np.float64)
        verdict = Verdict.of(logits)
        return Reading(end_s, level_dbfs, True, verdict.emotion, verdict.confidence, verdict.scores)
