"""What a recognition says: `Result` and its parts, to and from the JSON that scripts read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any, TypeVar

from emotion.core.labels import LABELS

Part = TypeVar("Part")

SCHEMA_VERSION = 1
SECONDARY_THRESHOLD = 0.03


def readable(name: str | os.PathLike[str]) -> str:
    """A path or name without what cannot be written as UTF-8 (names may be any bytes)."""
    return os.fsencode(name).decode("utf-8", "replace")


def clock(time_s: float) -> str:
    """A time in a recording: ``0:48``, or ``1:02:03`` from an hour on."""
    minutes, seconds = divmod(round(time_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@dataclass(frozen=True)
class AudioInfo:
    """The recording as it was given.

    Attributes:
        file: Its name, without folders.
        duration_s: Decoded length.
        sample_rate_hz: Rate in the file; 0 where the container does not say.
        channels: Channels in the file; 0 where they are not known.
        codec: FFmpeg's name of the codec.
        container: FFmpeg's name of the container format.
        size_bytes: Size of the file.
        tracks: Audio tracks in the file.
        track: The one that was used, from 1.
        channel: The channel that was used, from 1; None for the mean of all.
    """

    file: str
    duration_s: float
    sample_rate_hz: int
    channels: int
    codec: str
    container: str
    size_bytes: int
    tracks: int = 1
    track: int = 1
    channel: int | None = None


@dataclass(frozen=True)
class ModelInfo:
    """The model that gave the result.

    Attributes:
        name: Registry name, or the folder's name.
        title: Name for people.
        device: ``cpu`` or ``cuda:N``.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        fallback_reason: Why another model or engine than the default answered; None where the
            default did.
        engine: ``native``, or ``funasr`` for the reference implementation.
    """

    name: str
    title: str
    device: str
    precision: str
    fallback_reason: str | None = None
    engine: str = "native"


@dataclass(frozen=True)
class ResultWarning:
    """Something a reader of the result must know.

    Attributes:
        code: Stable id.
        message: English sentence.
        params: Values in the sentence.
    """

    code: str
    message: str
    params: dict[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Segment:
    """One stretch of the recording with its own result.

    Attributes:
        start_s: Where it begins.
        end_s: Where it ends.
        emotion: The label with the highest score.
        confidence: That score.
        scores: All nine scores, summing to 1.
        uncertain: Whether the confidence is below the minimum that was asked for.
        channel: The channel it was heard on, from 1, where channels were split; else None.
    """

    start_s: float
    end_s: float
    emotion: str
    confidence: float
    scores: dict[str, float]
    uncertain: bool = False
    channel: int | None = None

    @property
    def second(self) -> str | None:
        """The label with the second highest score; None where all others score 0."""
        others = [label for label in self.scores if label != self.emotion]
        best = max(others, key=self.scores.__getitem__, default=None)
        return best if best is not None and self.scores[best] > 0 else None


@dataclass(frozen=True)
class FrameCurve:
    """Scores over time.

    Step k covers [k * step_s, (k + 1) * step_s). Weighting the logarithms of the scores by
    ``weights`` and taking the softmax of their mean gives the utterance's scores exactly: the
    curve shows each moment's contribution to the result, not a local reading, because attention
    lets every frame see its whole window.

    Attributes:
        step_s: Length of a step.
        weights: Model frames (20 ms) in each step.
        scores: For each label one score a step.
    """

    step_s: float
    weights: list[int]
    scores: dict[str, list[float]]


@dataclass(frozen=True)
class LocalCurve:
    """Scores of sliding windows, each heard on its own: what a moment sounds like by itself.

    Attributes:
        window_s: Length of a window.
        step_s: Distance between windows that follow each other; more where there is no speech.
        times_s: Middle of each window, in order; windows without speech are left out.
        scores: For each label one score a window.
    """

    window_s: float
    step_s: float
    times_s: list[float]
    scores: dict[str, list[float]]


@dataclass(frozen=True)
class Summary:
    """A recording by its speech segments.

    Attributes:
        speech_s: Seconds of speech.
        silence_s: Seconds without speech.
        shares: Share of the speech in segments with each emotion, largest first, summing to 1;
            empty where there is no speech. Uncertain segments count as ``uncertain``.
        sentence: The course of emotions in one sentence, under ``zh`` and ``en``.
    """

    speech_s: float
    silence_s: float
    shares: dict[str, float]
    sentence: dict[str, str]


@dataclass(frozen=True)
class Quarter:
    """A quarter of the recording on one channel.

    Attributes:
        start_s: Where it begins.
        end_s: Where it ends.
        talk_s: Seconds of speech in it.
        emotion: The label with the highest score; None where nobody speaks.
        confidence: That score; None where nobody speaks.
        uncertain: Whether the confidence is below the minimum that was asked for.
    """

    start_s: float
    end_s: float
    talk_s: float
    emotion: str | None = None
    confidence: float | None = None
    uncertain: bool = False


@dataclass(frozen=True)
class ChannelResult:
    """One channel of a recording whose channels were split.

    Attributes:
        channel: Its number, from 1.
        name: Its name for people; empty where none was given.
        talk_s: Seconds of speech.
        talk_share: Its share of the talk time of all channels, 0 to 1.
        quarters: The four quarters of the recording, in order.
        summary: Its course of emotions.
        emotion: The label with the highest score; None where nobody speaks.
        confidence: That score; None where nobody speaks.
        scores: All nine scores; empty where nobody speaks.
        uncertain: Whether the confidence is below the minimum that was asked for.
    """

    channel: int
    name: str
    talk_s: float
    talk_share: float
    quarters: tuple[Quarter, ...]
    summary: Summary
    emotion: str | None = None
    confidence: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    uncertain: bool = False


@dataclass(frozen=True)
class Timing:
    """Seconds spent.

    Attributes:
        decode_s: Reading and resampling.
        inference_s: The network's own time.
        total_s: From the request to the result.
        queue_s: Waiting: for a worker, for the model, for the network to be free.
    """

    decode_s: float
    inference_s: float
    total_s: float
    queue_s: float = 0.0


@dataclass(frozen=True)
class Result:
    """The result for one recording; the field order is the order in ``result.json``.

    Attributes:
        emotion: The label with the highest score.
        confidence: That score, 0 to 1.
        scores: All nine scores in the order of `emotion.core.labels.LABELS`, summing to 1.
        granularity: ``utterance``, ``frame`` or ``segment``.
        timestamp: Local time, ``YYYY-MM-DD HH:MM:SS``.
        secondary: Other emotions above 3 %, highest first.
        audio: The recording.
        model: The model.
        timing: Seconds spent.
        warnings: What a reader must know.
        frames: Scores over time, with frame granularity.
        segments: Speech segments, with segment granularity; else windows, where the recording
            needed more than one.
        schema_version: Version of this layout.
        timestamp_utc: The same time in UTC, ``YYYY-MM-DDTHH:MM:SSZ``; empty in old results.
        summary: With segment granularity.
        uncertain: Whether the confidence is below ``min_confidence``.
        labels: The emotions that competed; the others score 0.
        min_confidence: The confidence that was wanted, 0 to 1.
        local: Scores of sliding windows, with frame granularity.
        channels: The channels, where they were split.
        overlap_s: Seconds in which several channels speak at once, where they were split.
    """

    emotion: str
    confidence: float
    scores: dict[str, float]
    granularity: str
    timestamp: str
    secondary: dict[str, float]
    audio: AudioInfo
    model: ModelInfo
    timing: Timing
    warnings: tuple[ResultWarning, ...] = ()
    frames: FrameCurve | None = None
    segments: tuple[Segment, ...] = ()
    schema_version: int = SCHEMA_VERSION
    timestamp_utc: str = ""
    summary: Summary | None = None
    uncertain: bool = False
    labels: tuple[str, ...] = LABELS
    min_confidence: float = 0.0
    local: LocalCurve | None = None
    channels: tuple[ChannelResult, ...] = ()
    overlap_s: float | None = None

    @property
    def no_speech(self) -> bool:
        """Whether no speech was found, so that the scores stand for no emotion."""
        return any(warning.code == "no_speech" for warning in self.warnings)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts and lists, the five classic fields first; absent parts are left out."""
        data = asdict(replace(self, frames=None, local=None))
        for name in ("frames", "local"):
            curve = getattr(self, name)
            if curve is not None:  # not copied: a long recording has a million scores
                data[name] = dict(vars(curve))
        head = {
            name: data.pop(name)
            for name in ("emotion", "confidence", "scores", "granularity", "timestamp")
        }
        head["schema_version"] = data.pop("schema_version")
        for name in ("frames", "summary", "local", "overlap_s", "segments", "channels"):
            if data[name] is None or data[name] == ():
                del data[name]
        for segment in data.get("segments", ()):
            if segment["channel"] is None:
                del segment["channel"]
        return {**head, **_listed(data)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Result:
        """The inverse of `to_dict`; unknown fields are ignored at every depth.

        Raises:
            KeyError: A required field is missing.
            ValueError: The schema version is newer than this package.
        """
        version = int(data["schema_version"])
        if version > SCHEMA_VERSION:
            raise ValueError(f"schema_version is {version}, this package reads {SCHEMA_VERSION}")
        return cls(
            emotion=data["emotion"],
            confidence=data["confidence"],
            scores=dict(data["scores"]),
            granularity=data["granularity"],
            timestamp=data["timestamp"],
            secondary=dict(data["secondary"]),
            audio=_known(AudioInfo, data["audio"]),
            model=_known(ModelInfo, data["model"]),
            timing=_known(Timing, data["timing"]),
            warnings=tuple(_known(ResultWarning, item) for item in data["warnings"]),
            frames=_optional(FrameCurve, data.get("frames")),
            segments=tuple(_known(Segment, item) for item in data.get("segments", ())),
            schema_version=version,
            timestamp_utc=data.get("timestamp_utc", ""),
            summary=_optional(Summary, data.get("summary")),
            uncertain=data.get("uncertain", False),
            labels=tuple(data.get("labels", LABELS)),
            min_confidence=data.get("min_confidence", 0.0),
            local=_optional(LocalCurve, data.get("local")),
            channels=tuple(_channel(item) for item in data.get("channels", ())),
            overlap_s=data.get("overlap_s"),
        )


def _listed(value: Any) -> Any:
    """Tuples as lists, at every depth of dicts and tuples."""
    if isinstance(value, dict):
        return {key: _listed(item) for key, item in value.items()}
    return [_listed(item) for item in value] if isinstance(value, tuple) else value


def _channel(data: Mapping[str, Any]) -> ChannelResult:
    quarters = tuple(_known(Quarter, item) for item in data["quarters"])
    summary = _known(Summary, data["summary"])
    return _known(ChannelResult, {**data, "quarters": quarters, "summary": summary})


def _optional(kind: type[Part], data: Mapping[str, Any] | None) -> Part | None:
    return None if data is None else _known(kind, data)


def _known(kind: type[Part], data: Mapping[str, Any]) -> Part:
    parts = fields(kind)  # type: ignore[arg-type]
    values = {part.name: data[part.name] for part in parts if part.name in data}
    for part in parts:
        optional = part.default is not MISSING or part.default_factory is not MISSING
        if part.name not in data and not optional:
            raise KeyError(part.name)
    return kind(**values)
