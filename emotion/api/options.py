"""Options of a recognition as query parameters, form fields or JSON fields: one model for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from emotion.api.openapi import TONE
from emotion.api.problems import invalid_of
from emotion.api.sources import Named
from emotion.core.errors import ConfigError
from emotion.core.i18n import Lang
from emotion.core.labels import LABEL_SETS, LABELS
from emotion.core.options import (
    EXPORT_NAMES,
    Channels,
    Granularity,
    RecognitionOptions,
    parse_exports,
    parse_labels,
)

EmbeddingFormat = Literal["list", "base64", "none"]

# What `RecognitionOptions` calls otherwise.
_NAMES = {
    "embedding": "extract_embedding",
    "export": "exports",
    "export_language": "language",
    "segment_min_s": "segment_min",
    "segment_max_s": "segment_max",
    "segment_pad_s": "segment_pad",
}
_DEFAULTS = RecognitionOptions()


def _split(value: Any) -> Any:
    """A comma-separated text, or a list of such, as a list of names."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return value
    return [name for text in texts for part in text.split(",") if (name := part.strip())]


def _between(least: float, most: float | None = None) -> dict[str, Any]:
    """Bounds for the document; `RecognitionOptions` checks them and says more."""
    return {"minimum": least} | ({} if most is None else {"maximum": most})


Names = Annotated[list[str], BeforeValidator(_split)]


class RecognizeOptions(BaseModel):
    """Options of a recognition."""

    model_config = ConfigDict(extra="forbid")

    granularity: Granularity = Field(
        "utterance",
        description="One result; `frame`: also scores every 0.1 s; `segment`: a result for each "
        "speech segment",
    )
    extract_embedding: bool = Field(False, description="Give the embedding")
    embedding_format: EmbeddingFormat = Field(
        "list",
        description="The embedding in the answer: a list of numbers, base64 of little-endian "
        "float32, or only as a file of the run",
    )
    labels: Names = Field(
        list(LABELS),
        description=f"The emotions that compete, comma-separated or repeated; or a set: "
        f"{', '.join(LABEL_SETS)}",
        examples=[["primary"], ["happy", "sad", "neutral"]],
    )
    min_confidence: float = Field(
        0.0,
        description="Results below this are `uncertain`",
        allow_inf_nan=False,
        json_schema_extra=_between(0, 1),
    )
    channels: Channels = Field(
        "mix", description="Hear all channels as one, or each on its own (segment granularity)"
    )
    channel_names: Names = Field(
        [],
        description="Names of the channels in order, with `split`",
        examples=[["agent", "customer"]],
    )
    channel: int | None = Field(
        None, description="One channel only, from 1", json_schema_extra=_between(1)
    )
    track: int | None = Field(
        None,
        description="Audio track, from 1; the first with sound by default",
        json_schema_extra=_between(1),
    )
    segment_min: float = Field(
        _DEFAULTS.segment_min_s,
        description="Shortest speech segment, seconds",
        allow_inf_nan=False,
        json_schema_extra=_between(0.1, 10),
    )
    segment_max: float = Field(
        _DEFAULTS.segment_max_s,
        description="Longest speech segment, seconds",
        allow_inf_nan=False,
        json_schema_extra=_between(0.2, 30),
    )
    segment_pad: float = Field(
        _DEFAULTS.segment_pad_s,
        description="Silence kept around segments",
        allow_inf_nan=False,
        json_schema_extra=_between(0, 1),
    )
    first_s: float | None = Field(
        None,
        description="Recognise only so many seconds from the start",
        allow_inf_nan=False,
        json_schema_extra=_between(1, 86_400),
    )
    exports: Names = Field(
        [],
        description=f"Files to write into the run too: {', '.join(EXPORT_NAMES)}; or all",
        examples=[["srt", "html"]],
    )
    store: bool = Field(True, description="Keep a run folder; false leaves no files")
    language: Lang | None = Field(
        None, description="Language of problems and exports; `Accept-Language` by default"
    )

    def merged(self, other: RecognizeOptions) -> RecognizeOptions:
        """These options with those that another one sets."""
        given = other.model_fields_set & set(RecognizeOptions.model_fields)
        return self.model_copy(update={name: getattr(other, name) for name in given})

    def recognition(self, language: Lang) -> RecognitionOptions:
        """The options of the pipeline.

        Args:
            language: Of exported files.

        Raises:
            ConfigError: An option has a value that it cannot have, under its name here.
        """
        exports = parse_exports(
            ",".join(self.exports),
            frames=self.granularity == "frame",
            embedding=self.extract_embedding,
        )
        try:
            return RecognitionOptions(
                granularity=self.granularity,
                embedding=self.extract_embedding,
                track=self.track,
                channel=self.channel,
                segment_min_s=self.segment_min,
                segment_max_s=self.segment_max,
                segment_pad_s=self.segment_pad,
                exports=exports,
                export_language=language,
                labels=parse_labels(",".join(self.labels)),
                min_confidence=self.min_confidence,
                channels=self.channels,
                channel_names=tuple(self.channel_names),
                first_s=self.first_s,
            )
        except ConfigError as e:
            option = _NAMES.get(str(e.params["option"]), e.params["option"])
            raise ConfigError(**{**e.params, "option": option}) from e


class QueryOptions(RecognizeOptions):
    """Options as query parameters; those in the body come before them."""

    filename: str | None = Field(
        None, description="Name of the recording, where the body is the recording itself"
    )


class RecognizeBody(RecognizeOptions, Named):
    """A recording in JSON: exactly one of the three `audio_…`, and options."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"audio_base64": TONE, "extract_embedding": True, "store": False},
                {"audio_path": "calls/0001.wav", "granularity": "segment"},
            ]
        },
    )


def from_form(fields: Mapping[str, Sequence[str]]) -> RecognizeOptions:
    """Options from the fields of a multipart body.

    Raises:
        ConfigError: A field is unknown, or has a wrong value.
    """
    lists = {"labels", "channel_names", "exports"}
    values: dict[str, Any] = {
        name: list(given) if name in lists or len(given) > 1 else given[0]
        for name, given in fields.items()
    }
    try:
        return RecognizeOptions.model_validate(values)
    except ValidationError as e:
        raise invalid_of(e) from e
