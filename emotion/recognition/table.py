"""Many recordings to a table, indexed as audformat does: by file, start and end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from emotion.core.errors import (
    ConfigError,
    DecoderMissingError,
    EmotionError,
    ModelError,
    OutputError,
)
from emotion.core.labels import LABELS

if TYPE_CHECKING:
    import pandas as pd

    from emotion.core.results import Result
    from emotion.recognition.recognizer import Recognition

OnError = Literal["row", "raise"]

EMBEDDING: Final = "embedding_"
# Of the machine, not of a recording: all others would fail as well.
_ENDING: Final = (DecoderMissingError, ModelError, OutputError)
Row = tuple[float, float | None, str | None, float | None, NDArray[np.float32]]


def process(
    recognise: Callable[[Path], Recognition],
    paths: Sequence[str | Path],
    *,
    at_once: int,
    on_error: OnError,
) -> pd.DataFrame:
    """Recognises files, several at a time; see `emotion.recognition.recognizer.Recognizer`.

    Args:
        recognise: Recognises one.
        paths: The files.
        at_once: How many are under way at the same time.
        on_error: What becomes of a file that cannot be recognised.

    Raises:
        ConfigError: ``at_once`` is below 1.
        EmotionError: A file fails and ``on_error`` is ``raise``; FFmpeg or the model fail.
    """
    if at_once < 1:
        raise ConfigError(option="at_once", value=at_once, expected="1 or more")
    if on_error not in ("row", "raise"):
        raise ConfigError(option="on_error", value=on_error, expected="'row' or 'raise'")
    table = _Table()
    with ThreadPoolExecutor(at_once, thread_name_prefix="files") as pool:
        try:
            for path, found in _in_order(pool, recognise, paths, at_once):
                if isinstance(found, EmotionError):
                    if on_error == "raise" or isinstance(found, _ENDING):
                        raise found
                    table.add_error(str(path), found)
                else:
                    table.add(str(path), found)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return table.frame()


def embeddings_of(table: pd.DataFrame) -> NDArray[np.float32]:
    """The embeddings in a table of `Recognizer.process_files`.

    Args:
        table: Made with ``embedding=True``.

    Returns:
        float32, (rows, D); NaN in rows that have none.

    Raises:
        ConfigError: The table has no embeddings.
    """
    columns = [name for name in table.columns if str(name).startswith(EMBEDDING)]
    if not columns:
        raise ConfigError(option="table", value="no embeddings", expected="one with embedding=True")
    found: NDArray[np.float32] = table[columns].to_numpy(np.float32)
    return found


def _in_order(
    pool: ThreadPoolExecutor,
    recognise: Callable[[Path], Recognition],
    paths: Sequence[str | Path],
    at_once: int,
) -> Iterator[tuple[str | Path, Recognition | EmotionError]]:
    """Results in the order of the files; no more than twice ``at_once`` are kept."""
    waiting: list[tuple[str | Path, Future[Recognition | EmotionError]]] = []

    def attempt(path: str | Path) -> Recognition | EmotionError:
        try:
            return recognise(Path(path))
        except EmotionError as e:
            return e

    for path in paths:
        waiting.append((path, pool.submit(attempt, path)))
        if len(waiting) >= 2 * at_once:
            first, future = waiting.pop(0)
            yield first, future.result()
    for path, future in waiting:
        yield path, future.result()


class _Table:
    """Collects rows as columns."""

    def __init__(self) -> None:
        self._files: list[str] = []
        self._starts: list[float] = []
        self._ends: list[float | None] = []
        self._emotions: list[str | None] = []
        self._confidences: list[float | None] = []
        self._scores: list[NDArray[np.float32]] = []
        self._warnings: list[str] = []
        self._errors: list[str | None] = []
        self._embeddings: list[NDArray[np.float32] | None] = []

    def add(self, file: str, found: Recognition) -> None:
        """Adds the rows of a result: one, one a segment, or one for each 0.1 s."""
        rows = list(_rows(found.result))
        embeddings = _embeddings(found, rows)
        codes = "; ".join(warning.code for warning in found.result.warnings)
        for (start_s, end_s, emotion, confidence, scores), embedding in zip(
            rows, embeddings, strict=True
        ):
            self._append(file, start_s, end_s, scores, embedding)
            self._emotions.append(emotion)
            self._confidences.append(confidence)
            self._warnings.append(codes)
            self._errors.append(None)

    def add_error(self, file: str, error: EmotionError) -> None:
        """Adds a row that says why there is none."""
        self._append(file, 0.0, None, np.full(len(LABELS), np.nan, np.float32), None)
        self._emotions.append(None)
        self._confidences.append(None)
        self._warnings.append("")
        self._errors.append(str(error))

    def _append(
        self,
        file: str,
        start_s: float,
        end_s: float | None,
        scores: NDArray[np.float32],
        embedding: NDArray[np.float32] | None,
    ) -> None:
        self._files.append(file)
        self._starts.append(start_s)
        self._ends.append(end_s)
        self._scores.append(scores)
        self._embeddings.append(embedding)

    def frame(self) -> pd.DataFrame:
        """The table."""
        import pandas as pd

        index = pd.MultiIndex.from_arrays(
            [
                pd.Index(self._files, dtype="object"),
                pd.to_timedelta(np.array(self._starts, float), unit="s"),
                pd.to_timedelta(np.array(self._ends, float), unit="s"),
            ],
            names=["file", "start", "end"],
        )
        scores = np.array(self._scores, np.float32).reshape(-1, len(LABELS))
        columns: dict[str, Any] = {
            "emotion": pd.Categorical(self._emotions, categories=list(LABELS)),
            "confidence": np.array(self._confidences, np.float32),
            **{label: scores[:, place] for place, label in enumerate(LABELS)},
            "warnings": self._warnings,
            "error": pd.Series(self._errors, dtype="object").to_numpy(),
        }
        known = [one for one in self._embeddings if one is not None]
        if known:
            nothing = np.full_like(known[0], np.nan)
            rows = np.stack([nothing if one is None else one for one in self._embeddings])
            columns |= {f"{EMBEDDING}{place}": rows[:, place] for place in range(rows.shape[1])}
        return pd.DataFrame(columns, index=index)


def _rows(result: Result) -> Iterator[Row]:
    if result.granularity == "segment" and result.segments:
        for one in result.segments:
            yield one.start_s, one.end_s, one.emotion, one.confidence, _scores(one.scores)
    elif result.granularity == "frame" and result.frames is not None:
        curve = result.frames
        table = np.array([curve.scores[label] for label in LABELS], np.float32)  # (9, steps)
        for step, scores in enumerate(table.T):
            start_s = round(step * curve.step_s, 6)
            end_s = min(round((step + 1) * curve.step_s, 6), result.audio.duration_s)
            best = int(scores.argmax())
            yield start_s, end_s, LABELS[best], float(scores[best]), scores
    else:
        length_s = result.audio.duration_s
        yield 0.0, length_s, result.emotion, result.confidence, _scores(result.scores)


def _scores(scores: dict[str, float]) -> NDArray[np.float32]:
    return np.array([scores.get(label, 0.0) for label in LABELS], np.float32)


def _embeddings(found: Recognition, rows: Sequence[Row]) -> Sequence[NDArray[np.float32] | None]:
    """The embedding of each row; a step of 0.1 s has the mean of its frames."""
    granularity = found.result.granularity
    if granularity == "segment" and found.result.segments and found.segment_embeddings is not None:
        return list(found.segment_embeddings)
    if granularity == "frame" and found.frame_embeddings is not None:
        assert found.result.frames is not None
        cuts = np.cumsum(found.result.frames.weights)[:-1]
        parts = np.split(found.frame_embeddings, cuts)
        return [part.mean(0) if len(part) else None for part in parts]
    return [found.embedding] * len(rows)
