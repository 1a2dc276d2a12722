"""A file to a `Recording`: chooses track and channel, checks, levels, and says what was done."""

from __future__ import annotations

import os
import stat
import time
import wave
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from emotion.audio.checks import Levelled, Meter, length_warning, level, warning
from emotion.audio.decode import Track, Wanted, has_sound, read_track
from emotion.audio.formats import Source, inspect
from emotion.audio.samples import SampleBuffer, Samples
from emotion.core.config import SAMPLE_RATE_HZ, AudioConfig
from emotion.core.errors import (
    AudioEmptyError,
    AudioEncryptedError,
    AudioNotFoundError,
    AudioSamplesError,
    AudioSilentError,
    AudioTooLargeError,
    AudioTooLongError,
    AudioTooShortError,
    AudioTrackError,
    ConfigError,
)
from emotion.core.results import AudioInfo, ResultWarning, readable

_MOST_TRACKS = 32  # that are looked at
_LEAST_START_S = 0.1
# Formats whose header counts samples: a longer recording means that the header is wrong.
_EXACT = frozenset({"aiff", "ape", "au", "caf", "flac", "mp3", "nistsphere", "tta", "w64"})


@dataclass(frozen=True)
class Channel:
    """One channel of a recording on its own.

    Attributes:
        buffer: Its samples, brought to a usual level like those of a recording.
        warnings: What was done to them.
    """

    buffer: SampleBuffer
    warnings: tuple[ResultWarning, ...]


@dataclass(frozen=True)
class Recording:
    """A decoded recording.

    Attributes:
        buffer: What the network hears: 16 kHz, mono, full scale 1.
        info: The recording as it was given.
        warnings: What a reader of its result must know.
        decode_s: Seconds that decoding took.
        channels: Its channels by number, from 1, where they are heard on their own; without
            silent ones.
    """

    buffer: SampleBuffer
    info: AudioInfo
    warnings: tuple[ResultWarning, ...]
    decode_s: float
    channels: Mapping[int, Channel] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """Length of the samples."""
        return self.buffer.duration_s

    @property
    def samples(self) -> Samples:
        """All samples at once, float32, (samples,)."""
        return self.buffer.read()

    def close(self) -> None:
        """Frees the samples."""
        self.buffer.close()
        for channel in self.channels.values():
            channel.buffer.close()


def decode(
    path: Path,
    config: AudioConfig,
    *,
    track: int | None = None,
    channel: int | None = None,
    first_s: float | None = None,
    apart: bool = False,
    minimum_samples: int = 400,
    cancelled: Callable[[], bool] = lambda: False,
) -> Recording:
    """Reads a recording and refuses what cannot give a result.

    Args:
        path: A local file of any format that FFmpeg reads, or SILK.
        config: Limits.
        track: Audio track, from 1. By default the first one with sound.
        channel: Channel, from 1. By default the mean of all, or the loudest if they cancel.
        first_s: Decode only so many seconds from the start; the recording may then be longer
            than the limit.
        apart: Give each channel on its own too.
        minimum_samples: The model's receptive field at 16 kHz.
        cancelled: Asked between chunks.

    Raises:
        AudioError: The recording cannot be used; the class says why.
        ConfigError: ``track`` or ``channel`` is below 1, or too many channels are to be apart.
        DecoderError: FFmpeg is missing or did not finish in time.
        OutputError: The folder for temporary files cannot hold the samples.
        CancelledError: ``cancelled`` returned true.
    """
    started = time.perf_counter()
    size_bytes = _check_file(path, config)
    source = inspect(path)
    _check_number(track=track, channel=channel)
    wanted = Wanted(track or 1, channel, first_s, apart, cancelled)
    choice = _choose(source, config, wanted, chosen=track is not None)
    found = split = choice.track
    wanted = choice.wanted
    warnings = [warning("raw_audio", format=source.raw)] if source.raw else []
    loudest = found.meter.loudest_if_cancelled() if channel is None else None
    if loudest is not None and found.has_sound(config):
        warnings.append(warning("channels_cancel", channels=found.channels, channel=loudest + 1))
        wanted = replace(wanted, channel=loudest + 1, apart=False)
        found = read_track(source, config, wanted)
    elif channel is None and found.meter.differ():
        warnings.append(warning("channels_differ", channels=found.channels))
    warnings += choice.warnings
    samples = _with_start(found, source, config)
    warnings += _length(found, samples.duration_s, source, wanted.track, config)
    warnings += _check_samples(samples, found, source.name, config, minimum_samples)
    channels = _channels(split, samples.leading, source.name, config)
    info = _describe(found, wanted, source, samples.size, size_bytes)
    decode_s = time.perf_counter() - started
    return Recording(samples, info, tuple(warnings), decode_s, channels)


