"""The process's exit code for each error."""

from __future__ import annotations

from emotion.core.corpus_errors import (
    CorpusError,
    LabelMapError,
    NoLabelsError,
    NoOutputError,
    NoRecordingsError,
)
from emotion.core.errors import (
    AddressError,
    AudioError,
    BusyError,
    CancelledError,
    ConfigError,
    DecoderError,
    EmotionError,
    JobNotFoundError,
    JobRunningError,
    ModelError,
    OutputError,
    PortInUseError,
    ResultError,
    RunNotFoundError,
)
from emotion.core.request_errors import RequestError
from emotion.core.similarity_errors import SimilarityError

# The first class that an error is an instance of gives the exit code.
EXIT_CODES: tuple[tuple[type[EmotionError], int], ...] = (
    (ConfigError, 2),
    (ModelError, 3),
    (AudioError, 1),
    (DecoderError, 1),
    (OutputError, 1),
    (AddressError, 1),
    (PortInUseError, 1),
    (BusyError, 1),
    (JobRunningError, 1),
    (JobNotFoundError, 1),
    (RunNotFoundError, 1),
    (ResultError, 1),
    (RequestError, 1),
    (SimilarityError, 1),
    (NoRecordingsError, 2),
    (NoOutputError, 2),
    (NoLabelsError, 2),
    (LabelMapError, 2),
    (CorpusError, 1),
    (CancelledError, 130),
)


def exit_code(error: EmotionError) -> int:
    """The process's exit code for an error."""
    return next((code for kind, code in EXIT_CODES if isinstance(error, kind)), 1)
