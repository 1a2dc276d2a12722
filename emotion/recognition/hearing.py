"""A recording to what the network hears: its channels mixed, or each on its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from emotion.audio import Recording, decode
from emotion.audio.checks import warning as audio_warning
from emotion.core.config import SAMPLE_RATE_HZ
from emotion.core.errors import ConfigError
from emotion.core.i18n import OF_CHANNEL
from emotion.core.options import RecognitionOptions
from emotion.core.progress import ProgressCallbacks
from emotion.core.results import ResultWarning
from emotion.recognition.loaded_model import LoadedModel

# Warnings that say nothing where each channel is heard on its own.
_ABOUT_THE_MIX: Final = ("channels_differ", "channels_cancel")


def hear(
    model: LoadedModel, path: Path, options: RecognitionOptions, callbacks: ProgressCallbacks
) -> Recording:
    """Decodes a recording, with its channels apart where they are split.

    Args:
        model: Knows what is accepted as a recording.
        path: The recording.
        options: What is asked for.
        callbacks: Log and cancellation.

    Raises:
        ConfigError: There are too many channels, or more names than channels.
        AudioError, DecoderError, OutputError, CancelledError: See `emotion.audio.decode`.
    """
    split = options.channels == "split"
    recording = decode(
        path,
        model.audio,
        track=options.track,
        channel=options.channel,
        first_s=options.first_s,
        apart=split,
        minimum_samples=model.engine.minimum_samples,
        cancelled=callbacks.cancelled,
    )
    count, names = recording.info.channels, options.channel_names
    if len(names) > count:
        recording.close()
        expected = f"at most {count}, one for each channel"
        raise ConfigError(option="channel_names", value=", ".join(names), expected=expected)
    if split:
        recording = replace(recording, warnings=tuple(_warnings(recording)))
    callbacks.log(f"[INFO] Audio validated: {_describe(recording)}")
    for warning in recording.warnings:
        callbacks.log(f"[WARNING] {warning.message}")
    return recording


def _warnings(recording: Recording) -> Iterator[ResultWarning]:
    """What is said of a recording whose channels are apart, and of each channel."""
    said = {warning.code for warning in recording.warnings}
    yield from (one for one in recording.warnings if one.code not in _ABOUT_THE_MIX)
    for number in range(1, recording.info.channels + 1):
        if number not in recording.channels:
            yield audio_warning("channel_silent", channel=number)
            continue
        for warning in recording.channels[number].warnings:
            if warning.code not in said:
                message = f"Channel {number}: {warning.message}"
                yield replace(
                    warning, message=message, params={**warning.params, OF_CHANNEL: number}
                )


def _describe(recording: Recording) -> str:
    text = f"{recording.duration_s:.1f}s, 16kHz, mono"
    source = recording.info
    changed = source.sample_rate_hz not in (0, SAMPLE_RATE_HZ) or source.channels > 1
    if not changed:
        return text
    names = {0: "", 1: ", mono", 2: ", stereo"}
    channels = names.get(source.channels, f", {source.channels} channels")
    return f"{text} (from {source.sample_rate_hz / 1000:g}kHz{channels})"
