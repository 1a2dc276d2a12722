"""Corpora whose file names carry the labels."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final


@dataclass(frozen=True)
class Named:
    """What a file name says.

    Attributes:
        corpus: The corpus that names its files so.
        label: The emotion, in English.
        speaker: Who speaks.
    """

    corpus: str
    label: str
    speaker: str


# The third of RAVDESS's seven numbers (Livingstone & Russo 2018).
_RAVDESS: Final = {
    1: "neutral",
    2: "calm",
    3: "happy",
    4: "sad",
    5: "angry",
    6: "fearful",
    7: "disgust",
    8: "surprised",
}
_RAVDESS_NAME: Final = re.compile(r"\d\d-\d\d-(\d\d)-\d\d-\d\d-\d\d-(\d\d)")
# The sixth character of EMO-DB's names stands for a German word (Burkhardt et al. 2005).
_EMODB: Final = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
_EMODB_NAME: Final = re.compile(r"(\d\d)[ab]\d\d([WLEAFTN])[a-z]?")
_CREMAD_NAME: Final = re.compile(r"(\d{4})_[A-Z]{3}_(ANG|DIS|FEA|HAP|NEU|SAD)_(?:LO|MD|HI|XX|X)")


def read_name(file: str) -> Named | None:
    """What the name of a file of RAVDESS, EMO-DB or CREMA-D says; None for any other.

    Args:
        file: A name, with or without folders; prefixes such as ``emodb_`` do not matter.
    """
    stem = PurePath(file).stem
    if (found := _RAVDESS_NAME.search(stem)) and int(found[1]) in _RAVDESS:
        return Named("RAVDESS", _RAVDESS[int(found[1])], f"ravdess-{found[2]}")
    if found := _CREMAD_NAME.search(stem):
        return Named("CREMA-D", found[2], f"cremad-{found[1]}")
    if found := re.fullmatch(rf"(?:.*[_-])?{_EMODB_NAME.pattern}", stem):
        return Named("EMO-DB", _EMODB[found[2]], f"emodb-{found[1]}")
    return None
