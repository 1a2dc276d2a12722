"""One audio track to float32 mono at 16 kHz.

What is 16 kHz mono PCM16 WAV already is read directly, to the same samples: starting a process
takes longer than recognising a short clip. SILK has a decoder of its own; FFmpeg reads the rest:
one local file, no network protocols, no playlists, no stdin, a time limit. Formats that point to
other files (HLS, concat, image sequences) are not among the demuxers allowed.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import IO

import ffmpeg
import numpy as np
from numpy.typing import NDArray

from emotion.audio import ffmpeg_log, silk
from emotion.audio.checks import Meter
from emotion.audio.ffmpeg_log import Probe, Stream
from emotion.audio.formats import DEMUXERS, Source, reason
from emotion.audio.process import Piped, piped
from emotion.audio.samples import SampleBuffer, Samples
from emotion.core.config import SAMPLE_RATE_HZ, AudioConfig
from emotion.core.errors import (
    AudioChannelError,
    AudioDecodeError,
    AudioError,
    AudioStreamError,
    AudioTooLongError,
    CancelledError,
    ConfigError,
    DecoderMissingError,
    DecoderTimeoutError,
)
from emotion.core.results import readable

_INTERRUPTED = 255  # FFmpeg's exit code after a signal that it caught
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)
_INPUT = "file:input"
_CHUNK_FRAMES = 5 * SAMPLE_RATE_HZ  # whole blocks of `checks`
_MOST_CHANNELS = 256
MOST_APART = 16  # channels that are kept on their own
# Silence where timestamps leave a gap, after resampling, so that little memory holds it.
_FILTERS = f"aresample={SAMPLE_RATE_HZ},aresample=async=1:first_pts=0"


@dataclass(frozen=True)
class Wanted:
    """Which part of a file is decoded.

    Attributes:
        track: Audio track, from 1.
        channel: Channel, from 1; None is the mean of all.
        first_s: Only so many seconds from the start; None is everything.
        apart: Whether to keep each channel on its own too.
        cancelled: Asked between chunks.
    """

    track: int = 1
    channel: int | None = None
    first_s: float | None = None
    apart: bool = False
    cancelled: Callable[[], bool] = lambda: False


@dataclass
class Track:
    """A decoded track.

    Attributes:
        samples: The mix, or one channel.
        meter: Its measure, and that of each channel.
        channels: Channels in the file.
        probe: What is known of the file.
        error: Why there are no samples; None where there are.
        longer: Whether there is more than was asked for.
        apart: The samples of each channel, where they were asked for.
    """

    samples: SampleBuffer
    meter: Meter
    channels: int
    probe: Probe
    error: AudioError | None = None
    longer: bool = False
    apart: tuple[SampleBuffer, ...] = ()

    def has_sound(self, config: AudioConfig) -> bool:
        """Whether it could be decoded and is not digital silence."""
        return self.error is None and (
            self.meter.bad > 0 or self.meter.swing >= config.silence_peak
        )


@cache
def ffmpeg_path(chosen: str | None = None) -> str:
    """The FFmpeg program: the chosen one, else that of ``imageio-ffmpeg``, else the system's.

    The one in ``imageio-ffmpeg`` is the same everywhere, and it starts four times as fast as
    Debian's, which loads two hundred libraries: most of what a short recording costs.

    Args:
        chosen: A program's path or name.

    Raises:
        ConfigError: The chosen one is no program.
        DecoderMissingError: There is none.
    """
    if chosen:
        program = shutil.which(os.path.expanduser(chosen))
        if program is None:
            raise ConfigError(option="ffmpeg", value=chosen, expected="an FFmpeg program")
        return program
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())  # one that runs
    except (ImportError, RuntimeError) as e:
        system = shutil.which("ffmpeg")
        if system is None:
            raise DecoderMissingError(reason="not found") from e
        return system


def read_track(source: Source, config: AudioConfig, wanted: Wanted) -> Track:
    """Decodes one track.

    Args:
        source: From `formats.inspect`.
        config: Limits.
        wanted: What is decoded.

    Returns:
        The track; one that cannot be decoded has the reason in ``error``.

    Raises:
        AudioChannelError: There is no such channel.
        AudioStreamError: The file has no audio.
        AudioTooLongError: It is longer than the limit.
        DecoderError: The decoder is missing or did not finish in time.
        CancelledError: ``wanted.cancelled`` returned true.
    """
    if source.kind == "silk":
        return _read_silk(source, config, wanted)
    if is_plain_wav(source, config):
        return _read_wav(source, config, wanted)
    return _read_ffmpeg(source, config, wanted)


def has_sound(source: Source, config: AudioConfig, wanted: Wanted) -> bool:
    """Whether a track has sound; decodes no more of it than that takes."""
    command, limit_s = _command(source, config, wanted), config.decode_timeout_s
    with piped(command, limit_s, cancelled=wanted.cancelled) as run:
        channels = _read_head(run.stdout)
        meter = Meter(channels)
        for chunk in _chunks(run.stdout, channels) if channels else ():
            meter.add(chunk, chunk[:, 0])
            if wanted.cancelled():
                raise CancelledError()
            if meter.bad or meter.swing >= config.silence_peak:
                return True
    return False


class _Mixer:
    """Collects one channel, or the mean of all, of chunks that come in."""

    def __init__(self, source: Source, config: AudioConfig, wanted: Wanted, channels: int) -> None:
        channel = wanted.channel
        if channel is not None and channel > channels:
            raise AudioChannelError(file=source.name, channel=channel, channels=channels)
        if wanted.apart and channels > MOST_APART:
            expected = f"'mix' for {channels} channels: at most {MOST_APART} are heard on their own"
            raise ConfigError(option="channels", value="split", expected=expected)
        self._source, self._config, self._wanted = source, config, wanted
        self._most = int(config.max_duration_s * SAMPLE_RATE_HZ)
        self._first = round(wanted.first_s * SAMPLE_RATE_HZ) if wanted.first_s else None
        self.longer = False  # than was asked for: the rest may be left out
        self._samples = SampleBuffer()
        self._apart = tuple(SampleBuffer() for _ in range(channels if wanted.apart else 0))
        self.channels = channels
        self.meter = Meter(channels)

    def add(self, chunk: Samples) -> None:
        """Takes a chunk: float32, (frames, channels)."""
        if self._wanted.cancelled():
            raise CancelledError()
        if self._first is not None and self.meter.frames + len(chunk) > self._first:
            chunk, self.longer = chunk[: self._first - self.meter.frames], True
        if not len(chunk):
            return
        channel = 1 if self.channels == 1 else self._wanted.channel
        with np.errstate(over="ignore", invalid="ignore"):  # the meter counts what is not finite
            mix = chunk.mean(1, dtype=np.float32) if channel is None else chunk[:, channel - 1]
        self.meter.add(chunk, mix)
        self._samples.append(mix)
        for column, buffer in enumerate(self._apart):
            buffer.append(chunk[:, column])
        if self.meter.frames > self._most:
            maximum_s = self._config.max_duration_s
            raise AudioTooLongError(file=self._source.name, maximum_s=maximum_s)

    def track(self, probe: Probe, error: AudioError | None = None) -> Track:
        """What was collected."""
        return Track(
            self._samples, self.meter, self.channels, probe, error, self.longer, self._apart
        )


def is_plain_wav(source: Source, config: AudioConfig) -> bool:
    """Whether a file is WAV that needs no decoder, and has samples within the limit."""
    wav = source.wav
    if wav is None or not wav.pcm or (wav.channels, wav.bits) != (1, 16):
        return False
    return wav.rate_hz == SAMPLE_RATE_HZ and 0 < wav.present_s <= config.max_duration_s


def _read_wav(source: Source, config: AudioConfig, wanted: Wanted) -> Track:
    assert source.wav is not None  # `is_plain_wav` said so
    mixer = _Mixer(source, config, wanted, 1)
    left = source.wav.present_bytes
    with source.path.open("rb") as file:
        file.seek(source.wav.start)
        while left > 0 and not mixer.longer and (data := file.read(min(2 * _CHUNK_FRAMES, left))):
            left -= len(data)
            mixer.add(_from_int16(data))
    stream = Stream("pcm_s16le", SAMPLE_RATE_HZ, None)
    return mixer.track(Probe(True, "wav", (stream,), False, 0.0, None, False))


def _from_int16(data: bytes) -> Samples:
    """int16 bytes to float32, (samples, 1), full scale 1."""
    samples = np.frombuffer(data, "<i2", len(data) // 2).astype(np.float32)
    samples /= 32768
    return samples[:, None]


def _read_silk(source: Source, config: AudioConfig, wanted: Wanted) -> Track:
    packets = silk.read_packets(source.path, config)
    mixer = _Mixer(source, config, wanted, 1)
    for data in silk.decode_packets(packets, source.name, config, wanted.cancelled):
        mixer.add(_from_int16(data))
        if mixer.longer:
            break
    if not mixer.meter.frames:
        raise AudioDecodeError(file=source.name, reason=silk.DAMAGED)
    return mixer.track(
        Probe(True, "silk", (Stream("silk", 0, None),), False, 0.0, None, packets.truncated)
    )


def _command(source: Source, config: AudioConfig, wanted: Wanted) -> list[str]:
    most_s = config.max_duration_s if wanted.first_s is None else wanted.first_s
    options = ["-hide_banner", "-nostdin", "-nostats", "-threads", "1", *source.options]
    demuxers = f"{DEMUXERS},{source.stale.demuxer}" if source.stale else DEMUXERS
    stream = ffmpeg.input(_INPUT, protocol_whitelist="file", format_whitelist=demuxers)
    target = stream.output(
        "pipe:1",
        format="wav",
        acodec="pcm_f32le",
        ar=SAMPLE_RATE_HZ,
        af=_FILTERS,
        map=f"0:a:{wanted.track - 1}",
        map_metadata="-1",
        t=f"{most_s + 1.0:.3f}",
    )
    command: list[str] = ffmpeg.compile(target, cmd=[ffmpeg_path(config.ffmpeg), *options])
    # ffmpeg-python takes only names that are UTF-8.
    return [f"file:{source.path.resolve()}" if word == _INPUT else word for word in command]


def _read_ffmpeg(source: Source, config: AudioConfig, wanted: Wanted) -> Track:
    mixer: _Mixer | None = None
    command, limit_s = _command(source, config, wanted), config.decode_timeout_s
    with piped(command, limit_s, cancelled=wanted.cancelled) as run:
        channels = _read_head(run.stdout)
        if channels:
            mixer = _Mixer(source, config, wanted, channels)
            for chunk in _chunks(run.stdout, channels):
                mixer.add(chunk)  # up to the end, so that FFmpeg ends by itself
    # Nothing in a name is FFmpeg's word.
    log = run.log.replace(readable(source.path.resolve()), "")
    probe = ffmpeg_log.parse(log)
    received = mixer.meter.frames if mixer else 0
    error = _failure(source, config, run, probe, log, received)
    if mixer is None:
        return Track(SampleBuffer(), Meter(1), 0, probe, error)
    return mixer.track(probe, error)


def _failure(
    source: Source, config: AudioConfig, run: Piped, probe: Probe, log: str, received: int
) -> AudioError | None:
    """Why a track has no samples; raises what concerns the whole file."""
    name = source.name
    if run.timed_out:
        raise DecoderTimeoutError(file=name, timeout_s=config.decode_timeout_s)
    if probe.opened and not probe.tracks:
        raise AudioStreamError(file=name)
    if -run.code in _CRASHES:
        raise AudioDecodeError(file=name, reason="FFmpeg crashed on it; try another with --ffmpeg")
    if run.code < 0 or run.code == _INTERRUPTED:
        raise AudioDecodeError(file=name, reason="FFmpeg was stopped before the end")
    if received and not (run.code and "Cannot allocate memory" in log):
        return None  # a damaged tail still leaves what was decoded; see `checks.length_warning`
    if run.code or not probe.opened or "Decoding requested" in log:
        return AudioDecodeError(file=name, reason=reason(log))
    return AudioDecodeError(file=name, reason="it holds no samples")


def _read_head(stdout: IO[bytes]) -> int:
    """Reads FFmpeg's own WAV header up to the samples: the number of channels, 0 if there is none.

    WAV says how many channels come; their names in the log differ from version to version.
    """
    if stdout.read(12)[:4] != b"RIFF":
        return 0
    channels = 0
    while len(head := stdout.read(8)) == 8 and head[:4] != b"data":
        content = stdout.read(min(int.from_bytes(head[4:], "little"), 1 << 16))
        if head[:4] == b"fmt ":
            channels = int.from_bytes(content[2:4], "little")
    return channels if channels <= _MOST_CHANNELS else 0


def _chunks(stdout: IO[bytes], channels: int) -> Iterator[NDArray[np.float32]]:
    """Each chunk as float32, (frames, channels)."""
    width = 4 * channels
    while data := stdout.read(_CHUNK_FRAMES * width):
        frames = len(data) // width
        if frames:
            yield np.frombuffer(data, "<f4", frames * channels).reshape(frames, channels)