def _check_file(path: Path, config: AudioConfig) -> int:
    try:
        status = path.stat()
    except OSError as e:
        raise AudioNotFoundError(file=readable(path), reason=e.strerror or str(e)) from e
    if not stat.S_ISREG(status.st_mode):
        raise AudioNotFoundError(file=readable(path), reason="Not a file")
    if not os.access(path, os.R_OK):
        raise AudioNotFoundError(file=readable(path), reason="Permission denied")
    size = status.st_size
    if size == 0:
        raise AudioEmptyError(file=readable(path.name))
    if size > config.max_upload_bytes:
        raise AudioTooLargeError(
            file=readable(path.name), size_mb=size / 1e6, maximum_mb=config.max_upload_bytes / 1e6
        )
    return size


@dataclass(frozen=True)
class _Choice:
    track: Track
    wanted: Wanted
    warnings: tuple[ResultWarning, ...] = ()


def _choose(source: Source, config: AudioConfig, wanted: Wanted, *, chosen: bool) -> _Choice:
    """The track asked for, else the first one with sound, else the first one."""
    first = _try(source, config, wanted)
    count = len(first.probe.tracks)
    if wanted.track > max(count, 1):
        raise AudioTrackError(file=source.name, track=wanted.track, tracks=count)
    if chosen or count < 2:
        return _Choice(_decoded(first), wanted)
    found, number = first, 1
    while not found.has_sound(config) and number < min(count, _MOST_TRACKS):
        number += 1
        found = _try(source, config, replace(wanted, track=number))
    if not found.has_sound(config):
        return _Choice(_decoded(first), wanted)
    wanted = replace(wanted, track=number)
    others = range(number + 1, min(count, _MOST_TRACKS) + 1)
    warnings = []
    if number > 1:
        warnings.append(warning("track_chosen", first=1, track=number, tracks=count))
    if any(
        not _scheme(source, other) and has_sound(source, config, replace(wanted, track=other))
        for other in others
    ):
        warnings.append(warning("several_tracks", track=number, tracks=count))
    return _Choice(found, wanted, tuple(warnings))


def _check_number(**options: int | None) -> None:
    for option, value in options.items():
        if value is not None and value < 1:
            raise ConfigError(option=option, value=value, expected="1 or more")


def _scheme(source: Source, track: int) -> str:
    """What encrypts a track; empty where nothing does."""
    schemes = source.mp4.schemes
    return schemes[track - 1] if track <= len(schemes) else ""


def _try(source: Source, config: AudioConfig, wanted: Wanted) -> Track:
    found = read_track(source, config, wanted)
    scheme = _scheme(source, wanted.track)
    if scheme:  # what its decoder makes of it is noise
        found.error = AudioEncryptedError(file=source.name, scheme=scheme)
    return found


def _decoded(track: Track) -> Track:
    if track.error is not None:
        raise track.error
    return track


def _with_start(found: Track, source: Source, config: AudioConfig) -> SampleBuffer:
    """The samples with the silence before the first one, so that times are times in the file.

    FFmpeg counts from the file's first sample. Players do not, where a format's time begins at 0;
    a piece of a broadcast, whose time began long before, is told by its start lying past its end.
    """
    probe = found.probe
    late = probe.container == "mov" and not source.mp4.fragmented
    if probe.container == "matroska" and probe.duration_s is not None:
        late = probe.start_s < probe.duration_s
    if not late or probe.start_s < _LEAST_START_S:
        return found.samples
    silence = round(probe.start_s * SAMPLE_RATE_HZ)
    if silence + found.samples.size > config.max_duration_s * SAMPLE_RATE_HZ:
        raise AudioTooLongError(file=source.name, maximum_s=config.max_duration_s)
    found.samples.leading = silence
    return found.samples


