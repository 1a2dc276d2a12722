"""A recording to what the network hears: its channels mixed, or each on its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from emotion.audio import Recording, SampleBuffer, Samples, decode, decode_channels
from emotion.audio.checks import warning as audio_warning
from emotion.core.config import SAMPLE_RATE_HZ
from emotion.core.errors import ConfigError
from emotion.core.i18n import OF_CHANNEL
from emotion.core.options import RecognitionOptions
from emotion.core.progress import ProgressCallbacks
from emotion.recognition.aggregation import Span
from emotion.recognition.loaded_model import LoadedModel

# Warnings that say nothing where each channel is heard on its own.
_ABOUT_THE_MIX: Final = ("channels_differ", "channels_cancel")


@dataclass(frozen=True)
class Heard:
    """What of a recording is heard; a context manager that frees its samples.

    Attributes:
        recording: The recording, its channels mixed.
        channels: The channels that are heard on their own, by number, from 1; without silent ones,
            and none where channels are mixed.
    """

    recording: Recording
    channels: dict[int, SampleBuffer]

    def __enter__(self) -> Heard:
        return self

    def __exit__(self, *_: object) -> None:
        for buffer in (self.recording.buffer, *self.channels.values()):
            buffer.close()

    def read(self, span: Span, channel: int | None) -> Samples:
        """Samples of a channel, or of the mix: float32, (samples,)."""
        buffer = self.recording.buffer if channel is None else self.channels[channel]
        return buffer.read(*span)


def hear(
    model: LoadedModel, path: Path, options: RecognitionOptions, callbacks: ProgressCallbacks
) -> Heard:
    """Decodes a recording, and each of its channels where they are split.

    Args:
        model: Knows what is accepted as a recording.
        path: The recording.
        options: What is asked for.
        callbacks: Log and cancellation.

    Raises:
        ConfigError: There are too many channels, or more names than channels.
        AudioError, DecoderError, OutputError, CancelledError: See `emotion.audio.decode`.
    """
    recording = decode(
        path,
        model.audio,
        track=options.track,
        channel=options.channel,
        first_s=options.first_s,
        minimum_samples=model.engine.minimum_samples,
        cancelled=callbacks.cancelled,
    )
    heard = Heard(recording, {})
    if options.channels == "split":
        try:
            heard = _split(model, path, options, recording, callbacks)
        except BaseException:
            recording.buffer.close()
            raise
    callbacks.log(f"[INFO] Audio validated: {_describe(recording)}")
    for warning in heard.recording.warnings:
        callbacks.log(f"[WARNING] {warning.message}")
    return heard


def _split(
    model: LoadedModel,
    path: Path,
    options: RecognitionOptions,
    mix: Recording,
    callbacks: ProgressCallbacks,
) -> Heard:
    """Adds the channels; says which of them are silent, and what was done to the others."""
    count, names = mix.info.channels, options.channel_names
    if len(names) > count:
        expected = f"at most {count}, one for each channel"
        raise ConfigError(option="channel_names", value=", ".join(names), expected=expected)
    channels = decode_channels(
        path,
        mix,
        model.audio,
        first_s=options.first_s,
        minimum_samples=model.engine.minimum_samples,
        cancelled=callbacks.cancelled,
    )
    warnings = [said for said in mix.warnings if said.code not in _ABOUT_THE_MIX]
    said_of_all = {said.code for said in mix.warnings}
    for channel in range(1, count + 1):
        if channel not in channels:
            warnings.append(audio_warning("channel_silent", channel=channel))
            continue
        warnings += [
            replace(
                said,
                message=f"Channel {channel}: {said.message}",
                params={**said.params, OF_CHANNEL: channel},
            )
            for said in channels[channel].warnings
            if said.code not in said_of_all
        ]
    return Heard(
        replace(mix, warnings=tuple(warnings)),
        {channel: recording.buffer for channel, recording in channels.items()},
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
