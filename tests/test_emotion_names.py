from __future__ import annotations

import pytest

from emotion.core.emotion_names import emotion_of
from emotion.core.labels import EMOTIONS


@pytest.mark.parametrize("emotion", EMOTIONS, ids=lambda one: one.id)
def test_own_names(emotion: object) -> None:
    one = next(e for e in EMOTIONS if e is emotion)
    assert {emotion_of(name) for name in (one.id, one.zh, one.en, one.en.upper())} == {one.id}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("anger", "angry"), ("ang", "angry"), ("A", "angry"), ("生气", "angry"), ("Wut", "angry"),
        ("exc", "happy"), ("hap", "happy"), ("Joy", "happy"), ("gioia", "happy"),
        ("calm", "neutral"), (" Neutral. ", "neutral"), ("neu", "neutral"), ("<unk>", "unknown"),
        ("pleasant surprise", "surprised"), ("Pleasant_Surprised", "surprised"),
        ("ps", "surprised"),
        ("F", "fearful"), ("anxiety", "fearful"), ("Angst", "fearful"), ("DIS", "disgusted"),
        ("dégoût", "disgusted"), ("C", "other"), ("contempt", "other"), ("boredom", "other"),
        ("frustration", "other"), ("tristesse", "sad"), ("生气/angry", "angry"),
        ("ＨＡＰ", "happy"),
    ],
)  # fmt: skip
def test_names_of_corpora_and_models(name: str, expected: str) -> None:
    assert emotion_of(name) == expected


@pytest.mark.parametrize("name", ["", "X", "xxx", "no agreement", "3", "valence", "/", "LABEL_0"])
def test_what_is_no_emotion(name: str) -> None:
    assert emotion_of(name) is None