def _length(
    found: Track, decoded_s: float, source: Source, track: int, config: AudioConfig
) -> list[ResultWarning]:
    warnings = []
    if decoded_s < config.short_s:
        warnings.append(warning("short_audio", duration_s=round(decoded_s, 3)))
    if found.longer:
        return [*warnings, warning("first_only", first_s=round(decoded_s, 2))]
    probe, wav = found.probe, source.wav
    declared_s, exact, cut = None, probe.container in _EXACT, probe.cut or source.ends_early
    if wav is not None:
        exact, cut = True, False
        if wav.declared_bytes is not None and wav.present_bytes:  # of any codec
            declared_s = decoded_s * wav.declared_bytes / wav.present_bytes
    elif source.stale is not None:
        declared_s, exact, cut = source.stale.declared_s, True, False
    elif not source.raw and probe.tracks:
        # A picture or another track may last longer.
        alone = not probe.video and len(probe.tracks) == 1
        tagged_s = probe.tracks[track - 1].duration_s
        declared_s = tagged_s or (probe.duration_s if alone else None)
    said = length_warning(declared_s, decoded_s, exact=exact, cut=cut)
    return [*warnings, said] if said else warnings


def _check_samples(
    samples: SampleBuffer, found: Track, name: str, config: AudioConfig, minimum: int
) -> tuple[ResultWarning, ...]:
    """Refuses samples that give no result; levels the others."""
    if samples.size < minimum:
        duration_s, minimum_s = samples.duration_s, minimum / SAMPLE_RATE_HZ
        raise AudioTooShortError(file=name, duration_s=duration_s, minimum_s=minimum_s)
    levelled = _levelled(samples, found.meter, None, name, config)
    if levelled.peak < config.silence_peak:
        peak_dbfs = 20 * np.log10(max(levelled.peak, 1e-10))
        raise AudioSilentError(file=name, peak_dbfs=peak_dbfs)
    return levelled.warnings


def _channels(track: Track, leading: int, name: str, config: AudioConfig) -> dict[int, Channel]:
    """The channels of a track that are not silent, each levelled on its own."""
    found = {}
    for number, buffer in enumerate(track.apart, 1):
        buffer.leading = leading
        levelled = _levelled(buffer, track.meter, number, name, config)
        if levelled.peak < config.silence_peak:
            buffer.close()
        else:
            found[number] = Channel(buffer, levelled.warnings)
    return found


def _levelled(
    samples: SampleBuffer, meter: Meter, channel: int | None, name: str, config: AudioConfig
) -> Levelled:
    measure = meter.measure(channel)
    if measure.bad:
        raise AudioSamplesError(file=name, count=measure.bad, total=meter.frames)
    return level(samples, measure, config)


def _describe(
    found: Track, wanted: Wanted, source: Source, samples: int, size_bytes: int
) -> AudioInfo:
    tracks = found.probe.tracks
    stream = tracks[wanted.track - 1]
    return AudioInfo(
        file=source.name,
        duration_s=round(samples / SAMPLE_RATE_HZ, 4),
        sample_rate_hz=stream.rate_hz,
        channels=found.channels,
        codec=stream.codec,
        container=source.stale.container if source.stale else found.probe.container,
        size_bytes=size_bytes,
        tracks=len(tracks),
        track=wanted.track,
        channel=wanted.channel,
    )


def write_wav(path: Path, samples: Samples | Iterable[Samples]) -> None:
    """Writes 16 kHz mono PCM16; samples past full scale are clipped.

    Args:
        path: The file to write.
        samples: float32, (samples,), 16 kHz; or blocks of them.

    Raises:
        OSError: It cannot be written.
    """
    blocks = [samples] if isinstance(samples, np.ndarray) else samples
    # Not by libsndfile, which calls a full disk a "System error". The samples are the same.
    with path.open("wb") as target, wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        for block in blocks:
            file.writeframesraw(_to_int16(block))


def _to_int16(samples: Samples) -> bytes:
    scaled = np.floor(samples * np.float32(32768)).clip(-32768, 32767)
    data: bytes = scaled.astype("<i2").tobytes()
    return data
