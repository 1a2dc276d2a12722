"""What is asked for in one recognition; flags, API fields and page controls derive from it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from emotion.core.errors import ConfigError
from emotion.core.labels import LABEL_SETS, LABELS

Granularity = Literal["utterance", "frame", "segment"]
Channels = Literal["mix", "split"]
Projecting = Literal["auto", "pca", "tsne", "none"]  # how a comparison draws its map
Clustering = Literal["auto", "hdbscan", "kmeans", "none"]  # how it finds groups
# The files that `emotion.exports` can write, by name.
ExportName = Literal[
    "segments",
    "frames",
    "srt",
    "vtt",
    "textgrid",
    "eaf",
    "rttm",
    "audacity",
    "labelstudio",
    "speechbrain",
    "npz",
    "html",
]
ExportLanguage = Literal["en", "zh"]
EXPORT_NAMES: tuple[ExportName, ...] = get_args(ExportName)
_LONGEST_NAME = 40


@dataclass(frozen=True)
class RecognitionOptions:
    """Options of one recognition, checked when it is made.

    Attributes:
        granularity: ``utterance``, ``frame`` for scores every 0.1 s too, or ``segment`` for a
            result per speech segment.
        embedding: Whether to give the embedding.
        track: Which audio track of the file, from 1; None takes the first that holds sound.
        channel: Which channel of that track, from 1; None takes the mean of all.
        segment_min_s: Shortest speech segment, but for isolated speech.
        segment_max_s: Longest speech segment, with its padding.
        segment_pad_s: Silence that is kept on both sides of a speech segment.
        exports: Which files to write beside ``result.json``, by their names.
        export_language: Language of the names and texts in those files.
        labels: The emotions that compete, at least two; the others score 0.
        min_confidence: A result or segment whose highest score is below this is ``uncertain``.
        channels: ``mix`` hears all channels as one; ``split`` hears each on its own and gives
            segments, talk time and quarters for each. ``split`` needs segment granularity.
        channel_names: Names of the channels in order, for people; with ``split`` only.
        first_s: Recognise only so many seconds from the start; None recognises everything.

    Raises:
        ConfigError: An option has a value that it cannot have.
    """

    granularity: Granularity = "utterance"
    embedding: bool = False
    track: int | None = None
    channel: int | None = None
    segment_min_s: float = 1.0
    segment_max_s: float = 15.0
    segment_pad_s: float = 0.1
    exports: tuple[ExportName, ...] = ()
    export_language: ExportLanguage = "en"
    labels: tuple[str, ...] = LABELS
    min_confidence: float = 0.0
    channels: Channels = "mix"
    channel_names: tuple[str, ...] = ()
    first_s: float | None = None

    def __post_init__(self) -> None:
        if self.granularity not in get_args(Granularity):
            expected = "'utterance', 'frame' or 'segment'"
            raise ConfigError(option="granularity", value=self.granularity, expected=expected)
        for name in ("track", "channel"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise ConfigError(option=name, value=value, expected="1 or more")
        self._check_segments()
        check_exports(self.exports, frames=self.granularity == "frame", embedding=self.embedding)
        if self.export_language not in get_args(ExportLanguage):
            expected = "'en' or 'zh'"
            raise ConfigError(
                option="export_language", value=self.export_language, expected=expected
            )
        self._check_labels()
        self._check_channels()
        if self.first_s is not None and not 1 <= self.first_s <= 86_400:  # nor is NaN
            raise ConfigError(option="first_s", value=self.first_s, expected="1 second or more")

    def _check_labels(self) -> None:
        unknown = [label for label in self.labels if label not in LABELS]
        if unknown or len(set(self.labels)) < max(2, len(self.labels)):
            expected = f"two or more of {', '.join(LABELS)}, each once"
            raise ConfigError(option="labels", value=", ".join(self.labels), expected=expected)
        if not 0 <= self.min_confidence <= 1:  # nor is NaN
            raise ConfigError(option="min_confidence", value=self.min_confidence, expected="0 to 1")

    def _check_channels(self) -> None:
        if self.channels not in get_args(Channels):
            expected = "'mix' or 'split'"
            raise ConfigError(option="channels", value=self.channels, expected=expected)
        split, names = self.channels == "split", self.channel_names
        if split and self.granularity != "segment":
            expected = "'segment' where channels is 'split'"
            raise ConfigError(option="granularity", value=self.granularity, expected=expected)
        if split and self.channel is not None:
            expected = "absent where channels is 'split'"
            raise ConfigError(option="channel", value=self.channel, expected=expected)
        usable = all(0 < len(name.strip()) <= _LONGEST_NAME for name in names)
        if names and not (split and usable and len(set(names)) == len(names)):
            expected = f"different names of 1 to {_LONGEST_NAME} characters, with channels 'split'"
            raise ConfigError(option="channel_names", value=", ".join(names), expected=expected)

    def _check_segments(self) -> None:
        least_s = 2 * (self.segment_min_s + self.segment_pad_s)
        twice = f"2 * (segment_min_s + segment_pad_s) = {least_s:g} or more, so that all can split"
        for name, ok, expected in (  # written so that NaN fails
            ("segment_min_s", 0.1 <= self.segment_min_s <= 10, "0.1 to 10 seconds"),
            ("segment_pad_s", 0 <= self.segment_pad_s <= 1, "0 to 1 seconds"),
            ("segment_max_s", self.segment_max_s <= 30, "at most 30 seconds"),
            ("segment_max_s", self.segment_max_s >= least_s, twice),
        ):
            if not ok:
                raise ConfigError(option=name, value=getattr(self, name), expected=expected)


def split_names(text: str) -> tuple[str, ...]:
    """The names in a comma-separated list, in small letters, each once."""
    return tuple(dict.fromkeys(name for part in text.split(",") if (name := part.strip().lower())))


def parse_labels(text: str) -> tuple[str, ...]:
    """Labels from ``primary``, ``basic``, ``all`` or a comma-separated list.

    Args:
        text: What was asked for; `RecognitionOptions` checks the names.

    Returns:
        In alphabetical order as in `emotion.core.labels.LABELS`, unknown names last.
    """
    names = split_names(text)
    found = [label for name in names for label in LABEL_SETS.get(name, (name,))]
    known = tuple(label for label in LABELS if label in found)
    return known + tuple(label for label in found if label not in LABELS)


def parse_names(text: str) -> tuple[str, ...]:
    """Names of channels from a list, separated by commas of either script."""
    return tuple(name for part in re.split("[,，、]", text) if (name := part.strip()))


def parse_exports(text: str, *, frames: bool, embedding: bool) -> tuple[Any, ...]:
    """Names of exports from a comma-separated list, each once.

    Args:
        text: The list; ``all`` stands for all that the result allows. `RecognitionOptions` checks
            the names.
        frames: Whether the result has frame scores.
        embedding: Whether its embedding is there.
    """
    names = split_names(text)
    return possible_exports(frames=frames, embedding=embedding) if "all" in names else names


def possible_exports(*, frames: bool, embedding: bool) -> tuple[ExportName, ...]:
    """The exports that a result allows.

    Args:
        frames: Whether it has frame scores.
        embedding: Whether its embedding is there.
    """
    lacking = {name for name, there in (("frames", frames), ("npz", embedding)) if not there}
    return tuple(name for name in EXPORT_NAMES if name not in lacking)


def check_exports(names: Iterable[str], *, frames: bool, embedding: bool) -> None:
    """Refuses names of exports that are unknown, or that a result does not allow.

    Args:
        names: What is asked for.
        frames: Whether the result has frame scores.
        embedding: Whether its embedding is there.

    Raises:
        ConfigError: Says which name, and what it needs.
    """
    needs = {
        "frames": "asked of a result with frame granularity",
        "npz": "asked of a result with an embedding",
    }
    possible = possible_exports(frames=frames, embedding=embedding)
    for name in names:
        if name not in EXPORT_NAMES:
            expected = f"one of {', '.join(EXPORT_NAMES)}"
            raise ConfigError(option="export", value=name, expected=expected)
        if name not in possible:
            raise ConfigError(option="export", value=name, expected=needs[name])
