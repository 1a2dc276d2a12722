"""A labelled recording, and a collection of them."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from emotion.core.corpus_errors import LabelMapError
from emotion.core.emotion_names import emotion_of
from emotion.core.labels import LABELS
from emotion.core.results import readable
from emotion.corpus.manifests import read_text
from emotion.corpus.remote import Remote


@dataclass(frozen=True)
class Sample:
    """A labelled recording, or a part of one.

    Attributes:
        name: As its manifest names it.
        path: The recording, on this machine or at an address.
        label: What its corpus calls its emotion.
        speaker: Who speaks; None where that is not known.
        start_s: Where the part begins.
        end_s: Where it ends; None at the recording's end.
        columns: What else the manifest says, such as its corpus.
    """

    name: str
    path: Path | Remote
    label: str
    speaker: str | None = None
    start_s: float = 0.0
    end_s: float | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_part(self) -> bool:
        """Whether it is only a part of the recording."""
        return self.start_s > 0 or self.end_s is not None


@dataclass(frozen=True)
class Manifest:
    """Labelled recordings.

    Attributes:
        name: Of the file or folder.
        kind: What form it has, for people.
        samples: All of them, in order.
    """

    name: str
    kind: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Labelled:
    """Recordings whose labels are among the nine emotions.

    Attributes:
        samples: Those that have one.
        emotions: (samples,), their emotions.
        mapped: Each label of the corpus with its emotion, None where it has none, and how many
            recordings carry it; by falling number.
        outside: Recordings that are left out, because their emotions do not compete.
    """

    samples: tuple[Sample, ...]
    emotions: tuple[str, ...]
    mapped: tuple[tuple[str, str | None, int], ...]
    outside: int = 0

    @property
    def unmapped(self) -> int:
        """Recordings whose labels are none of the nine emotions."""
        return sum(count for _, emotion, count in self.mapped if emotion is None)

    def among(self, labels: Sequence[str]) -> Labelled:
        """Only those whose emotions compete: a model that may not say an emotion cannot find it."""
        pairs = zip(self.samples, self.emotions, strict=True)
        kept = [(sample, emotion) for sample, emotion in pairs if emotion in labels]
        return replace(
            self,
            samples=tuple(sample for sample, _ in kept),
            emotions=tuple(emotion for _, emotion in kept),
            outside=len(self.samples) - len(kept),
        )

    def first(self, count: int) -> Labelled:
        """Only so many of them; the table of labels stays that of all."""
        return replace(self, samples=self.samples[:count], emotions=self.emotions[:count])


def label(samples: Sequence[Sample], own: Mapping[str, str | None] | None = None) -> Labelled:
    """Gives each recording one of the nine emotions.

    Args:
        samples: The recordings.
        own: The user's own emotions of labels, from `read_label_map`; they come first.
    """
    own = own or {}
    counts = Counter(sample.label for sample in samples)
    emotions = {name: own[name] if name in own else emotion_of(name) for name in counts}
    kept = [sample for sample in samples if emotions[sample.label] is not None]
    return Labelled(
        tuple(kept),
        tuple(str(emotions[sample.label]) for sample in kept),
        tuple((name, emotions[name], count) for name, count in counts.most_common()),
    )


def read_label_map(path: Path) -> dict[str, str | None]:
    """A user's own table: the emotion of each label.

    Args:
        path: JSON with an object, or a CSV or TSV file without a header; an empty emotion, null
            or ``-`` leaves recordings with that label out.

    Raises:
        AudioNotFoundError: It cannot be opened.
        LabelMapError: It is no such table, or names an emotion that there is not.
    """
    text, name = read_text(path), readable(path.name)
    if path.suffix.lower() == ".json":
        try:
            data = json.loads(text)
        except ValueError as e:
            raise LabelMapError(file=name, reason=f"not JSON: {e}") from e
        if not isinstance(data, dict):
            raise LabelMapError(file=name, reason="not a JSON object")
        pairs = [(str(key), "" if value is None else str(value)) for key, value in data.items()]
    else:
        delimiter = "\t" if "\t" in text else ","
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if any(row)]
        if any(len(row) != 2 for row in rows):
            raise LabelMapError(file=name, reason="each line must have a label and an emotion")
        pairs = [(row[0], row[1]) for row in rows]
    return {key.strip(): _emotion(value.strip(), name) for key, value in pairs}


def _emotion(text: str, file: str) -> str | None:
    if text in ("", "-"):
        return None
    found = emotion_of(text)
    if found is None:
        raise LabelMapError(file=file, reason=f"{text!r} is none of {', '.join(LABELS)}")
    return found
