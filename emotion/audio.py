"""Any recording to float32 mono at 16 kHz, through FFmpeg.

What is 16 kHz mono PCM16 WAV already is read without it, to the same samples: starting a process
takes longer than recognising a short clip. FFmpeg reads one local file: no network protocols, no
playlists, no stdin, a time limit. Formats that point to other files (HLS, concat, image sequences)
are not among the demuxers allowed.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
import subprocess
import tempfile
import threading
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import ffmpeg
import numpy as np
import soundfile
from numpy.typing import NDArray

from emotion.config import SAMPLE_RATE_HZ, AudioConfig
from emotion.errors import (
    AudioDecodeError,
    AudioEmptyError,
    AudioNotFoundError,
    AudioSamplesError,
    AudioSilentError,
    AudioStreamError,
    AudioTooLargeError,
    AudioTooLongError,
    AudioTooShortError,
    CancelledError,
    DecoderMissingError,
    DecoderTimeoutError,
)
from emotion.schema import AudioInfo, Notice, readable

logger = logging.getLogger(__name__)

Samples = NDArray[np.float32]

# FFmpeg's demuxers that hold their own audio. Left out on purpose: hls, dash, concat, image2,
# sdp and others that open further files or addresses.
DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dts,eac3,flac,flv,gsm,loas,matroska,webm,"
    "mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,nut,ogg,rm,sln,sox,tta,voc,w64,wav,wv"
)
# What FFmpeg says of a file that it cannot read, in plain words. Its own last line often tells
# only what it did next, and where the file lies.
_REASONS = (
    ("moov atom not found", "its index is missing: the file is incomplete"),
    ("Format not on whitelist", "not an audio or video format that is accepted"),
    ("Invalid data found", "invalid data: not audio, or damaged"),
)
_INTERRUPTED = 255  # FFmpeg's exit code after a signal that it caught
_INPUT = "file:input"
_CHUNK_BYTES = 1 << 20
_LOG_BYTES = 1 << 20
_STREAM = re.compile(
    r"(?m)^  Stream #\d+:\d+.*?: Audio: (?P<codec>\w+)[^\n]*?(?:, (?P<rate>\d+) Hz)"
    r"(?:, (?P<layout>[^,\n]+))?"
)
_LAYOUTS = {"mono": 1, "stereo": 2, "2.1": 3, "quad": 4, "4.0": 4, "5.0": 5, "5.1": 6, "7.1": 8}


@dataclass(frozen=True)
class Recording:
    """A decoded recording.

    Attributes:
        samples: float32, (samples,), 16 kHz, mono, full scale 1.
        info: The recording as it was given.
        notices: What a reader of its result must know.
        decode_s: Seconds that decoding took.
    """

    samples: Samples
    info: AudioInfo
    notices: tuple[Notice, ...]
    decode_s: float

    @property
    def duration_s(self) -> float:
        """Length of the samples."""
        return self.samples.size / SAMPLE_RATE_HZ


@cache
def ffmpeg_path() -> str:
    """The system's FFmpeg, else the binary in ``imageio-ffmpeg``.

    Raises:
        DecoderMissingError: Neither is there.
    """
    system = shutil.which("ffmpeg")
    if system:
        return system
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as e:
        raise DecoderMissingError() from e


def decode(
    path: Path,
    config: AudioConfig,
    *,
    minimum_samples: int = 400,
    cancelled: Callable[[], bool] = lambda: False,
) -> Recording:
    """Reads a recording and refuses what cannot give a result.

    Args:
        path: A local file of any format that FFmpeg reads.
        config: Limits.
        minimum_samples: The model's receptive field at 16 kHz.
        cancelled: Asked between chunks.

    Raises:
        AudioError: The recording cannot be used; the class says why.
        DecoderError: FFmpeg is missing or did not finish in time.
        CancelledError: ``cancelled`` said so.
    """
    started = time.perf_counter()
    name = readable(path.name)
    size = _check_file(path, config)
    plain, log = _read_plain_wav(path, config), ""
    if plain is not None:
        samples = plain
        duration_s = round(samples.size / SAMPLE_RATE_HZ, 4)
        info = AudioInfo(name, duration_s, SAMPLE_RATE_HZ, 1, "pcm_s16le", "wav", size)
    else:
        raw, log = _run_ffmpeg(path, config, cancelled)
        samples = np.frombuffer(raw, dtype="<f4", count=len(raw) // 4)
        info = _describe(log, name, samples.size, size)
    _check_samples(samples, name, config, minimum_samples)
    notices = _notices(log, samples.size, config)
    return Recording(samples, info, notices, time.perf_counter() - started)


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


def _read_plain_wav(path: Path, config: AudioConfig) -> Samples | None:
    # None for whatever needs FFmpeg, or is best described by it: damaged, too long, empty.
    try:
        with path.open("rb") as file, wave.open(file) as reader:
            form = (reader.getnchannels(), reader.getsampwidth(), reader.getframerate())
            count = reader.getnframes()
            if form != (1, 2, SAMPLE_RATE_HZ) or count > config.max_duration_s * SAMPLE_RATE_HZ:
                return None
            samples = np.empty(count, np.float32)
            for start in range(0, count, _CHUNK_BYTES):  # a long recording is never held twice
                piece = samples[start : start + _CHUNK_BYTES]
                piece[:] = np.frombuffer(reader.readframes(piece.size), "<i2", piece.size)
    except (OSError, EOFError, ValueError, wave.Error):  # ValueError: it ends too soon
        return None
    samples /= 32768
    return samples if count else None


def _command(path: Path, config: AudioConfig) -> list[str]:
    source = ffmpeg.input(_INPUT, protocol_whitelist="file", format_whitelist=DEMUXERS)
    target = source.output(
        "pipe:1",
        format="f32le",
        acodec="pcm_f32le",
        ac=1,
        ar=SAMPLE_RATE_HZ,
        map="0:a:0",
        t=f"{config.max_duration_s + 1.0:.3f}",
    )
    options = ["-hide_banner", "-nostdin", "-nostats", "-threads", "1"]
    command: list[str] = ffmpeg.compile(target, cmd=[ffmpeg_path(), *options])
    # ffmpeg-python takes only names that are UTF-8.
    return [f"file:{path.resolve()}" if word == _INPUT else word for word in command]


def _run_ffmpeg(
    path: Path, config: AudioConfig, cancelled: Callable[[], bool]
) -> tuple[bytearray, str]:
    name = readable(path.name)
    raw = bytearray()
    timed_out = threading.Event()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            _command(path, config),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # a Ctrl-C at the terminal is ours to handle
        )

        def stop() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(config.decode_timeout_s, stop)
        timer.daemon = True
        timer.start()
        assert process.stdout is not None  # opened as a pipe above
        try:
            while chunk := process.stdout.read(_CHUNK_BYTES):
                raw += chunk
                if cancelled():
                    raise CancelledError()
            code = process.wait()
        finally:
            timer.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
        log.seek(0)
        text = log.read(_LOG_BYTES).decode("utf-8", "replace")
    text = text.replace(readable(path.resolve()), "")  # nothing in a name is FFmpeg's word
    if timed_out.is_set():
        raise DecoderTimeoutError(file=name, timeout_s=config.decode_timeout_s)
    _check_exit(code, text, name, len(raw))
    if len(raw) > config.max_duration_s * SAMPLE_RATE_HZ * 4:
        raise AudioTooLongError(file=name, maximum_s=config.max_duration_s)
    return raw, text


def _check_exit(code: int, log: str, name: str, received: int) -> None:
    if "Input #0" in log and not _STREAM.search(log):
        raise AudioStreamError(file=name)
    if code < 0 or code == _INTERRUPTED:
        raise AudioDecodeError(file=name, reason="FFmpeg was stopped before the end")
    if received:
        return  # a damaged tail still leaves what was decoded; see _notices
    if code != 0 or "Input #0" not in log:
        raise AudioDecodeError(file=name, reason=_reason(log))
    raise AudioDecodeError(file=name, reason="it holds no samples")


def _reason(log: str) -> str:
    known = (text for phrase, text in _REASONS if phrase in log)
    return next(known, "FFmpeg finds no audio in it")


def _describe(log: str, name: str, samples: int, size_bytes: int) -> AudioInfo:
    container = re.search(r"Input #0, ([^\s]+?),? from ", log)
    stream = _STREAM.search(log)
    layout = (stream["layout"] or "").split("(")[0].strip() if stream else ""
    counted = re.match(r"(\d+) channels", layout)
    return AudioInfo(
        file=name,
        duration_s=round(samples / SAMPLE_RATE_HZ, 4),
        sample_rate_hz=int(stream["rate"]) if stream else 0,
        channels=int(counted[1]) if counted else _LAYOUTS.get(layout, 0),
        codec=stream["codec"] if stream else "",
        container=container[1].split(",")[0] if container else "",
        size_bytes=size_bytes,
    )


def _check_samples(samples: Samples, name: str, config: AudioConfig, minimum: int) -> None:
    if samples.size < minimum:
        raise AudioTooShortError(
            file=name,
            duration_s=samples.size / SAMPLE_RATE_HZ,
            minimum_s=minimum / SAMPLE_RATE_HZ,
        )
    low, high = float(samples.min()), float(samples.max())
    if not np.isfinite([low, high]).all():
        count = int(samples.size - np.isfinite(samples).sum())
        raise AudioSamplesError(file=name, count=count, total=samples.size)
    peak = max(-low, high)
    if peak < config.silence_peak:
        raise AudioSilentError(file=name, peak_dbfs=20 * np.log10(max(peak, 1e-10)))


def _notices(log: str, samples: int, config: AudioConfig) -> tuple[Notice, ...]:
    notices = []
    duration_s = samples / SAMPLE_RATE_HZ
    if duration_s < config.short_s:
        text = f"Only {duration_s:.2f} s of audio: the result is less reliable under 1 s."
        notices.append(Notice("short_audio", text, {"duration_s": round(duration_s, 3)}))
    declared = re.search(r"(?m)^  Duration: (\d+):(\d+):(\d+(?:\.\d+)?)", log)
    if declared and not re.search(r"(?m)^  Stream #.*: Video:", log):  # a picture may last longer
        hours, minutes, seconds = declared.groups()
        declared_s = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        if duration_s < 0.9 * declared_s - 0.5:
            text = (
                f"The file says {declared_s:.1f} s, but only {duration_s:.1f} s could be decoded: "
                "it may be truncated."
            )
            params = {"declared_s": round(declared_s, 2), "decoded_s": round(duration_s, 2)}
            notices.append(Notice("truncated_audio", text, params))
    return tuple(notices)


def write_wav(path: Path, samples: Samples) -> None:
    """Writes 16 kHz mono PCM16; samples past full scale are clipped.

    Args:
        path: The file to write.
        samples: float32, (samples,), 16 kHz.

    Raises:
        OSError: It cannot be written.
    """
    try:
        soundfile.write(path, samples, SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")
    except soundfile.SoundFileError as e:
        raise OSError(str(e)) from e
