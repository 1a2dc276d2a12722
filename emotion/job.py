"""One recording to one run folder: what the page, the CLI and the API all do."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emotion.audio import Recording, write_wav
from emotion.outputs import (
    AUDIO_FILE,
    EMBEDDING_FILE,
    FRAME_EMBEDDINGS_FILE,
    RunFolder,
)
from emotion.recognizer import Hooks, Recognition, Recognizer

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Finished:
    """A completed run.

    Attributes:
        recognition: Result and arrays.
        folder: The run folder.
        log: Processing log, one line a step.
    """

    recognition: Recognition
    folder: Path
    log: tuple[str, ...]


def run(
    recognizer: Recognizer,
    path: Path,
    outputs_dir: Path,
    *,
    granularity: str = "utterance",
    embedding: bool = False,
    track: int | None = None,
    channel: int | None = None,
    hooks: Hooks | None = None,
    on_log: Callable[[str], None] = lambda line: None,
) -> Finished:
    """Recognises a file and writes its run folder.

    Args:
        recognizer: The model.
        path: The recording.
        outputs_dir: Where the run folder is made.
        granularity: ``utterance`` or ``frame``.
        embedding: Whether to write the embedding.
        track: Audio track, from 1; the first one with sound by default.
        channel: Channel, from 1; the mean of all by default.
        hooks: Progress and cancellation.
        on_log: Told each line of the processing log.

    Raises:
        EmotionError: As `Recognizer.recognize`, and OutputError where nothing can be written.
            No folder is left then.
    """
    hooks = hooks or Hooks()
    lines: list[str] = []

    def log(level: str, text: str) -> None:
        lines.append(f"[{level}] {text}")
        on_log(lines[-1])

    recording = recognizer.decode(path, track=track, channel=channel, hooks=hooks)
    log("INFO", f"Audio validated: {_describe(recording)}")
    for notice in recording.notices:
        log("WARNING", notice.message)
    with RunFolder(outputs_dir) as folder:
        write_wav(folder.path / AUDIO_FILE, recording.samples)
        log("INFO", f"Preprocessing done → {AUDIO_FILE} saved")
        log("INFO", "Warmup completed. Ready for inference.")
        recognition = recognizer.analyse(
            recording, granularity=granularity, embedding=embedding, hooks=hooks
        )
        result = recognition.result
        for notice in result.warnings[len(recording.notices) :]:
            log("WARNING", notice.message)
        log("INFO", f"Inference time: {result.timing.inference_s:.2f}s ({granularity}-level)")
        if recognition.embedding is not None:
            folder.write_array(EMBEDDING_FILE, recognition.embedding)
        if recognition.frame_embeddings is not None:
            folder.write_array(FRAME_EMBEDDINGS_FILE, recognition.frame_embeddings)
        folder.write_json(result.to_dict())
        hooks.check()
        final = folder.commit()
    log("INFO", f"Result saved → {final.name}")
    logger.info(
        "%s: %s %.3f (%.2f s of audio in %.2f s, %s)",
        recording.info.file,
        result.emotion,
        result.confidence,
        recording.duration_s,
        result.timing.total_s,
        result.model.name,
    )
    return Finished(recognition, final, tuple(lines))


@dataclass(frozen=True)
class Outcome:
    """What became of a file, or of one of its channels.

    Attributes:
        channel: The channel, from 1; None for the mean of all.
        finished: The completed run; None where it failed.
        error: Why it failed.
    """

    channel: int | None = None
    finished: Finished | None = None
    error: Exception | None = None


def run_channels(
    recognizer: Recognizer,
    path: Path,
    outputs_dir: Path,
    *,
    split: bool = False,
    granularity: str = "utterance",
    embedding: bool = False,
    track: int | None = None,
    hooks: Hooks | None = None,
) -> list[Outcome]:
    """Recognises a file, or each of its channels on its own; one failure does not stop the others.

    Args:
        recognizer: The model.
        path: The recording.
        outputs_dir: Where run folders are made, one a channel.
        split: Whether each channel is recognised on its own.
        granularity: ``utterance`` or ``frame``.
        embedding: Whether to write the embedding.
        track: Audio track, from 1; the first one with sound by default.
        hooks: Progress and cancellation.
    """
    channels: list[int | None] = [None]
    if split:
        try:
            count = recognizer.count_channels(path, track=track, hooks=hooks)
        except Exception as e:  # the caller tells it with the others
            return [Outcome(error=e)]
        channels = list(range(1, count + 1))
    outcomes = []
    for channel in channels:
        try:
            finished = run(
                recognizer,
                path,
                outputs_dir,
                granularity=granularity,
                embedding=embedding,
                track=track,
                channel=channel,
                hooks=hooks,
            )
            outcomes.append(Outcome(channel, finished))
        except Exception as e:
            outcomes.append(Outcome(channel, error=e))
    return outcomes


def _describe(recording: Recording) -> str:
    text = f"{recording.duration_s:.1f}s, 16kHz, mono"
    source = recording.info
    changed = source.sample_rate_hz not in (0, 16_000) or source.channels > 1
    if not changed:
        return text
    channels = {0: "", 1: ", mono", 2: ", stereo"}.get(
        source.channels, f", {source.channels} channels"
    )
    return f"{text} (from {source.sample_rate_hz / 1000:g}kHz{channels})"
