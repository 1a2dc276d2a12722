"""Measures a recording while it is decoded, and says what a reader of its result must know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion.audio.samples import SampleBuffer, Samples
from emotion.core.config import AudioConfig
from emotion.core.results import ResultWarning

BLOCK_SAMPLES = 800  # 50 ms: the resolution of a channel's loudness over time
_CANCELS = 0.1  # power of the mix, relative to that of channels that know nothing of each other
_ALIKE = 0.5  # a correlation at which two channels hold the same sound
_ACTIVE = 0.01  # power relative to the loudest channel, -20 dB
_FLOOR = 1e-2  # amplitude relative to the channel's mean, below which nothing counts
_FEWEST_BLOCKS = 20
_INTEGER_RANGE = 16.0  # a peak that no mix in floating point reaches
_INTEGER_BITS = (7, 15, 23, 31)
_USUAL_LEVEL_DBFS = -20.0
_HEADROOM = 0.9
_WARN_DBFS = -45.0  # from here on down the level would change the result
_LEAST_GAIN = 1.5
_SLACK_S = 0.2

# The English of each warning; `emotion.core.i18n.WARNINGS_ZH` has the Chinese.
MESSAGES = {
    "short_audio": "Only {duration_s:.2f} s of audio: the result is less reliable under 1 s.",
    "truncated_audio": (
        "The file says {declared_s:.1f} s, but only {decoded_s:.1f} s could be decoded: "
        "it may be truncated."
    ),
    "truncated_audio.unknown_length": (
        "The file has no proper end: {decoded_s:.1f} s could be decoded, it may be truncated."
    ),
    "header_mismatch": (
        "The header says {declared_s:.1f} s, but the file holds {decoded_s:.1f} s. "
        "All of it was used."
    ),
    "channels_cancel": (
        "The {channels} channels cancel each other out when mixed (inverted phase). "
        "Only channel {channel} was used."
    ),
    "channels_differ": (
        "The {channels} channels hold different sound, such as one speaker each, and were mixed. "
        "Splitting the channels (--channels split) gives segments for each."
    ),
    "channel_silent": "Channel {channel} is silent.",
    "first_only": (
        "Only the first {first_s:.0f} s were analysed, as asked; the recording is longer."
    ),
    "track_chosen": (
        "Audio track {first} is silent or cannot be decoded. Track {track} of {tracks} was used."
    ),
    "several_tracks": (
        "The file has {tracks} audio tracks, and more than one has sound. Track {track} was used. "
        "On the command line, --track N chooses another."
    ),
    "quiet_audio": (
        "The recording is very quiet ({level_dbfs:.0f} dBFS) and was amplified by {gain_db:.0f} dB."
    ),
    "scaled_audio": (
        "The samples go up to {peak:.0f} instead of 1 and were divided by {divisor:.0f}."
    ),
    "raw_audio": (
        "The file has no header. Its format ({format}) was taken from the suffix of its name."
    ),
}


def warning(code: str, **params: float | str) -> ResultWarning:
    """A warning with its English message filled in.

    Args:
        code: A key of `MESSAGES`; what follows a full stop in it chooses the wording only.
        **params: The values in the message.
    """
    return ResultWarning(code.split(".")[0], MESSAGES[code].format(**params), params)


@dataclass(frozen=True)
class Measure:
    """What is known of the samples of one channel, or of the mix.

    Attributes:
        low: The lowest sample.
        high: The highest sample.
        mean: The offset from zero.
        level: Root mean square without the offset and without digital silence.
        bad: Samples that are not finite numbers.
    """

    low: float
    high: float
    mean: float
    level: float
    bad: int


class Meter:
    """Takes a recording's measure chunk by chunk, of each channel and of the mix.

    Args:
        channels: Channels in each chunk.

    Attributes:
        frames: Sample frames seen.
    """

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self.frames = 0
        self._bad = np.zeros(channels + 1, np.int64)  # the last column is the mix
        self._sum = np.zeros(channels + 1)
        self._products = np.zeros((channels + 1, channels + 1))
        self._low = np.full(channels + 1, np.inf)
        self._high = np.full(channels + 1, -np.inf)
        self._silent = np.zeros(channels + 1, np.int64)  # samples of blocks that are digital zero
        self._blocks: list[NDArray[np.float32]] = []

    def add(self, chunk: Samples, mix: Samples) -> None:
        """Measures a chunk.

        Args:
            chunk: float32, (frames, channels), 16 kHz; all but the last are whole blocks long.
            mix: float32, (frames,), the mean of its channels, or the one that is used.
        """
        self.frames += len(chunk)
        # One row a channel: sums along contiguous memory are ten times as fast as across it.
        rows = np.concatenate([chunk.T, mix[None]]).astype(np.float64)
        finite = np.isfinite(rows)
        if not finite.all():
            self._bad += (~finite).sum(1)
            rows[~finite] = 0.0
        self._sum += rows.sum(1)
        self._products += rows @ rows.T
        self._low = np.minimum(self._low, rows.min(1))
        self._high = np.maximum(self._high, rows.max(1))
        whole = len(chunk) // BLOCK_SAMPLES * BLOCK_SAMPLES
        blocks = rows[:, :whole].reshape(self.channels + 1, -1, BLOCK_SAMPLES)
        rms = np.sqrt(np.einsum("cbs,cbs->bc", blocks, blocks) / BLOCK_SAMPLES)
        self._silent += BLOCK_SAMPLES * (rms == 0).sum(0)
        if self.channels > 1:
            self._blocks.append(rms[:, :-1].astype(np.float32))

    def measure(self, channel: int | None = None) -> Measure:
        """The measure of a channel, from 1, or of the mix."""
        column = -1 if channel is None else channel - 1
        heard = max(self.frames - int(self._silent[column]), 1)
        power = self._covariance()[column, column] * self.frames / heard
        return Measure(
            low=float(self._low[column]),
            high=float(self._high[column]),
            mean=float(self._sum[column]) / max(self.frames, 1),
            level=float(np.sqrt(max(power, 0.0))),
            bad=int(self._bad[column]),
        )

    @property
    def bad(self) -> int:
        """Samples of the mix that are not finite numbers."""
        return int(self._bad[-1])

    @property
    def swing(self) -> float:
        """Half the distance between the lowest and the highest sample of any channel."""
        return float((self._high - self._low).max()) / 2 if self.frames else 0.0

    def _covariance(self) -> NDArray[np.float64]:
        count = max(self.frames, 1)
        mean = self._sum / count
        return np.asarray(self._products / count - np.outer(mean, mean))

    def loudest_if_cancelled(self) -> int | None:
        """The loudest channel (from 0) where the channels cancel in the mix; else None."""
        if self.channels < 2 or self.bad:
            return None
        power = self._covariance().diagonal()
        alone = power[:-1].sum() / self.channels**2
        return int(power[:-1].argmax()) if power[-1] < _CANCELS * alone else None

    def differ(self) -> bool:
        """Whether two channels hold different sound, not one sound in two places.

        Microphones apart from each other hear one voice at different times: their samples do not
        correlate, but their loudness over time does.
        """
        if self.channels < 2 or self.bad or not self._blocks:
            return False
        power = self._covariance().diagonal()[:-1]
        active = np.flatnonzero(power > _ACTIVE * max(power.max(), 1e-12))
        loudness = np.concatenate(self._blocks)[:, active]
        if len(active) < 2 or len(loudness) < _FEWEST_BLOCKS:
            return False
        samples = np.abs(self._covariance()[np.ix_(active, active)])
        samples /= np.sqrt(np.outer(power[active], power[active]))
        curves = np.log(loudness + _FLOOR * loudness.mean(0))
        curves -= curves.mean(0)
        spread = np.sqrt(np.square(curves).sum(0)) + 1e-12
        over_time = (curves.T @ curves) / np.outer(spread, spread)
        return bool(np.any((samples < _ALIKE) & (over_time < _ALIKE)))


@dataclass(frozen=True)
class Levelled:
    """What was done to the samples.

    Attributes:
        peak: The highest magnitude afterwards.
        warnings: What a reader must know of it.
    """

    peak: float
    warnings: tuple[ResultWarning, ...]


def level(samples: SampleBuffer, measure: Measure, config: AudioConfig) -> Levelled:
    """Brings samples into the range that the network and a WAV file take, when they are read.

    Integers in floating point are scaled, peaks over full scale too. The network normalises each
    clip to variance 1, but adds 1e-5 to the variance: far below the usual level that changes the
    result, so quiet recordings are amplified.

    Args:
        samples: Their ``offset`` and ``gain`` are set.
        measure: What is known of them.
        config: Limits.
    """
    warnings = []
    peak = max(-measure.low, measure.high)
    reach, rms, divisor = (
        max(measure.high - measure.mean, measure.mean - measure.low),
        measure.level,
        1.0,
    )
    if peak > _INTEGER_RANGE:
        fits = (2.0**bits for bits in _INTEGER_BITS if peak <= 1.5 * 2.0**bits)
        divisor = next(fits, peak)
        warnings.append(warning("scaled_audio", peak=peak, divisor=divisor))
    divisor *= max(1.0, peak / divisor)
    peak, reach, rms = peak / divisor, reach / divisor, rms / divisor
    samples.gain = 1 / divisor
    level_dbfs = 20 * float(np.log10(max(rms, 1e-10)))
    gain = min(10 ** ((_USUAL_LEVEL_DBFS - level_dbfs) / 20), _HEADROOM / max(reach, 1e-10))
    quiet = config.silence_peak <= peak and level_dbfs < config.quiet_dbfs and rms > 0
    if quiet and gain > _LEAST_GAIN:
        samples.offset, samples.gain = measure.mean, gain / divisor
        peak = reach * gain
        if level_dbfs < _WARN_DBFS:
            gain_db = 20 * float(np.log10(gain))
            values = {"level_dbfs": round(level_dbfs, 1), "gain_db": round(gain_db, 1)}
            warnings.append(warning("quiet_audio", **values))
    return Levelled(peak, tuple(warnings))


def length_warning(
    declared_s: float | None, decoded_s: float, *, exact: bool, cut: bool
) -> ResultWarning | None:
    """The warning about a length other than the header's, if there is one to give.

    Args:
        declared_s: Length by the header; None where it has none.
        decoded_s: Length of what was decoded.
        exact: Whether a longer one means a wrong header, too.
        cut: Whether the decoder or the file itself says that the end is missing.
    """
    slack_s = _SLACK_S + 0.01 * decoded_s
    lengths = {"declared_s": round(declared_s or 0.0, 2), "decoded_s": round(decoded_s, 2)}
    if declared_s is not None and declared_s - decoded_s > slack_s:
        return warning("truncated_audio", **lengths)
    if cut:
        return warning("truncated_audio.unknown_length", decoded_s=lengths["decoded_s"])
    if exact and declared_s and decoded_s - declared_s > slack_s:
        return warning("header_mismatch", **lengths)
    return None
