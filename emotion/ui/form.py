"""What a visitor fills in, and the options that it stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from emotion.core.i18n import Lang
from emotion.core.labels import LABEL_SETS, LABELS
from emotion.core.options import (
    Channels,
    ExportName,
    Granularity,
    RecognitionOptions,
    parse_names,
    possible_exports,
)

FIRST_S: Final = 30.0
LabelChoice = Literal["all", "basic", "primary", "own"]
LABEL_CHOICES: Final[tuple[LabelChoice, ...]] = ("all", "basic", "primary", "own")


@dataclass(frozen=True)
class Form:
    """The values of the page's controls.

    Attributes:
        granularity: The granularity; split channels are always recognised by segment.
        embedding: Whether the embedding is wanted.
        exports: The exports; those that the run does not allow are left out, as the page says.
        labels: A set of labels by name, or ``own`` for ``own_labels``.
        own_labels: The visitor's own choice of labels.
        min_confidence: Below it a result is uncertain.
        channels: Whether channels are mixed or split.
        channel_names: Names of the split channels, separated by commas of either script.
        first_only: Whether only the first 30 s are wanted.
    """

    granularity: Granularity = "utterance"
    embedding: bool = False
    exports: Sequence[ExportName] = ()
    labels: LabelChoice = "all"
    own_labels: Sequence[str] = ()
    min_confidence: float = 0.0
    channels: Channels = "mix"
    channel_names: str = ""
    first_only: bool = False

    def options(self, lang: Lang) -> RecognitionOptions:
        """The options, with exports in this language.

        Raises:
            ConfigError: An option has a value that it cannot have.
        """
        split = self.channels == "split"
        granularity: Granularity = "segment" if split else self.granularity
        possible = possible_exports(frames=granularity == "frame", embedding=self.embedding)
        chosen = LABEL_SETS.get(self.labels, self.own_labels)
        return RecognitionOptions(
            granularity,
            self.embedding,
            exports=tuple(name for name in self.exports if name in possible),
            export_language=lang,
            labels=tuple(label for label in LABELS if label in chosen),
            min_confidence=self.min_confidence,
            channels=self.channels,
            channel_names=parse_names(self.channel_names) if split else (),
            first_s=FIRST_S if self.first_only else None,
        )
